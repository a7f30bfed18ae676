"""Warp kernels as PyTorch operators, wherever they are defined: devices, launches and compiled binaries."""
