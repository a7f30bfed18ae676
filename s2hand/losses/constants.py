"""Tables of numbers as tensors, copied to each device once: a copy in every step would stall the stream."""

from functools import cache

import torch
from torch import Tensor


@cache
def constant(values: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``torch.tensor(values)``, remembered. Never write into it.

    Args:
        values: numbers, in nested tuples.
        dtype: of the tensor.
        device: of the tensor.

    Returns:
        The shared tensor.
    """
    # Made in evaluation it must still serve in training: inference tensors cannot take part in autograd.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
