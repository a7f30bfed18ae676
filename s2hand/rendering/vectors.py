"""Vectors for the kernels' C++ parts: a few pixels of a line at a time on the CPU, one on CUDA.

Warp compiles for the CPU with clang; these are the vector types of clang.
"""

from __future__ import annotations

import torch

LANES = 8
"""Floats in a vector on common CPUs."""

VECTORS = """
    #pragma clang fp contract(fast)
#if defined(__CUDA_ARCH__)
    constexpr int lanes = 1;
    typedef float Floats;
    typedef int Ints;
    const Floats lane = 0.0f;
    auto sum = [](Floats a) { return a; };
#else
    constexpr int lanes = LANES;
    typedef float Floats __attribute__((ext_vector_type(lanes)));
    typedef int Ints __attribute__((ext_vector_type(lanes)));
    const Floats lane = {0, 1, 2, 3, 4, 5, 6, 7};
    auto sum = [](Floats a) {
        const auto half = a.lo + a.hi;
        const auto quarter = half.lo + half.hi;
        return quarter.x + quarter.y;
    };
#endif
    const Floats none = 0.0f;
""".replace("LANES", str(LANES))
"""Opens a function's body: ``lanes``, Floats, Ints, the lanes' numbers, sums over lanes and a vector of 0."""


def lanes_on(device: torch.device) -> int:
    """Pixels that the C++ parts take at a time on a device."""
    return LANES if device.type == "cpu" else 1
