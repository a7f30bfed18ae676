"""Rotations, cameras, Laplacians and alignments: mathematics without hands or networks."""
