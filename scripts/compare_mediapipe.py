"""Compares the bundled detector with what MediaPipe's published solution found in the same photos.

``python scripts/compare_mediapipe.py FOLDER`` reads ``FOLDER/reference.json``, which holds for each photo, by
its path in the folder, the hands that ``mediapipe.solutions.hands`` 0.10.21 found (static images, at most two
hands, thresholds of 0.5): ``xyz``, 21 points in pixels of the photo, and ``hand``, left or right in a photo
that is not mirrored. ``FOLDER/people/boxes.json`` has true boxes of the hands of photos in ``FOLDER/people``:
``[{"box": [x, y, width, height]}]`` by the file's name. Parts of these photos away from the boxes
show no hands.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import orjson
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from s2hand.detection.mediapipe import DetectedHand, HandDetector
from s2hand.detection.mediapipe.looks import PLAIN_LOOK
from s2hand.detection.mediapipe.palms import iou

REFERENCE_HANDS = 2
"""The solution was asked for so many at most."""

REFERENCE_ORIGIN = 0.5
"""The solution counts from the middle of the first pixel, this package from its edge."""

SAME_HAND = 0.4
"""Share of the hand's size: hands whose points are farther apart on average are not the same."""

NEAR = 0.015
"""Share of the hand's size: the agreement that is asked for."""

LEAST_IOU = 0.3

PARTS, TRIES, SMALLEST_PART, LARGEST_PART = 6, 60, 0.3, 0.6
"""Parts without hands of a photo, tries to find them, and their sides in its shorter one."""


def read_photo(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def match(found: list[DetectedHand], reference: list[dict], origin: float) -> list[tuple[float, bool]]:
    """Distance in hand sizes and equal handedness of each reference hand that was found."""
    if not found or not reference:
        return []
    points = np.array([hand["xyz"] for hand in reference])[:, :, :2] + origin
    sizes = np.ptp(points, axis=1).max(axis=1)
    keypoints = np.stack([hand.keypoints for hand in found])
    distances = np.linalg.norm(points[:, None] - keypoints, axis=-1).mean(axis=-1) / sizes[:, None]
    pairs = zip(*linear_sum_assignment(distances), strict=True)
    return [
        (distances[r, f], found[f].handedness == reference[r]["hand"])
        for r, f in pairs
        if distances[r, f] < SAME_HAND
    ]


def compare_with_solution(folder: Path, every: int, origin: float) -> None:
    """Prints a row a subfolder: photos, same hands found, landmarks near, handedness equal."""
    reference = orjson.loads((folder / "reference.json").read_bytes())
    detector = HandDetector.bundled(looks=[PLAIN_LOOK], second_look=False)
    rows = defaultdict(lambda: {"same": [], "distance": [], "handedness": []})
    for name in tqdm(sorted(reference)[::every], desc="photos"):
        found = detector([read_photo(folder / name)])[0][:REFERENCE_HANDS]
        matched = match(found, reference[name], origin)
        for key in (Path(name).parts[0], "all"):
            rows[key]["same"].append(len(matched) == len(found) == len(reference[name]))
            rows[key]["distance"] += [distance for distance, _ in matched]
            rows[key]["handedness"] += [equal for _, equal in matched]
    print("folder      photos   same hands   hands   median distance   within 1.5 %   handedness")
    for key in sorted(rows, key=lambda key: (key == "all", key)):
        same, distance, handedness = (
            np.array(rows[key][part]) for part in ("same", "distance", "handedness")
        )
        print(
            f"{key:10s} {len(same):7d} {same.mean():12.2%} {len(distance):7d} {np.median(distance):17.3%}"
            f" {np.mean(distance < NEAR):14.2%} {handedness.mean():12.2%}"
        )


def compare_with_boxes(folder: Path) -> None:
    """Prints the recall of true boxes, one detection each, and the share of hands that are at none."""
    boxes = orjson.loads((folder / "people" / "boxes.json").read_bytes())
    detector = HandDetector.bundled(looks=[PLAIN_LOOK])
    true, found, right = 0, 0, 0
    overlaps = []
    for name, listed in boxes.items():
        truth = np.array([hand["box"] for hand in listed], float)
        truth[:, 2:] += truth[:, :2]
        hands = detector([read_photo(folder / "people" / name)])[0]
        overlap = iou(truth, np.array([hand.box for hand in hands]).reshape(-1, 4))
        pairs = linear_sum_assignment(-overlap)
        true, found, right = (
            true + len(truth),
            found + len(hands),
            right + int((overlap[pairs] >= LEAST_IOU).sum()),
        )
        overlaps += overlap[pairs].tolist()
    print(
        f"people: {true} true boxes, recall {right / true:.1%} at IoU {LEAST_IOU}, "
        f"{found - right} of {found} hands false, median IoU {np.median(overlaps):.2f}"
    )


def compare_where_no_hands_are(folder: Path) -> None:
    """Prints how many hands are seen in parts of photos that show none, by the first search and by all."""
    boxes = orjson.loads((folder / "people" / "boxes.json").read_bytes())
    random = np.random.default_rng(0)
    parts = []
    for name, listed in sorted(boxes.items()):
        photo = read_photo(folder / "people" / name)
        height, width = photo.shape[:2]
        low, size = np.split(np.array([hand["box"] for hand in listed], float), 2, axis=1)
        drawn = 0
        for _ in range(TRIES):
            side = int(min(height, width) * random.uniform(SMALLEST_PART, LARGEST_PART))
            corner = random.integers(0, (width - side + 1, height - side + 1))
            meets = (corner < low + 1.25 * size) & (corner + side > low - 0.25 * size)
            if drawn < PARTS and not meets.all(axis=1).any():
                parts.append(np.ascontiguousarray(photo[corner[1] :, corner[0] :][:side, :side]))
                drawn += 1
    found = [
        sum(len(hands) for hands in HandDetector.bundled(looks=[PLAIN_LOOK], second_look=second)(parts))
        for second in (False, True)
    ]
    print(f"{len(parts)} parts without hands: {found[0]} hands seen, {found[1]} with all searches")


def main() -> None:
    """Prints all comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the photos, reference.json and people/boxes.json")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="look at every N-th photo only (1)")
    parser.add_argument(
        "--origin", type=float, default=REFERENCE_ORIGIN, metavar="PX", help="added to the reference (0.5)"
    )
    arguments = parser.parse_args()
    compare_with_solution(arguments.folder, arguments.every, arguments.origin)
    compare_with_boxes(arguments.folder)
    compare_where_no_hands_are(arguments.folder)


if __name__ == "__main__":
    main()
