"""A self-test of a few seconds: whether this installation computes correct results on this machine.

The rasterizer is compared with its plain-PyTorch twin, the hand layer with numbers from a slow NumPy loop in
float64, and a tiny network takes one training step with every kind of loss.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from s2hand.config.sections import NetworkSection
from s2hand.errors import S2HandError
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.models import PARTS, HandNet, build_hand_net
from s2hand.rendering import rasterize
from s2hand.rendering.reference import rasterize_reference, visibility_gradient_reference
from s2hand.skeleton import NUM_JOINTS
from s2hand.structures import HandBatch

RASTER_SIZE = 16
BACKGROUND = (0.2, 0.5, 0.9)
IMAGE_TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-3
HAND_TOLERANCE_M = 1e-5
HAND_VALUES = Path(__file__).with_name("self_test_hand.json")
VERTEX_STEP = 97
"""Distance between the numbers of the vertices that are compared."""

NETWORK_SIZE = 64
LOSSES = (
    *("tsa_poses", "open_2dj", "open_bone_direc", "hm_integral", "kp_cons"),
    *("texture", "mtex", "triangle", "kp_nll"),
)


@dataclass(frozen=True)
class Check:
    """The outcome of a check.

    Attributes:
        name: subject of the check.
        passed: whether the result is correct.
        detail: the result in one line.
        seconds: duration.
    """

    name: str
    passed: bool
    detail: str
    seconds: float


def run_check(name: str, check: Callable[[], str]) -> Check:
    """Runs a function that returns its finding and raises an error if that is wrong."""
    start = time.perf_counter()
    try:
        passed, detail = True, check()
    except S2HandError as error:
        passed, detail = False, str(error)
    except Exception as error:  # any fault of the installation is a finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        passed, detail = False, f"{type(error).__name__}: {error} ({where})"
    return Check(name, passed, " ".join(detail.split()), time.perf_counter() - start)


def self_test(device: torch.device | str = "cpu") -> list[Check]:
    """Checks rasterizer, hand layer and a training step on a device."""
    device = torch.device(device)
    checks = {
        "rasterizer, forward": check_images,
        "rasterizer, backward": check_gradients,
        "hand layer": check_hand,
        "training step": check_training_step,
    }
    return [
        run_check(f"{name} ({device})", lambda check=check: check(device)) for name, check in checks.items()
    ]


def check_images(device: torch.device) -> str:
    """Compares the images of the kernels with those of the reference."""
    vertices, faces, colors = _octahedron(device)
    drawn = rasterize(vertices, faces, colors, RASTER_SIZE, background=BACKGROUND)
    expected = rasterize_reference(
        vertices.double(), faces, colors.double(), RASTER_SIZE, background=BACKGROUND
    )
    if not torch.equal(drawn.face_index, expected.face_index):
        count = int((drawn.face_index != expected.face_index).sum())
        raise SelfTestError(f"{count} of {expected.face_index.numel()} pixels show another face")
    return _compare(
        {name: (getattr(drawn, name), getattr(expected, name)) for name in ("rgb", "silhouette", "depth")},
        IMAGE_TOLERANCE,
    )


def check_gradients(device: torch.device) -> str:
    """Compares the gradients of the kernels with autograd and with the reference's loop over edges."""
    vertices, faces, colors = _octahedron(device)
    generator = torch.Generator().manual_seed(1)
    upstream = torch.randn(1, 5, RASTER_SIZE, RASTER_SIZE, generator=generator).to(device)

    def gradients(draw, precision: torch.dtype, channels: str) -> tuple[Tensor, Tensor]:
        leaves = [tensor.to(precision).requires_grad_() for tensor in (vertices, colors)]
        drawn = draw(leaves[0], faces, leaves[1], RASTER_SIZE, background=BACKGROUND)
        loss = (drawn.depth * upstream[:, 4]).sum() if "depth" in channels else 0
        if "rgb" in channels:
            loss = loss + (drawn.rgb * upstream[:, :3]).sum() + (drawn.silhouette * upstream[:, 3]).sum()
        return torch.autograd.grad(loss, leaves, materialize_grads=True)

    drawn = rasterize(vertices, faces, colors, RASTER_SIZE, background=BACKGROUND).face_index
    exact = upstream.double()
    moving = visibility_gradient_reference(
        *(vertices.double(), faces, colors.double(), drawn, exact[:, :3], exact[:, 3]),
        background=BACKGROUND,
    )
    inside = gradients(rasterize_reference, torch.float64, "depth rgb")
    found = gradients(rasterize, torch.float32, "depth rgb")
    pairs = {"vertices": (found[0], moving + inside[0]), "colours": (found[1], inside[1])}
    return _compare(pairs, GRADIENT_TOLERANCE)


