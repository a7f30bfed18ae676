"""Warp kernels as PyTorch operators: launches, threads and compiled binaries."""
