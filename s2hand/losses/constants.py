"""Tables of numbers as tensors, copied to each device once: a copy in every step would stall it."""

from functools import cache

import torch
from torch import Tensor


@cache
def constant(values: tuple, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``torch.tensor(values, dtype, device)``, made once.

    Args:
        values: numbers in nested tuples.
        dtype: the tensor's type.
        device: the tensor's device.

    Returns:
        The shared tensor, which must not be changed.
    """
    # A tensor made in evaluation also serves in training, and inference tensors cannot take part in autograd.
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=dtype, device=device)
