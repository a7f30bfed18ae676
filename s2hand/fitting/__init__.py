"""Hands fitted to keypoints, landmarks and pixels; texture and light from a photo."""
