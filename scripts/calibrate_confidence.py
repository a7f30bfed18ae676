"""Calibrates the bundled detector's confidence on drawn hands, whose joints are known.

``s2hand synth --layout folder --out FOLDER --train-size 700 --eval-size 350`` draws the hands;
``python scripts/calibrate_confidence.py FOLDER`` looks at them, fits the constants of
``s2hand/detection/mediapipe/confidence.py`` on the training split, prints them, and prints on the evaluation
split how often keypoints of a stated confidence are right.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import orjson
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from tqdm import tqdm

from s2hand.detection.mediapipe import HandDetector
from s2hand.detection.mediapipe.confidence import RIGHT_WITHIN, spread_features
from s2hand.detection.mediapipe.looks import combine
from s2hand.detection.mediapipe.records import hand_sizes
from s2hand.skeleton import NUM_JOINTS

SAME_HAND = 0.4
"""Share of the hand's size: a detection farther from the drawn hand on average is of something else."""

BINS = (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PRIOR_WEIGHT = 1e-3
"""Weight of the squared coefficients in the fit."""


def look_at_hands(folder: Path, limit: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Looks at the drawn hands of a split.

    Args:
        folder: with ``truth.json``.
        limit: photos looked at.

    Returns:
        The looks' spread (N, 21) and the error (N, 21) of the median, in hand sizes; and how many hands were
        not found.
    """
    detector = HandDetector.bundled()
    spreads, errors, missed = [], [], 0
    for record in tqdm(orjson.loads((folder / "truth.json").read_bytes())[:limit], desc=folder.name):
        photo = ImageOps.exif_transpose(Image.open(folder / record["name"])).convert("RGB")
        truth = np.array(record["keypoints"])
        image = np.ascontiguousarray(np.asarray(photo))
        first, photo_of = detector.find([image])
        if not len(photo_of):
            missed += 1
            continue
        readings, spread = combine(detector.look_again([image], photo_of, first))
        error = np.linalg.norm(readings.keypoints - truth, axis=-1) / hand_sizes(readings.keypoints)[:, None]
        best = error.mean(axis=1).argmin()
        if error[best].mean() > SAME_HAND:
            missed += 1
            continue
        spreads.append(spread[best])
        errors.append(error[best])
    return np.stack(spreads), np.stack(errors), missed


def fit(features: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Logistic regression with an intercept a joint.

    Args:
        features: (N, 21, F).
        right: (N, 21) bool.

    Returns:
        (21 + F,) the intercepts, then the slopes.
    """
    inputs = torch.from_numpy(features)
    target = torch.from_numpy(right).double()
    weights = torch.zeros(NUM_JOINTS + features.shape[2], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = weights[:NUM_JOINTS] + inputs @ weights[NUM_JOINTS:]
        value = F.binary_cross_entropy_with_logits(logits, target) + PRIOR_WEIGHT * weights.square().mean()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach().numpy()


def print_reliability(confidence: np.ndarray, right: np.ndarray) -> None:
    """A row a bin of confidence: keypoints, mean confidence, share that is right."""
    print("confidence | keypoints | mean confidence | right")
    for low, high in pairwise(BINS):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            print(
                f"{low:.1f} to {high:.1f} | {inside.sum()} | {confidence[inside].mean():.2f} "
                f"| {right[inside].mean():.2f}"
            )


def main() -> None:
    """Looks, fits and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a synthetic dataset in the layout of folders")
    parser.add_argument("--train", type=int, default=700, help="photos to fit on (700)")
    parser.add_argument("--eval", type=int, default=350, help="photos to test on (350)")
    parser.add_argument(
        "--cache", type=Path, help="keep what the looks gave in this .npz, or take it from there"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.cache is not None and arguments.cache.is_file():
        looks = dict(np.load(arguments.cache))
    else:
        looks = {}
        for split, limit in (("training", arguments.train), ("evaluation", arguments.eval)):
            for name, array in zip(
                ("spread", "error", "missed"), look_at_hands(arguments.folder / split, limit), strict=True
            ):
                looks[f"{split}_{name}"] = np.asarray(array)
        if arguments.cache is not None:
            np.savez(arguments.cache, **looks)
    right = looks["training_error"] < RIGHT_WITHIN
    weights = fit(spread_features(looks["training_spread"]), right)
    print(f"training: found {len(right)}, missed {looks['training_missed']}")
    print(f"right within {RIGHT_WITHIN}: {right.mean():.1%}")
    print("JOINT_LOGITS =", np.round(weights[:NUM_JOINTS], 2).tolist())
    print("SLOPES =", np.round(weights[NUM_JOINTS:], 3).tolist())
    print("ONE_LOOK_CONFIDENCE =", np.round(right.mean(axis=0), 2).tolist())
    logits = weights[:NUM_JOINTS] + spread_features(looks["evaluation_spread"]) @ weights[NUM_JOINTS:]
    right = looks["evaluation_error"] < RIGHT_WITHIN
    print(f"evaluation: found {len(right)}, missed {looks['evaluation_missed']}")
    print_reliability(1 / (1 + np.exp(-logits)), right)


if __name__ == "__main__":
    main()
