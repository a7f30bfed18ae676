"""What a photo costs the bundled detector, beside MediaPipe's published solution, on one core.

``python benchmarks/bundled_detector.py --solution PYTHON --out FILE`` runs both in turn on the tests' drawn
photos, the solution by the Python interpreter of an environment that holds mediapipe 0.10.21. The best of
several rounds counts, in processor time, so that other work on the machine matters little.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from s2hand.detection.mediapipe import HandDetector
from s2hand.detection.mediapipe.looks import PLAIN_LOOK
from s2hand.runtime.allocator import keep_freed_memory

PHOTOS = Path(__file__).parent.parent / "tests" / "fixtures" / "mediapipe_photos.npz"
SINGLE_HANDS = (0, 1, 2, 3, 4, 5)
FOUR_HANDS = (1, 2, 4, 1)
REPETITIONS = 4

SOLUTION = """
import json, sys, time
import mediapipe, numpy
photos = numpy.load(sys.argv[1])
answers = {}
for name in ("one hand", "four hands"):
    solution = mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=4, model_complexity=1)
    group = [photos[key] for key in photos.files if key.startswith(name)]
    hands = sum(len(solution.process(photo).multi_hand_landmarks or ()) for photo in group)
    times = []
    for _ in range(int(sys.argv[2])):
        start = time.process_time()
        for photo in group:
            solution.process(photo)
        times.append((time.process_time() - start) / len(group))
    answers[name] = {"ms": 1e3 * min(times), "hands": hands, "photos": len(group)}
print(json.dumps(answers))
"""


def read_groups() -> dict[str, list[np.ndarray]]:
    """Photos of one hand, and of four: four photos side by side in two rows."""
    stored = np.load(PHOTOS)
    single = [stored[f"photo{index}"] for index in SINGLE_HANDS]
    side = max(max(photo.shape) for photo in single)
    tiles = [np.zeros((side, side, 3), np.uint8) for _ in FOUR_HANDS]
    for tile, index in zip(tiles, FOUR_HANDS, strict=True):
        photo = single[index]
        tile[: photo.shape[0], : photo.shape[1]] = photo
    rows = [np.concatenate(tiles[:2], axis=1), np.concatenate(tiles[2:], axis=1)]
    return {"one hand": single, "four hands": [np.concatenate(rows)]}


def time_detector(detector: HandDetector, photos: list[np.ndarray], batched: bool) -> dict[str, float]:
    """The least processor time a photo, in ms, and the number of hands."""
    batches = [photos] if batched else [[photo] for photo in photos]
    hands = sum(len(found) for batch in batches for found in detector(batch))
    times = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        for batch in batches:
            detector(batch)
        times.append((time.process_time() - start) / len(photos))
    return {"ms": 1e3 * min(times), "hands": hands, "photos": len(photos)}


def time_solution(python: str, groups: dict[str, list[np.ndarray]]) -> dict[str, dict[str, float]]:
    """The same of the published solution."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photos.npz"
        np.savez(
            path, **{f"{name} {i}": photo for name, group in groups.items() for i, photo in enumerate(group)}
        )
        command = [python, "-c", SOLUTION, str(path), str(REPETITIONS)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    """Prints a row a case and writes them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--solution", metavar="PYTHON", help="interpreter with mediapipe 0.10.21")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is run in turn (3)")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    keep_freed_memory()  # as the commands do
    groups = read_groups()
    once, often = HandDetector.bundled("cpu", looks=[PLAIN_LOOK]), HandDetector.bundled("cpu")
    rows: dict[str, dict[str, float]] = {}
    for _ in range(arguments.rounds):
        timings = {
            f"{looks}, {name}, {'together' if batched else 'one by one'}": time_detector(
                detector, group, batched
            )
            for looks, detector in (("one look", once), ("all looks", often))
            for name, group in groups.items()
            for batched in ((False, True) if len(group) > 1 else (False,))
        }
        if arguments.solution is not None:
            for name, timing in time_solution(arguments.solution, groups).items():
                timings[f"published solution, {name}, one by one"] = timing
        for name, timing in timings.items():
            rows[name] = min(rows.get(name, timing), timing, key=lambda row: row["ms"])
    for name, row in rows.items():
        print(f"{name:45s} {row['ms']:7.1f} ms a photo, {row['hands']} hands in {row['photos']}")
    if arguments.out is not None:
        arguments.out.write_text(
            json.dumps({"python": sys.version, "torch": torch.__version__, "rows": rows})
        )


if __name__ == "__main__":
    main()
