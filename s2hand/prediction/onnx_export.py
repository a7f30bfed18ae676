"""The network with its hand layer as an ONNX file, which runs without PyTorch.

Inputs are ``image`` (B, 3, S, S), RGB in [0, 1], which shows a right hand, and ``K`` (B, 3, 3) in its
pixels. Outputs are fields of :class:`~s2hand.structures.HandPrediction`, for any B. The hand model's arrays
are part of the file, so MANO's licence binds files made with MANO.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from s2hand.errors import S2HandError
from s2hand.export import CAMERA_FRAME
from s2hand.files import written_whole
from s2hand.models import HandNet

OPSET = 17
"""From 2022: every runtime of today reads it."""

TOLERANCE = 1e-4
"""Allowed difference from PyTorch: absolute for values below 1 (metres, colours), relative above."""

INPUTS = ("image", "K")
HAND_OUTPUTS = ("vertices", "joints", "keypoints_2d")
TEXTURE_OUTPUTS = ("face_textures", "light")

CHECKED_BATCHES = (1, 3)
"""Sizes of the batches that are compared; the network is traced with another size."""

TRACED_BATCH = 2


@dataclass(frozen=True)
class OnnxExport:
    """What was written.

    Attributes:
        path: the file.
        outputs: names of the network's outputs.
        differences: output -> largest difference between onnxruntime and PyTorch, see ``TOLERANCE``.
    """

    path: Path
    outputs: tuple[str, ...]
    differences: dict[str, float]


class _OnnxHandNet(nn.Module):
    """A network as a function from tensors to a tuple of tensors."""

    def __init__(self, model: HandNet) -> None:
        super().__init__()
        self.model = model
        textured = model.texture_light_head is not None
        self.parts = ("hand", "texture") if textured else ("hand",)
        self.outputs = HAND_OUTPUTS + (TEXTURE_OUTPUTS if textured else ())

    def forward(self, image: Tensor, K: Tensor) -> tuple[Tensor, ...]:
        prediction = self.model(image, K, self.parts)
        return tuple(getattr(prediction, name) for name in self.outputs)


def export_onnx(model: HandNet, image_size: int, path: str | Path) -> OnnxExport:
    """Writes a network as ONNX and compares it with PyTorch on random input; a file that fails is not kept.

    Args:
        model: in evaluation mode, on the CPU.
        image_size: S, side of its images in pixels.
        path: the file.

    Raises:
        S2HandError: a package is missing, PyTorch cannot express the network in ONNX, or the results differ.
    """
    onnx, onnxruntime = _packages()
    path = Path(path)
    network = _OnnxHandNet(model).eval()
    with written_whole(path) as partial:
        _trace(network, image_size, partial)
        content = onnx.load(partial)
        onnx.helper.set_model_props(content, _description(model, image_size))
        onnx.checker.check_model(content, full_check=True)
        onnx.save(content, partial)
        session = onnxruntime.InferenceSession(str(partial), providers=["CPUExecutionProvider"])
        differences = _compare(network, session, image_size, path)
    return OnnxExport(path, network.outputs, differences)


def _packages():
    """onnx and onnxruntime, which only this module needs."""
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise S2HandError(
            f"ONNX export needs the package {error.name}: install it with pip install 's2hand[onnx]'"
        ) from None
    return onnx, onnxruntime


def _random_input(batch: int, image_size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of noise, and cameras similar to a FreiHAND crop's (the focal length is twice the side)."""
    random = torch.Generator().manual_seed(seed)
    image = torch.rand(batch, 3, image_size, image_size, generator=random)
    K = torch.tensor([[2.0, 0, 0.5], [0, 2.0, 0.5], [0, 0, 1 / image_size]]).repeat(batch, 1, 1) * image_size
    K[:, :2] *= 0.8 + 0.4 * torch.rand(batch, 2, 3, generator=random)
    return image, K


@torch.no_grad()
def _trace(network: _OnnxHandNet, image_size: int, path: Path) -> None:
    names = (*INPUTS, *network.outputs)
    try:
        with warnings.catch_warnings():
            # The tracer warns of every check of a shape; _compare shows that none of them matters.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network,
                _random_input(TRACED_BATCH, image_size, seed=0),
                path,
                input_names=list(INPUTS),
                output_names=list(network.outputs),
                dynamic_axes={name: {0: "batch"} for name in names},
                opset_version=OPSET,
                dynamo=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).splitlines()[0]
        raise S2HandError(f"the network cannot be written as ONNX opset {OPSET}: {reason}") from None


def _description(model: HandNet, image_size: int) -> dict[str, str]:
    """The file's metadata: what a program without this project needs to know."""
    return {
        "format": "s2hand-onnx-1",
        "image": f"(B, 3, {image_size}, {image_size}) RGB in [0, 1], a right hand (mirror left ones)",
        "image_size": str(image_size),
        "K": "(B, 3, 3) camera matrix, pixels of image",
        "frame": CAMERA_FRAME,
        "units": "metres; keypoints_2d in pixels of image",
        "face_textures": "(B, F, 3); their tanh is the albedo, RGB",
        "faces": json.dumps(model.mano_layer.faces.tolist(), separators=(",", ":")),
    }


@torch.no_grad()
def _compare(network: _OnnxHandNet, session, image_size: int, path: Path) -> dict[str, float]:
    """The largest difference of each output over some batches."""
    largest = dict.fromkeys(network.outputs, 0.0)
    for batch in CHECKED_BATCHES:
        image, K = _random_input(batch, image_size, seed=batch)
        found = session.run(list(network.outputs), {"image": image.numpy(), "K": K.numpy()})
        for name, value, expected in zip(network.outputs, found, network(image, K), strict=True):
            expected = expected.numpy()
            difference = float((np.abs(value - expected) / np.maximum(np.abs(expected), 1)).max())
            largest[name] = max(largest[name], difference)
            if not difference <= TOLERANCE:  # NaN is refused too
                raise S2HandError(
                    f"{path}: not written, as its {name} would differ from PyTorch's by {difference:.1e} "
                    f"(allowed: {TOLERANCE:.0e}); try another version of onnxruntime or PyTorch"
                )
    return largest
