"""Measures whether a photo that was changed gives the hand that was changed in the same way.

    python scripts/measure_consistency.py PHOTOS_FOLDER

Photos with one hand are mirrored, turned by 90 degrees, brought to half size and cropped about the hand,
each with its camera adapted. What the bundled network answers for them is changed back and compared with its
answer for the photo itself: the mean distance of the 21 joints, first about their middle, then with the
hand's place, whose depth follows from the size in the photo.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

import s2hand
from s2hand.images.intrinsics import DEFAULT_FOCAL_OVER_LONGER_SIDE
from s2hand.images.listing import list_photos
from s2hand.images.photos import read_photo

DEFAULT_PHOTOS, SEED = 100, 3

CROP_MARGIN = 0.5
"""Free border about the hand in a cropped photo, in larger sides of its keypoints' box."""


class Change(NamedTuple):
    """A changed photo.

    Attributes:
        photo: (H, W, 3) uint8.
        K: (3, 3) px of it.
        back: joints (21, 3) of its camera's frame in that of the photo itself.
    """

    photo: np.ndarray
    K: np.ndarray
    back: Callable[[np.ndarray], np.ndarray]


def changes_of(photo: np.ndarray, K: np.ndarray, keypoints: np.ndarray) -> dict[str, Change]:
    """The changed photos.

    Args:
        photo: (H, W, 3) uint8.
        K: (3, 3) px.
        keypoints: (21, 2) px of the hand.
    """
    height, width = photo.shape[:2]
    focal, (x, y) = K[0, 0], K[:2, 2]
    half = cv2.resize(photo, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    shrunk = np.diag([(width // 2) / width, (height // 2) / height, 1.0])
    low, high = keypoints.min(0), keypoints.max(0)
    border = CROP_MARGIN * (high - low).max()
    left, top = np.maximum(np.floor(low - border), 0).astype(int)
    right, bottom = np.minimum(np.ceil(high + border), (width, height)).astype(int)
    moved = np.array([[1.0, 0, -left], [0, 1, -top], [0, 0, 1]])
    return {
        "mirrored": Change(photo[:, ::-1], camera(focal, width - x, y), lambda p: p * (-1, 1, 1)),
        # A quarter turn counter-clockwise brings (x, y) to (y, width - x), and directions to (y, -x).
        "turned": Change(
            np.rot90(photo), camera(focal, y, width - x), lambda p: np.stack([-p[:, 1], p[:, 0], p[:, 2]], 1)
        ),
        "half size": Change(half, shrunk @ K, lambda p: p),
        "cropped": Change(photo[top:bottom, left:right], moved @ K, lambda p: p),
    }


def camera(focal: float, x: float, y: float) -> np.ndarray:
    """(3, 3) px, from focal length and principal point."""
    return np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path, help="a folder of photos, most of them with one hand")
    parser.add_argument("--count", type=int, default=DEFAULT_PHOTOS, help="how many (%(default)s)")
    parser.add_argument("--refine", action="store_true", help="refine the hands")
    args = parser.parse_args()
    torch.set_num_threads(1)
    small = s2hand.HandReconstructor.small()
    names = np.random.default_rng(SEED).permutation([str(path) for path in list_photos(args.photos)])
    measure(small, names, args.count, args.refine)


def measure(small: s2hand.HandReconstructor, names: np.ndarray, count: int, refine: bool) -> None:
    """Measures ``count`` photos in which exactly one hand is found, in the order of ``names``."""
    apart, placed, lost = defaultdict(list), defaultdict(list), defaultdict(int)
    measured = 0
    for name in names:
        photo = read_photo(name)
        height, width = photo.shape[:2]
        K = camera(DEFAULT_FOCAL_OVER_LONGER_SIDE * max(width, height), width / 2, height / 2)
        hands = small.predict(photo, K=K, refine=refine)
        if len(hands) != 1:
            continue
        joints = hands.joints[0].numpy()
        changes = changes_of(photo, K, hands.detected_keypoints[0].numpy())
        for change, changed in changes.items():
            found = small.predict(np.ascontiguousarray(changed.photo), K=changed.K, refine=refine)
            if len(found) != 1:
                lost[change] += 1
                continue
            difference = changed.back(found.joints[0].numpy()) - joints
            placed[change].append(1000 * np.linalg.norm(difference, axis=1).mean())
            apart[change].append(1000 * np.linalg.norm(difference - difference.mean(0), axis=1).mean())
        measured += 1
        if measured == count:
            break
    print(f"{measured} photos, {'refined' if refine else 'lifted'}; mm: median, 90 % below; with place; lost")
    for change, values in apart.items():
        median, most = np.percentile(values, (50, 90))
        print(
            f"{change:10} {median:5.1f} {most:6.1f}   {np.median(placed[change]):6.1f}   {lost[change]} lost"
        )


if __name__ == "__main__":
    main()
