"""How long does the rasterizer take, how does its time grow, and what does it compile and keep?

    python benchmarks/rasterize.py [--device cuda] [--batch 8] [--repeats 20]

PyTorch3D and nvdiffrast are timed beside it where they are importable. The hand has 1,538 faces, covers 7 %
of a 224 x 224 picture and is drawn anti-aliased, both sides, each item of the batch moved a little.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import rivals
import torch
import trimesh
from torch import Tensor

from s2hand.hand import load_hand_model
from s2hand.rendering import rasterize

RESULTS = Path(__file__).parent / "results" / "rasterize.json"
IMAGE_SIZE = 224
HAND_COVERAGE = 0.07
GROWTH_SUBDIVISIONS = (3, 4, 5, 6)  # of an icosahedron: 1.3k, 5k, 20k, 82k faces
GROWTH_SIZES = (128, 224, 512, 1024)
UNITS = "ms per image"


def hand_scene(batch: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """NDC vertices (B, 778, 3), faces (1538, 3), colours (B, 3076, 3) of the hand at 7 % coverage."""
    model = load_hand_model("generic")
    vertices = torch.as_tensor(model.v_template).float()
    vertices = vertices - vertices.mean(0)
    vertices = vertices[:, vertices.std(0).argsort(descending=True)]  # flat towards the camera
    faces = torch.as_tensor(model.faces).int()
    colors = torch.rand(batch, 2 * len(faces), 3, generator=torch.Generator().manual_seed(0))
    scale = 1 / vertices.abs().max()
    for _ in range(20):
        placed = (vertices * scale + torch.tensor([0.0, 0.0, 3.0]))[None]
        covered = rasterize(placed, faces, colors[:1], IMAGE_SIZE, fill_back=True).silhouette.mean()
        scale = scale * (HAND_COVERAGE / covered).sqrt()
    shifts = 0.05 * torch.randn(batch, 1, 3, generator=torch.Generator().manual_seed(1))
    return (placed + shifts).to(device), faces.to(device), colors.to(device)


def sphere_scene(subdivisions: int, batch: int, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """A ball that covers about 7 % of the picture, however finely it is cut."""
    mesh = trimesh.creation.icosphere(subdivisions)
    vertices = torch.tensor(mesh.vertices).float() * 0.3 + torch.tensor([0.0, 0.0, 3.0])
    faces = torch.tensor(mesh.faces).int()
    colors = torch.rand(batch, 2 * len(faces), 3, generator=torch.Generator().manual_seed(0))
    return vertices.repeat(batch, 1, 1).to(device), faces.to(device), colors.to(device)


def ours(vertices: Tensor, faces: Tensor, colors: Tensor, size: int, gradient: str = "nmr"):
    """rgb, silhouette and depth."""
    output = rasterize(
        *(vertices, faces, colors, size),
        background=(1, 1, 1),
        anti_aliasing=True,
        fill_back=True,
        gradient=gradient,
    )
    return output.rgb, output.silhouette, output.depth


def cases(renderer: Callable, scene, size: int = IMAGE_SIZE) -> dict[str, Callable[[], None]]:
    """Forward alone; forward and backward with an upstream gradient everywhere, and inside the silhouette."""
    vertices, faces, colors = scene
    leaves = vertices.clone().requires_grad_(), colors.clone().requires_grad_()
    with torch.no_grad():
        pictures = renderer(vertices, faces, colors, size)
    upstream = [torch.randn_like(picture) for picture in pictures]
    mask = (pictures[1] > 0).float()
    inside = [g * (mask[:, None] if g.ndim == 4 else mask) for g in upstream]

    def forward():
        with torch.no_grad():
            renderer(vertices, faces, colors, size)

    def both(gradients):
        outputs = renderer(leaves[0], faces, leaves[1], size)
        torch.autograd.grad(outputs, leaves, gradients, allow_unused=True)

    return {
        "forward": forward,
        "forward + backward": partial(both, upstream),
        "forward + backward, inside": partial(both, inside),
    }


def time_interleaved(runs: dict[str, Callable], batch: int, repeats: int) -> dict[str, dict[str, float]]:
    """Median and best of ``repeats`` rounds, ms per image; rounds take turns, so noise hits all alike."""
    for run in runs.values():
        run()
    times = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            _synchronize()
            start = time.perf_counter()
            run()
            _synchronize()
            times[name].append((time.perf_counter() - start) * 1e3 / batch)
    return {name: {"median": statistics.median(t), "best": min(t)} for name, t in times.items()}


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def compare(batch: int, device: str, repeats: int) -> dict:
    """Times of the hand by renderer and case."""
    scene = hand_scene(batch, device)
    renderers = {"nmr": ours, "antialias": partial(ours, gradient="antialias"), **rivals.available(device)}
    runs = {
        f"{renderer} | {case}": run
        for renderer, function in renderers.items()
        for case, run in cases(function, scene).items()
    }
    return time_interleaved(runs, batch, repeats)


def growth(batch: int, device: str, repeats: int) -> dict:
    """Times by faces and picture size."""
    table = {}
    for subdivisions in GROWTH_SUBDIVISIONS:
        scene = sphere_scene(subdivisions, batch, device)
        for size in GROWTH_SIZES:
            runs = cases(ours, scene, size)
            del runs["forward + backward, inside"]
            table[f"{len(scene[1])} faces, {size} px"] = time_interleaved(runs, batch, repeats)
    return table


def start_up() -> dict[str, float]:
    """Seconds from a fresh process's first call to its gradient: with an empty kernel cache, and again."""
    code = (
        "import time, torch; from s2hand.rendering import rasterize;"
        "v = torch.rand(1, 3, 3).add(1).requires_grad_();"
        "start = time.perf_counter(); o = rasterize(v, torch.tensor([[0, 1, 2]]), torch.ones(1, 1, 3), 8);"
        "(o.rgb.sum() + o.depth.sum()).backward(); print(time.perf_counter() - start)"
    )
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "WARP_CACHE_PATH": cache}
        return {
            state: float(subprocess.check_output([sys.executable, "-c", code], env=environment, text=True))
            for state in ("cold", "warm")
        }


