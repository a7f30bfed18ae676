"""``s2hand app``: hands from photos, videos and a webcam in the browser, served from this machine."""
