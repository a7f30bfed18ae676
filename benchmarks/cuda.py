"""Everything that waits for a CUDA device, one step after the other, within eight minutes; see cuda.sh.

A step that fails or runs out of time does not stop the others. The JSON holds for each step its command,
seconds, outcome, the end of its output and its measurements, and finally the measurements that have a bound.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BUDGET_S = 470
"""Seconds for all steps; a step gets what is left, at most its own limit."""

LAST_LINES = 40

TRAINING_BATCH, LOADERS = 32, 8
"""The batch of the published configs, and processes that load it."""

RASTERIZER_BATCH = 64
RASTERIZER_BOUND_MS = 3.0
"""Forward and backward of a batch of 64 hands at 224 px, upstream gradient everywhere."""


@dataclass(frozen=True)
class Step:
    """A command of this checkout.

    Attributes:
        name: what it measures or tests.
        arguments: of the Python interpreter.
        limit_s: seconds after which it is stopped.
        results: the JSON in ``benchmarks/results`` that it writes, or None.
    """

    name: str
    arguments: tuple[str, ...]
    limit_s: float
    results: str | None = None


def steps(dry: bool) -> list[Step]:
    """The steps in the order of their importance; ``dry``: their smallest versions on the CPU."""
    device = ("--device", "cpu" if dry else "cuda")
    batch = "2" if dry else str(RASTERIZER_BATCH)
    few = ("--repeats", "2") if dry else ()
    pytest = ("-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=", "-q", "-rs")
    train = ("--steps", "1", "--small") if dry else ("--steps", "10", "--precision", "bf16")
    train += () if dry else ("--batch", str(TRAINING_BATCH), "--workers", str(LOADERS))
    stages = ("SSL-e2e",) if dry else ("SSL-e2e", "SSL-kp", "SSL-shape")
    fixtures = ("tests/rendering/test_cuda.py", "tests/rendering/test_fixtures.py")
    detectors = ("tests/models/test_mediapipe.py", "tests/detection/test_mediapipe_detector.py")
    return [
        Step("rasterizer tests, with CUDA graph capture", (*pytest, *fixtures), 150),
        Step("hand layer tests", (*pytest, "tests/hand/test_mano_kernels.py", "-k", "cuda or float64"), 60),
        Step("process group of one (NCCL)", (*pytest, "tests/runtime/test_one_process_group.py"), 60),
        Step("bundled detector's tests", (*pytest, *detectors, "-k", "cuda"), 60),
        Step(
            "rasterizer",
            ("benchmarks/rasterize.py", *device, "--batch", batch, *few, "--only", "hand"),
            100,
            "rasterize.json",
        ),
        Step("hand layer", ("benchmarks/mano.py", *device, "--batch", batch, *few), 60, "mano.json"),
        Step(
            "training step",
            ("benchmarks/train_step.py", *device, *train, "--stages", *stages),
            150,
            None if dry else "train_step.json",
        ),
        Step("photos and frames", ("benchmarks/predict.py", *device), 60),
        Step("whole runs", (*pytest, "tests/experiment/test_on_cuda.py"), 200),
        Step(
            "OpenPose's network",
            ("benchmarks/detect.py", *device, "--no-deviation", "--rounds", "1")
            + (("--cases", "fast, fp32") if dry else ()),
            90,
            "detect.json",
        ),
    ]


def run_step(step: Step, limit_s: float) -> dict:
    """Runs a step for at most ``limit_s`` seconds and returns its entry in the JSON."""
    written = None if step.results is None else RESULTS / step.results
    before = written.read_bytes() if written is not None and written.is_file() else None
    begun, start = time.time(), time.perf_counter()
    outcome = "passed"
    command = [sys.executable, *step.arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, text=True, timeout=limit_s, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = done.stdout
        outcome = "passed" if done.returncode == 0 else f"failed with exit code {done.returncode}"
    except subprocess.TimeoutExpired as late:
        output = (
            (late.stdout or b"").decode(errors="replace")
            if isinstance(late.stdout, bytes)
            else late.stdout or ""
        )
        outcome = f"stopped after {limit_s:.0f} s"
    entry = {
        "command": ["python", *step.arguments],
        "seconds": round(time.perf_counter() - start, 1),
        "outcome": outcome,
        "output": output.splitlines()[-LAST_LINES:],
    }
    if written is not None and written.is_file() and written.stat().st_mtime >= begun:
        entry["results"] = json.loads(written.read_text())
    if before is not None:  # the numbers of another device stay
        written.write_bytes(before)
    return entry


def bounds(entries: dict[str, dict]) -> dict[str, dict]:
    """The measured numbers that have a bound, with it; empty if they were not measured."""
    hand = entries.get("rasterizer", {}).get("results", {}).get("hand", {})
    found = {}
    for gradient in ("nmr", "antialias"):
        row = hand.get(f"{gradient} | forward + backward")
        if row is not None:
            measured = row["median"] * entries["rasterizer"]["results"]["batch"]
            name = f"rasterizer, {gradient}, forward + backward of the batch, ms"
            found[name] = {"measured": measured, "bound": RASTERIZER_BOUND_MS}
    return found


def machine() -> dict:
    """What the numbers depend on."""
    cuda = torch.cuda.is_available()
    return {
        "device": torch.cuda.get_device_name() if cuda else "no CUDA device",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "cuda.json", help="JSON to write (%(default)s)")
    parser.add_argument("--dry", action="store_true", help="smallest sizes on the CPU, to try the script out")
    options = parser.parse_args()
    if not options.dry and not torch.cuda.is_available():
        print("no CUDA device: nothing is measured; --dry tries the script out on the CPU")
        return 1
    RESULTS.mkdir(exist_ok=True)
    start = time.perf_counter()
    entries: dict[str, dict] = {}
    report = {"dry": options.dry, "machine": machine(), "steps": entries}
    for step in steps(options.dry):
        left = BUDGET_S - (time.perf_counter() - start)
        if left < 1:
            entries[step.name] = {"outcome": "no time left"}
        else:
            entries[step.name] = run_step(step, min(step.limit_s, left))
        print(f"{step.name}: {entries[step.name]['outcome']}", flush=True)
        report |= {"seconds": round(time.perf_counter() - start, 1), "bounds": bounds(entries)}
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    for name, row in report["bounds"].items():
        print(f"{name}: {row['measured']:.2f}, bound {row['bound']}")
    print(options.out)
    return 0 if all(entry["outcome"] == "passed" for entry in entries.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
