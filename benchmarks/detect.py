"""What an image costs the hand detector, where the time goes, and what half precision and one scale change.

Without ``--weights`` the network has the weights that the tests' fixture prescribes: the arithmetic, and so
the time, is the same, but its maps show no hands. ``python benchmarks/detect.py --out FILE``.
"""

import argparse
import json
import os
import platform
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from s2hand.detection.openpose import FAST_SCALES, SCALES, OpenPoseEstimator, load_openpose
from s2hand.runtime.allocator import keep_freed_memory

ROOT = Path(__file__).parent.parent
SIZE = 224
CASES = {
    "four scales, fp32": {"scales": SCALES, "precision": "fp32"},
    "four scales, bf16": {"scales": SCALES, "precision": "bf16", "recheck": False},
    "fast, fp32": {"scales": FAST_SCALES, "precision": "fp32"},
    "fast, bf16": {"scales": FAST_SCALES, "precision": "bf16", "recheck": False},
}


def read_network(weights: Path | None):
    """A fresh copy: the estimator changes its precision."""
    if weights is not None:
        return load_openpose(weights)[0]
    sys.path.insert(0, str(ROOT / "tests"))
    from support.rule_weights import rule_network

    return rule_network()


def read_images() -> list[np.ndarray]:
    """The fixture's images (1, H, W, 3) RGB, the first of them 224 x 224."""
    stored = np.load(ROOT / "tests/fixtures/openpose.npz")
    return [np.ascontiguousarray(stored[name][None, ..., ::-1]) for name in ("image0", "image1")]


@contextmanager
def timed_network(estimator: OpenPoseEstimator):
    """Adds up the seconds within the network, in a list of one number."""
    seconds, start = [0.0], [0.0]

    def note_start(*_):
        start[0] = time.perf_counter()

    def note_end(*_):
        seconds[0] += time.perf_counter() - start[0]

    hooks = [
        estimator.network.register_forward_pre_hook(note_start),
        estimator.network.register_forward_hook(note_end),
    ]
    yield seconds
    for hook in hooks:
        hook.remove()


def measure(estimator: OpenPoseEstimator, image: np.ndarray, rounds: int) -> dict[str, float]:
    """The best of some rounds on one image, after a small one that starts the threads."""
    estimator.peaks(image[:, :32, :32])
    best = {"total_s": np.inf}
    for _ in range(rounds):
        with timed_network(estimator) as network:
            start = time.perf_counter()
            estimator.peaks(image)
            total = time.perf_counter() - start
        if total < best["total_s"]:
            overhead = total / network[0] - 1
            best = {"total_s": total, "network_s": network[0], "overhead_percent": 100 * overhead}
    return best


def deviation(found, wanted) -> dict[str, float]:
    """Distances of peaks that both found, over all images."""
    (peaks, confidence), (wanted_peaks, wanted_confidence) = found, wanted
    both = (confidence > 0) & (wanted_confidence > 0)
    distance = np.linalg.norm(peaks - wanted_peaks, axis=-1)[both]
    return {
        "joints": int(both.sum()),
        "found_by_one_only": int(((confidence > 0) != (wanted_confidence > 0)).sum()),
        "within_1_px": int((distance <= 1).sum()),
        "median_px": float(np.median(distance)),
        "max_px": float(distance.max()),
        "confidence_max": float(np.abs(confidence - wanted_confidence)[both].max()),
    }


def detect_all(estimator: OpenPoseEstimator, images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    parts = [estimator.peaks(image) for image in images]
    return tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="hand_pose_model.pth")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-deviation", action="store_true", help="times alone")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "benchmarks/results/detect.json",
        help="figures as JSON; cases measured earlier stay",
    )
    options = parser.parse_args()
    keep_freed_memory()  # as the command does
    images = read_images()
    figures = json.loads(options.out.read_text()) if options.out.is_file() else {}
    figures["machine"] = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
    figures["weights"] = "hand_pose_model.pth" if options.weights else "by rule"
    wanted = None
    for name in options.cases:
        estimator = OpenPoseEstimator(read_network(options.weights), device=options.device, **CASES[name])
        row = figures.setdefault(name, {})
        row |= measure(estimator, images[0], options.rounds)
        print(f"{name:20s} " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()), flush=True)
        if not options.no_deviation:
            if wanted is None:
                exact = OpenPoseEstimator(read_network(options.weights), device=options.device)
                wanted = detect_all(exact, images)
            row["deviation"] = deviation(detect_all(estimator, images), wanted)
            print(f"{'':20s} {row['deviation']}", flush=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
