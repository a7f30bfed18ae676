"""From a photo or a video to the hands in it: reconstruction, refinement, smoothing, files."""
