"""How many photos and frames a second ``s2hand predict`` does on two cores, and where the time goes.

``python benchmarks/predict.py`` predicts the two photos of the package, many times over, from JPEG to .npz,
and a video of 640 x 480 px made of one of them, in which the hand moves and turns. ``--photos FOLDER`` and
``--video FILE`` measure others. The table is in processor time of one thread, so that other work on the
machine matters less; photos and frames a second are by the clock, with ``--threads`` threads.
"""

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from s2hand.detection.mediapipe import HandDetector
from s2hand.images import videos
from s2hand.images.photos import read_photo
from s2hand.images.videos import VideoWriter
from s2hand.prediction import hand_files, predict, reconstructor, result_page, sides, video, video_scene
from s2hand.prediction.landmark_answerer import LandmarkAnswerer
from s2hand.prediction.opening import open_prediction
from s2hand.prediction.options import PredictOptions
from s2hand.prediction.sample_photos import sample_photos

STEPS = {
    "decode": [(predict, "_read"), (videos, "_read")],
    "palms": [(HandDetector, "_palm_answers")],
    "landmarks": [(HandDetector, "read")],
    "left or right": [(sides.SideJudge, "__call__")],
    "lift": [(LandmarkAnswerer, "__call__"), (LandmarkAnswerer, "place_hand")],
    "refine": [(LandmarkAnswerer, "refine")],
    "smooth": [(video.SteadyHands, "__call__")],
    "texture": [(reconstructor, "painted")],
    "draw": [(video, "overlay_of"), (hand_files, "overlay_of")],
    "write": [(hand_files.HandFiles, "write"), (VideoWriter, "write"), (video, "write_line")],
    "page": [(result_page.ResultPage, "add"), (video_scene.VideoScene, "add")],
}
"""Row of the table -> the functions that do it; what one calls of another row counts there."""

COPIES = 8
"""Of each photo of the package."""

FRAME_SIZE, FRAMES, FPS = (640, 480), 90, 30.0

START = "import time, torch; first = time.process_time(); import s2hand; "
START += "s2hand.HandReconstructor.small('cpu'); print(first, time.process_time())"


class StepTimes(threading.local):
    """The steps that a thread is in, innermost last, each with the seconds of steps inside of it."""

    def __init__(self) -> None:
        self.inside: list[float] = []


@contextlib.contextmanager
def timed_steps() -> Iterator[dict[str, float]]:
    """Adds up the processor time of every step, in seconds, over all threads."""
    seconds: dict[str, float] = defaultdict(float)
    times = StepTimes()

    def timed(step: str, function):
        def call(*arguments, **options):
            times.inside.append(0.0)
            start = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                whole = time.thread_time() - start
                seconds[step] += whole - times.inside.pop()
                if times.inside:
                    times.inside[-1] += whole

        return call

    with contextlib.ExitStack() as stack:
        for step, functions in STEPS.items():
            for owner, name in functions:
                function = getattr(owner, name)
                stack.callback(setattr, owner, name, function)
                setattr(owner, name, timed(step, function))
        yield seconds


def make_video(path: Path) -> None:
    """A hand that turns, nears and moves before its own background."""
    photo = read_photo(sample_photos()[1])
    height, width = photo.shape[:2]
    middle = np.array([width, height]) / 2
    with VideoWriter(path, FPS, FRAME_SIZE) as writer:
        for number in range(FRAMES):
            scale = FRAME_SIZE[1] / height * (0.9 + 0.1 * np.sin(number / 20))
            turn = cv2.getRotationMatrix2D(middle.tolist(), 12 * np.sin(number / 15), scale)
            turn[:, 2] += np.array(FRAME_SIZE) / 2 - middle + [30 * np.sin(number / 10), 0]
            writer.write(cv2.warpAffine(photo, turn, FRAME_SIZE, borderMode=cv2.BORDER_REPLICATE))


def copy_photos(folder: Path) -> None:
    for photo in sample_photos():
        for number in range(COPIES):
            shutil.copy(photo, folder / f"{photo.stem}{number}.jpg")


def measure(source: Path, options: PredictOptions, threads: int) -> dict[str, float]:
    """Predicts a folder of photos or a video twice, once for the table and once by the clock.

    Returns:
        The seconds of each step, the "rest", the "whole", and "clock" with all threads.
    """
    opened = open_prediction(None, options, device="cpu")
    predict.open_prediction = lambda *arguments: opened  # starting is measured by itself
    with tempfile.TemporaryDirectory() as out:

        def run(threads: int) -> dict[str, float]:
            torch.set_num_threads(threads)
            with timed_steps() as seconds:
                start, clock = time.process_time(), time.perf_counter()
                predict.predict(None, [source], out, options, progress=False, say=str)
                clock, whole = time.perf_counter() - clock, time.process_time() - start
            rest = whole - sum(seconds.values())
            return {**seconds, "rest": rest, "whole": whole, "clock": clock}

        run(1)  # compiles kernels, fills caches
        figures = run(1)
        return figures | {"clock": run(threads)["clock"]}


def main() -> None:
    """Prints a table each for photos and for the video, and writes the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photos (default: the package's)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="a video (default: made of a photo)")
    parser.add_argument("--threads", type=int, default=2, help="for photos and frames a second (2)")
    parser.add_argument("--refine", action="store_true", help="refine the hands")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    first, ready = map(float, subprocess.check_output([sys.executable, "-c", START], text=True).split())
    figures = {"start": {"torch": first, "whole": ready}}
    print(f"start: {ready:.2f} s of processor time, {first:.2f} s of them to import torch")
    refine = PredictOptions(formats=("npz",), refine=int(arguments.refine))
    with tempfile.TemporaryDirectory() as folder:
        photos, clip = arguments.photos or Path(folder), arguments.video or Path(folder) / "clip.mp4"
        if arguments.photos is None:
            copy_photos(photos)
        count = sum(path.suffix.lower() in (".jpg", ".jpeg") for path in photos.iterdir())
        figures["photos"] = {"count": count, **measure(photos, refine, arguments.threads)}
        if arguments.video is None:
            make_video(clip)
        count = int(cv2.VideoCapture(str(clip)).get(cv2.CAP_PROP_FRAME_COUNT))
        figures["video"] = {"count": count, **measure(clip, refine, arguments.threads)}
    for name in ("photos", "video"):
        row = figures[name]
        print(f"{name}: {row['count'] / row['clock']:.1f} a second with {arguments.threads} threads")
        for step in (*STEPS, "rest", "whole"):
            if row.get(step):
                print(f"  {step:14s} {1e3 * row[step] / row['count']:8.1f} ms of processor time")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"python": sys.version, "torch": torch.__version__, **figures}))


if __name__ == "__main__":
    main()
