"""Parts of the build of the generic hand: reading, remeshing, rigging, shape and pose spaces, images."""
