"""Hands before a webcam: frames as they come, a page that shows them, and recordings on request."""