def kept_bytes_per_pixel() -> float:
    """Bytes per picture pixel that wait for the backward pass, anti-aliased."""
    vertices, faces, colors = sphere_scene(1, 1, "cpu")
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        ours(vertices.requires_grad_(), faces, colors, IMAGE_SIZE)
    per_picture = [t.nbytes for t in saved if t.numel() >= IMAGE_SIZE**2]
    return sum(per_picture) / IMAGE_SIZE**2


def print_table(title: str, rows: dict[str, dict[str, float]], unit: str = UNITS) -> None:
    """Prints rows of named numbers."""
    print(f"\n{title} ({unit})")
    for name, row in rows.items():
        print(f"  {name:<48}" + "".join(f"  {column} {value:8.3f}" for column, value in row.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--skip-growth", action="store_true")
    options = parser.parse_args()
    results = {
        "device": options.device,
        "threads": torch.get_num_threads(),
        "batch": options.batch,
        "hand": compare(options.batch, options.device, options.repeats),
        "bytes per pixel kept for backward": kept_bytes_per_pixel(),
    }
    print_table(
        f"Hand, {options.device}, batch {options.batch}, {results['threads']} threads", results["hand"]
    )
    print(f"\nKept for backward: {results['bytes per pixel kept for backward']:.0f} bytes per picture pixel")
    if options.device == "cpu":
        results["start-up"] = start_up()
        print_table("First call of a process", {"empty, then filled cache": results["start-up"]}, "s")
    if not options.skip_growth:
        results["growth"] = growth(2, options.device, max(3, options.repeats // 5))
        rows = {
            name: {case: times["median"] for case, times in row.items()}
            for name, row in results["growth"].items()
        }
        print_table("Growth, anti-aliased", rows)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
