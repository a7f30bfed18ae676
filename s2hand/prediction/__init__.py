"""From photos and videos to hands."""
