"""Self-supervised 3D hand reconstruction from one photo."""
