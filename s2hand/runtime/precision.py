"""The arithmetic of the networks: float32, or half precision where the hardware supports it."""

from __future__ import annotations

import torch

from s2hand.errors import S2HandError

AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(name: str, device: torch.device) -> str:
    """The precision of a name; ``auto`` is bf16 where the device has instructions for it, else fp32.

    Args:
        name: auto, fp32, bf16 or fp16.
        device: where the networks run.

    Returns:
        fp32, bf16 or fp16.

    Raises:
        S2HandError: fp16 on a CPU.
    """
    if name == "fp16" and device.type == "cpu":
        raise S2HandError("precision fp16 needs CUDA, but the device is cpu; use bf16 or fp32")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if cpu_has_bf16() else "fp32"


def cpu_has_bf16() -> bool:
    """Whether this processor multiplies bf16 natively; elsewhere it is emulated, slower than float32."""
    features = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.6 and later can tell
    return bool(features.get("avx512_bf16") or features.get("amx_bf16") or features.get("arm_bf16"))


def resolve_channels_last(wanted: bool | None, precision: str, device: torch.device) -> bool:
    """Whether images and features are channels-last in memory.

    Args:
        wanted: the config's choice; None: the faster layout.
        precision: fp32, bf16 or fp16.
        device: where the networks run.

    Returns:
        By default True on the CPU, where convolutions are faster in this layout, and on CUDA in half
        precision, where matrix units need it; False for float32 on CUDA, which does not use them.
    """
    return (device.type != "cuda" or precision in AUTOCAST_DTYPES) if wanted is None else wanted


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The autocast context of a precision; without effect for fp32."""
    enabled = precision in AUTOCAST_DTYPES
    return torch.autocast(device.type, dtype=AUTOCAST_DTYPES.get(precision), enabled=enabled)
