"""Which visibility gradient fits a hand better, "nmr" or "antialias"?

    python benchmarks/fit_gradients.py [--starts 50] [--steps 150] [--size 64]

One hand with a smooth texture is drawn; every start is the truth plus noise in pose and translation, and
follows Adam on the mean squared difference of image and silhouette, the learning rate falling to zero along
a cosine. Each gradient gets its own best learning rate. A start has converged where the mean vertex error is
below 10 mm.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from s2hand.hand import ManoLayer, load_hand_model
from s2hand.rendering import MeshRenderer

RESULTS = Path(__file__).parent / "results" / "fit_gradients.json"
PLOT = Path(__file__).parents[1] / "docs" / "images" / "fit_gradients.png"
GRADIENTS = ("nmr", "antialias")
LEARNING_RATES = (0.01, 0.02, 0.04)
CONVERGED_MM = 10.0
FOCAL = 2.0  # in image sides: a hand 55 cm away fills about two thirds of the image
DISTANCE_M = 0.55
NUM_PCA = 10
NOISE = {"pose": 0.5, "translation": 0.3}
ROTATION = (0.2, -0.1, 0.1)  # axis-angle, known
TRANSLATION_UNIT_M = 0.1  # a step of the optimiser moves the hand by about as much as it bends it


@dataclass(frozen=True)
class Hand:
    """What the optimiser changes: pose (B, NUM_PCA), translation (B, 3) in units of 10 cm."""

    pose: Tensor
    translation: Tensor

    def vertices(self, layer: ManoLayer) -> Tensor:
        """(B, 778, 3) metres, camera frame, before the camera."""
        betas = torch.zeros(len(self.pose), 10)
        rotation = torch.tensor([ROTATION]).expand(len(self.pose), 3)
        centre = torch.tensor([0.0, 0.0, DISTANCE_M])
        vertices = layer(self.pose, betas, rotation).vertices
        return vertices + centre + TRANSLATION_UNIT_M * self.translation[:, None]

    def perturbed(self, starts: int, generator: torch.Generator) -> Hand:
        """``starts`` noisy copies, ready to be optimised."""
        noisy = {}
        for name, deviation in NOISE.items():
            value = getattr(self, name)
            noise = torch.randn(starts, value.shape[1], generator=generator)
            noisy[name] = (value + deviation * noise).requires_grad_()
        return Hand(**noisy)

    def parameters(self) -> list[Tensor]:
        """The leaves."""
        return [self.pose, self.translation]


def smooth_texture(model) -> Tensor:
    """(1, F, 3) colours that vary slowly over the surface."""
    centres = torch.as_tensor(model.v_template).float()[torch.as_tensor(model.faces)].mean(1)
    waves = torch.sin(centres @ torch.tensor([[60.0, 20.0, 10.0], [15.0, 70.0, 35.0], [10.0, 40.0, 80.0]]))
    return (torch.tensor([0.7, 0.5, 0.45]) + 0.25 * waves)[None]


def fit(gradient: str, rate: float, options) -> tuple[Tensor, float]:
    """Vertex errors (steps + 1, starts) in mm, and seconds per step."""
    model = load_hand_model("generic")
    layer, texture = ManoLayer(model, num_pca=NUM_PCA), smooth_texture(model)
    renderer = MeshRenderer(
        torch.as_tensor(model.faces), options.size, gradient=gradient, background=(0, 0, 0)
    )
    half, focal = options.size / 2, FOCAL * options.size
    K = torch.tensor([[[focal, 0, half], [0, focal, half], [0, 0, 1]]]).float()
    generator = torch.Generator().manual_seed(0)
    pose = 0.5 * torch.randn(1, layer.num_pca, generator=generator)
    truth = Hand(pose, torch.zeros(1, 3))
    truth.translation[:, :2] -= truth.vertices(layer).mean(1)[:, :2] / TRANSLATION_UNIT_M
    true_vertices = truth.vertices(layer)
    # Both gradients chase the same image: the hard one.
    hard = MeshRenderer(torch.as_tensor(model.faces), options.size, background=(0, 0, 0))
    target = hard(true_vertices, K, texture)
    hand = truth.perturbed(options.starts, generator)
    K, texture = K.expand(options.starts, -1, -1), texture.expand(options.starts, -1, -1)
    optimizer = torch.optim.Adam(hand.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps + 1)
    errors, start = [], time.perf_counter()
    for _ in range(options.steps + 1):
        vertices = hand.vertices(layer)
        errors.append(1e3 * (vertices.detach() - true_vertices).norm(dim=-1).mean(1))
        output = renderer(vertices, K, texture)
        differences = (output.rgb - target.rgb).square().mean(1) + (
            output.silhouette - target.silhouette
        ).square()
        optimizer.zero_grad()
        differences.mean((1, 2)).sum().backward()
        optimizer.step()
        schedule.step()
    return torch.stack(errors), (time.perf_counter() - start) / (options.steps + 1)


def summary(errors: Tensor, seconds: float, rate: float) -> dict:
    """What the table shows of a run."""
    converged = (errors < CONVERGED_MM).float().mean(1)
    half_way = (converged >= 0.5).nonzero()
    return {
        "learning rate": rate,
        "share converged": float(converged[-1]),
        "steps until half have converged": int(half_way[0]) if len(half_way) else None,
        "median error, mm": float(errors[-1].median()),
        "milliseconds per start and step": 1e3 * seconds / errors.shape[1],
    }


def plot(runs: dict[str, Tensor]) -> None:
    """Share converged and median error by step, one line per gradient."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for gradient, errors in runs.items():
        left.plot((errors < CONVERGED_MM).float().mean(1), label=gradient)
        (line,) = right.plot(errors.median(1).values, label=gradient)
        low, high = errors.quantile(0.25, 1), errors.quantile(0.75, 1)
        right.fill_between(range(len(errors)), low, high, alpha=0.2, color=line.get_color())
    left.set(xlabel="step", ylabel=f"share of starts below {CONVERGED_MM:.0f} mm", ylim=(0, 1))
    right.set(xlabel="step", ylabel="mean vertex error, mm", ylim=(0, None))
    left.legend()
    figure.savefig(PLOT, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    results, curves = {}, {}
    for gradient in GRADIENTS:
        runs = {rate: fit(gradient, rate, options) for rate in LEARNING_RATES}
        rows = {rate: summary(*run, rate) for rate, run in runs.items()}
        best = max(rows, key=lambda rate: (rows[rate]["share converged"], -rows[rate]["median error, mm"]))
        results[gradient] = {"best": rows[best], "all": list(rows.values())}
        curves[gradient] = runs[best][0]
        print(gradient, *rows.values(), sep="\n  ")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2))
    plot(curves)


if __name__ == "__main__":
    main()