def check_hand(device: torch.device) -> str:
    """Compares the posed generic hand with stored numbers."""
    stored = json.loads(HAND_VALUES.read_text(encoding="utf-8"))
    layer = ManoLayer(load_hand_model("generic"), 30).to(device)
    pose, betas = 0.4 * torch.arange(30).sin(), 0.5 * torch.arange(10).cos()
    inputs = [tensor[None].to(device) for tensor in (pose, betas, torch.tensor([0.3, -0.5, 0.2]))]
    posed = layer(*inputs)
    found = {"joints": posed.joints[0], "vertices": posed.vertices[0, ::VERTEX_STEP]}
    pairs = {name: (value, torch.tensor(stored[name], device=device)) for name, value in found.items()}
    return _compare(pairs, HAND_TOLERANCE_M, unit=" m", relative=False)


def check_training_step(device: torch.device) -> str:
    """A step of a tiny network with losses on every output: all finite, and every part learns."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        model, objective = _tiny_network()
        model.to(device).train()
        batch = _random_batch().to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        prediction = model(batch.image, batch.K, objective.required_parts)
        losses = objective.to(device)(prediction, batch)
        if broken := [name for name, value in losses.items() if not bool(value.isfinite())]:
            raise SelfTestError(f"not finite: {', '.join(broken)}")
        losses["total"].backward()
        still = []
        for name, child in model.named_children():
            gradients = [p.grad for p in child.parameters() if p.grad is not None]
            if not all(bool(g.isfinite().all()) for g in gradients):
                raise SelfTestError(f"the gradient of {name} is not finite")
            if list(child.parameters()) and not any(bool(g.any()) for g in gradients):
                still.append(name)
        if still:
            raise SelfTestError(f"no gradient reaches {', '.join(still)}")
        optimizer.step()
    return f"{len(losses) - 1} losses and their gradients are finite"


class SelfTestError(S2HandError):
    """A check found another value than it should."""


def _compare(pairs: dict[str, tuple[Tensor, Tensor]], tolerance: float, unit="", relative=True) -> str:
    """The largest deviation of each pair, relative to the largest entry expected unless told not to."""
    deviations = {}
    for name, (value, expected) in pairs.items():
        scale = float(expected.abs().max()) if relative else 1.0
        deviations[name] = float((value.double() - expected.double()).abs().max()) / scale
    text = ", ".join(f"{name} {deviation:.1e}{unit}" for name, deviation in deviations.items())
    # Written so that NaN fails.
    if not all(deviation <= tolerance for deviation in deviations.values()):
        raise SelfTestError(f"off by {text}; expected at most {tolerance:.0e}{unit}")
    return f"off by {text}"


def _octahedron(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Eight large faces in NDC: vertices (1, 6, 3), faces (8, 3), colours (1, 8, 3)."""
    axes = torch.tensor([[0.63, 0.11, 0.07], [-0.09, 0.71, 0.12], [0.05, -0.08, 0.6]])
    vertices = torch.cat([axes, -axes])[None] + torch.tensor([0.023, 0.031, 2.0])
    faces = torch.tensor(
        [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    )
    colors = torch.linspace(0, 1, 24).view(1, 8, 3)
    return vertices.to(device), faces.to(device), colors.to(device)


def _tiny_network() -> tuple[HandNet, Objective]:
    hand_model = load_hand_model("generic")
    faces = torch.from_numpy(hand_model.faces)
    network = NetworkSection(
        image_size=NETWORK_SIZE,
        backbone="test_resnet",
        hourglass_stacks=1,
        hourglass_modules=1,
        hourglass_features=16,
    )
    model = build_hand_net(network, PARTS, hand_model)
    return model, Objective({name: DEFAULT_WEIGHTS[name] for name in LOSSES}, faces, NETWORK_SIZE)


def _random_batch(size: int = 2) -> HandBatch:
    focal, centre = 2.2 * NETWORK_SIZE, NETWORK_SIZE / 2
    return HandBatch(
        image=torch.rand(size, 3, NETWORK_SIZE, NETWORK_SIZE),
        K=torch.tensor([[focal, 0, centre], [0, focal, centre], [0, 0, 1]]).repeat(size, 1, 1),
        index=torch.arange(size),
        keypoints_2d=NETWORK_SIZE * torch.rand(size, NUM_JOINTS, 2),
        confidence=torch.ones(size, NUM_JOINTS),
        photometric_weight=torch.ones(size),
    )
