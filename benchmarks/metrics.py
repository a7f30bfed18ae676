"""How long do the official figures take for FreiHAND's 3,960 evaluation hands?

Compares :func:`s2hand.metrics.hand_metrics` with a loop over hands that does what the official script does:
SciPy's Procrustes, all errors kept, nearest neighbours of every vertex. Made-up hands: smooth surfaces with
correlated errors of about 6 mm after alignment and 2 cm before. File reading is not counted.
"""

import argparse
import json
import os
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import cKDTree

from s2hand.metrics import hand_metrics

NUM_HANDS = 3960
LOOP_HANDS = 200
"""The loop is timed on so many and scaled up."""


def sample_hands(count: int, seed: int = 0) -> list[np.ndarray]:
    """gt and predicted joints (N, 21, 3), gt and predicted vertices (N, 778, 3), metres."""
    rng = np.random.default_rng(seed)
    angle, height = rng.uniform(0, 2 * np.pi, 778), rng.uniform(-0.08, 0.08, 778)
    order = np.lexsort((angle, np.round(height, 2)))
    shape = np.stack([0.035 * np.cos(angle), 0.015 * np.sin(angle), height], -1)[order]
    gt = shape * rng.uniform(0.9, 1.1, (count, 1, 3)) + [0, 0, 0.6]
    wave = np.sin(shape @ rng.normal(0, 30, (3, 6)) + rng.uniform(0, 6, 6))
    bend = np.einsum("vm,nmc->nvc", wave, rng.normal(0, 0.0018, (count, 6, 3)))
    predicted = gt + bend + rng.normal(0, 0.0005, gt.shape) + rng.normal(0, 0.015, (count, 1, 3))
    joints = np.linspace(0, 777, 21).astype(int)
    return [gt[:, joints], predicted[:, joints], gt, predicted]


def loop_metrics(gt_joints, pred_joints, gt_vertices, pred_vertices) -> dict[str, float]:
    """Hand by hand; only the figures that take the time."""
    errors, scores = [], []
    for gt_j, pred_j, gt_v, pred_v in zip(gt_joints, pred_joints, gt_vertices, pred_vertices, strict=True):
        errors.append(np.linalg.norm(align(pred_j, gt_j) - gt_j, axis=-1).mean())
        scores.append([f_score(gt_v, v, t) for v in (pred_v, align(pred_v, gt_v)) for t in (0.005, 0.015)])
    figures = dict(zip(("f5", "f15", "pa_f5", "pa_f15"), np.mean(scores, 0).tolist(), strict=True))
    return {"pa_mpjpe": 1000 * float(np.mean(errors)), **figures}


def align(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """One pair, with SciPy."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_norm, target_norm = np.linalg.norm(source - source_mean), np.linalg.norm(target - target_mean)
    centred = (source - source_mean) / source_norm
    rotation, scale = orthogonal_procrustes((target - target_mean) / target_norm, centred)
    return scale * target_norm * centred @ rotation.T + target_mean


def f_score(gt: np.ndarray, predicted: np.ndarray, threshold: float) -> float:
    """One pair, by the nearest neighbour of every vertex."""
    recall = (cKDTree(predicted).query(gt)[0] < threshold).mean()
    precision = (cKDTree(gt).query(predicted)[0] < threshold).mean()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def timed(function, *arguments, **options):
    """The result and the seconds it took."""
    start = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("runs/benchmarks/metrics.json"))
    parser.add_argument("--hands", type=int, default=NUM_HANDS)
    arguments = parser.parse_args()
    hands = sample_hands(arguments.hands)
    few = [array[:LOOP_HANDS] for array in hands]
    expected, loop_seconds = timed(loop_metrics, *few)
    figures = hand_metrics(*few)
    for name, value in expected.items():
        assert abs(figures[name] - value) <= 1e-9 * abs(value), f"{name}: {figures[name]} != {value}"

    scale = arguments.hands / len(few[0])
    seconds = {"loop (scaled up)": loop_seconds * scale}
    for workers in sorted({1, len(os.sched_getaffinity(0))}):
        _, seconds[f"hand_metrics, {workers} thread(s)"] = timed(hand_metrics, *hands, workers=workers)
    _, seconds["hand_metrics, joints only"] = timed(hand_metrics, *hands[:2])

    print(f"{arguments.hands} hands, {platform.machine()}, {os.cpu_count()} cores, {date.today()}")
    for name, value in seconds.items():
        print(f"{name:>28}  {value:7.2f} s")
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps({"hands": arguments.hands, "seconds": seconds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
