"""Images and videos from disk, their orientation and cameras, and square views of hands in them."""
