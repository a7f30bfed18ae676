"""The device that computes."""

from __future__ import annotations

import torch

from s2hand.errors import S2HandError


class DeviceError(S2HandError):
    """The requested device does not exist."""


def resolve_device(name: str | torch.device | None = "auto") -> torch.device:
    """The device with a name.

    Args:
        name: "cpu", "cuda", "cuda:<index>", or "auto" or None: CUDA where there is a device, else the CPU.

    Raises:
        DeviceError: the name is invalid, or there is no such device on this machine.
    """
    name = "auto" if name is None else str(name)
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device {name!r}: expected auto, cpu, cuda or cuda:<index>")
    if device.type == "cuda" and not torch.cuda.is_available():
        built = "sees no NVIDIA GPU" if torch.version.cuda else "was built without CUDA"
        raise DeviceError(f"device {name!r}: PyTorch {torch.__version__} {built}; use cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device {name!r}: there are {torch.cuda.device_count()} CUDA devices, counted from 0; "
            "use a smaller index"
        )
    return device
