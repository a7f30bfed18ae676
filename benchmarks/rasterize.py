"""How long does the rasterizer take, how does its time grow, and what does it compile and keep?

    python benchmarks/rasterize.py [--device cuda] [--batch 8] [--repeats 20] [--only hand "growth 128" ...]

Every section adds its part to the results once measured. PyTorch3D and nvdiffrast are timed beside
it where they are importable. The hand has 1,538 faces, covers 7 % of a 224 x 224 image and is drawn
anti-aliased, both sides, each item of the batch moved a little.
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
GROWTH_SUBDIVISIONS = (0, 1, 2, 3)  # of the hand's faces: 1,538, 6,152, 24,608 and 98,432
GROWTH_BATCH = 2
GROWTH_REPEATS = 10
GROWTH_SIZES = (128, 224, 512, 1024)
MS = "ms per image"
UNITS = {"kept": "bytes", "start-up": "seconds: empty kernel cache, then a filled one"}


def hand_scene(batch: int, device: str, subdivisions: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The hand at 7 % coverage, each face cut into four ``subdivisions`` times.

    Returns:
        NDC vertices (B, V, 3), faces (F, 3), colours (B, 2F, 3); 778 vertices and 1,538 faces uncut.
    """
    model = load_hand_model("generic")
    vertices, faces = model.v_template, model.faces
    for _ in range(subdivisions):
        vertices, faces = trimesh.remesh.subdivide(vertices, faces)
    vertices, faces = torch.as_tensor(vertices).float(), torch.as_tensor(faces).int()
    vertices = vertices - vertices.mean(0)
    vertices = vertices[:, vertices.std(0).argsort(descending=True)]  # flat towards the camera
    colors = torch.rand(batch, 2 * len(faces), 3, generator=torch.Generator().manual_seed(0))
    scale = 1 / vertices.abs().max()
    for _ in range(20):
        placed = (vertices * scale + torch.tensor([0.0, 0.0, 3.0]))[None]
        covered = rasterize(placed, faces, colors[:1], IMAGE_SIZE, fill_back=True).silhouette.mean()
        scale = scale * (HAND_COVERAGE / covered).sqrt()
    shifts = 0.05 * torch.randn(batch, 1, 3, generator=torch.Generator().manual_seed(1))
    return (placed + shifts).to(device), faces.to(device), colors.to(device)


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
        images = renderer(vertices, faces, colors, size)
    upstream = [torch.randn_like(image) for image in images]
    mask = (images[1] > 0).float()
    inside = [g * (mask[:, None] if g.ndim == 4 else mask) for g in upstream]

    def forward():
        with torch.no_grad():
            renderer(vertices, faces, colors, size)

    def both(gradients):
        outputs = renderer(leaves[0], faces, leaves[1], size)
        # Some renderers' silhouettes are not differentiable.
        pairs = [pair for pair in zip(outputs, gradients, strict=True) if pair[0].requires_grad]
        outputs, upstream_of = zip(*pairs, strict=True)
        torch.autograd.grad(outputs, leaves, upstream_of, allow_unused=True)

    return {
        "forward": forward,
        "forward + backward": partial(both, upstream),
        "forward + backward, inside": partial(both, inside),
    }


def time_interleaved(runs: dict[str, Callable], batch: int, repeats: int) -> dict[str, dict[str, float]]:
    """Median and best of ``repeats`` rounds, ms per image; rounds take turns, so noise hits all alike.

    "processor" is the median of what all threads of the process took together.
    """
    for run in runs.values():
        run()
    times = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            _synchronize()
            start = time.perf_counter(), time.process_time()
            run()
            _synchronize()
            times[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    table = {}
    for name, pairs in times.items():
        wall, processor = (
            [seconds * 1e3 / batch for seconds in column] for column in zip(*pairs, strict=True)
        )
        table[name] = {
            "median": statistics.median(wall),
            "best": min(wall),
            "processor": statistics.median(processor),
        }
    return table


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


def growth(size: int, device: str) -> dict:
    """Times at an image size, by number of faces and case."""
    table = {}
    for subdivisions in GROWTH_SUBDIVISIONS:
        scene = hand_scene(GROWTH_BATCH, device, subdivisions)
        times = time_interleaved(cases(ours, scene, size), GROWTH_BATCH, GROWTH_REPEATS)
        table |= {f"{len(scene[1])} faces | {case}": row for case, row in times.items()}
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
    """Bytes per image pixel that wait for the backward pass, anti-aliased."""
    vertices, faces, colors = hand_scene(1, "cpu")
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        ours(vertices.requires_grad_(), faces, colors, IMAGE_SIZE)
    per_picture = [t.nbytes for t in saved if t.numel() >= IMAGE_SIZE**2]
    return sum(per_picture) / IMAGE_SIZE**2


def print_table(title: str, rows: dict[str, dict[str, float]], unit: str) -> None:
    """Prints rows of named numbers."""
    print(f"\n{title} ({unit})")
    for name, row in rows.items():
        print(f"  {name:<48}" + "".join(f"  {column} {value:8.3f}" for column, value in row.items()))


def sections(options: argparse.Namespace) -> dict[str, Callable[[], dict]]:
    """What can be measured, by name."""
    return {
        "hand": lambda: compare(options.batch, options.device, options.repeats),
        "kept": lambda: {"for backward": {"bytes per image pixel": kept_bytes_per_pixel()}},
        "start-up": lambda: {"first call": start_up()},
        **{f"growth {size}": partial(growth, size, options.device) for size in GROWTH_SIZES},
    }


def record(options: argparse.Namespace, name: str, table: dict) -> None:
    """Adds a section to the results; numbers of another device or batch are dropped."""
    circumstances = {
        "device": options.device,
        "threads": torch.get_num_threads(),
        "batch": options.batch,
        "repeats": options.repeats,
    }
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if any(results.get(key) != value for key, value in circumstances.items()):
        results = circumstances
    RESULTS.parent.mkdir(exist_ok=True)
    partial_file = RESULTS.with_suffix(".partial")
    partial_file.write_text(json.dumps({**results, name: table}, indent=2))
    partial_file.replace(RESULTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", nargs="+", metavar="SECTION", help="sections to measure; default: all")
    options = parser.parse_args()
    available = sections(options)
    for name in options.only or available:
        if name not in available:
            parser.error(f"--only: expected some of {', '.join(available)}, got {name!r}")
        table = available[name]()
        print_table(
            f"{name}, {options.device}, {torch.get_num_threads()} threads", table, UNITS.get(name, MS)
        )
        record(options, name, table)


if __name__ == "__main__":
    main()
