"""The bundled weights of MediaPipe's hand networks, and the networks that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from s2hand.errors import S2HandError
from s2hand.models.mediapipe.landmarks import HandLandmarkNet
from s2hand.models.mediapipe.palm import PalmNet

WEIGHTS_FOLDER = Path(__file__).parent / "weights"

Net = TypeVar("Net", bound=nn.Module)


class WeightsError(S2HandError):
    """A file of weights is missing, damaged, or another network's."""


def load_palm_net(path: str | Path = WEIGHTS_FOLDER / "palm.safetensors") -> PalmNet:
    """The palm detector on the CPU, for inference: float32, channels last.

    Args:
        path: its weights.

    Raises:
        WeightsError: the file is missing or holds something else.
    """
    return _load(PalmNet(), path)


def load_landmark_net(path: str | Path = WEIGHTS_FOLDER / "landmarks.safetensors") -> HandLandmarkNet:
    """The landmark network on the CPU, for inference: float32, channels last.

    Args:
        path: its weights.

    Raises:
        WeightsError: the file is missing or holds something else.
    """
    return _load(HandLandmarkNet(), path)


def _load(net: Net, path: str | Path) -> Net:
    """Fills a network from a file of half precision."""
    remedy = "install the package anew, or convert the weights by scripts/convert_mediapipe.py"
    try:
        net.load_state_dict(load_file(path))
    except OSError as error:
        raise WeightsError(f"{path}: the detector's weights cannot be read ({error}); {remedy}") from error
    except (SafetensorError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise WeightsError(
            f"{path}: expected the weights of {type(net).__name__} ({first}); {remedy}"
        ) from error
    return net.to(memory_format=torch.channels_last).eval()
