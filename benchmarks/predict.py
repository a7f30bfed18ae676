"""How many photos and frames a second ``s2hand predict`` does on two cores, and where the time goes.

``python benchmarks/predict.py`` predicts the two photos of the package, many times over, from JPEG to .npz,
and a video of 640 x 480 px made of one of them, in which the hand moves and turns. ``--photos FOLDER`` and
``--video FILE`` measure others. The table is processor time with one thread in the networks, so that other
work on the machine matters less; photos and frames a second are by the clock, in a second run.
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
from s2hand.images.listing import list_photos
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
    "left or right": [(sides.SideJudge, "of_images")],
    "lift": [(LandmarkAnswerer, "__call__"), (LandmarkAnswerer, "place_hand")],
    "refine": [(LandmarkAnswerer, "refine")],
    "smooth": [(video.SteadyHands, "__call__")],
    "texture": [(reconstructor, "painted"), (predict, "painted")],
    "draw": [(video, "drawn_frame")],
    "write": [(hand_files.HandFiles, "write"), (VideoWriter, "write"), (video, "write_line")],
    "page": [(result_page.ResultPage, "add"), (video_scene.VideoScene, "add")],
}
"""Row of the table -> the functions that do it; what one calls of another row counts there."""

COPIES = 5
"""Of each photo of the package."""

FRAME_SIZE, FRAMES, FPS = (640, 480), 60, 30.0

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


def make_video(path: Path) -> Path:
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
    return path


def copy_photos(folder: Path, copies: int) -> Path:
    """The package's photos, so many times over, in a new folder."""
    folder.mkdir()
    for photo in sample_photos():
        for number in range(copies):
            shutil.copy(photo, folder / f"{photo.stem}{number}.jpg")
    return folder


def run(source: Path, options: PredictOptions, threads: int) -> dict[str, float]:
    """Predicts a folder of photos or a video.

    Returns:
        Processor time in seconds of each step, of the "rest" and of the "whole"; seconds by the "clock".
    """
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as out, timed_steps() as seconds:
        start, clock = time.process_time(), time.perf_counter()
        predict.predict(None, [source], out, options, progress=False, say=str)
        clock, whole = time.perf_counter() - clock, time.process_time() - start
    return {**seconds, "rest": whole - sum(seconds.values()), "whole": whole, "clock": clock}


def print_table(name: str, count: int, figures: dict[str, float], threads: int) -> None:
    print(f"{name}: {count / figures['clock']:.1f} a second, {threads} threads in the networks")
    for step in (*STEPS, "rest", "whole"):
        if figures.get(step):
            print(f"  {step:14s} {1e3 * figures[step] / count:8.1f} ms of processor time")


def main() -> None:
    """Prints a table for photos and one for the video, and writes the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photos (default: the package's)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="a video (default: made of a photo)")
    parser.add_argument(
        "--threads",
        type=int,
        default=torch.get_num_threads(),
        help="of the networks by the clock, beside those that read and write (as many as PyTorch takes)",
    )
    parser.add_argument("--device", default="cpu", help="of the networks (%(default)s)")
    parser.add_argument("--refine", action="store_true", help="refine the hands")
    parser.add_argument("--fast", action="store_true", help="one look at each hand, no page")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    options = PredictOptions(
        formats=("npz",), refine=int(arguments.refine), fast=arguments.fast, page=not arguments.fast
    )
    first, ready = map(float, subprocess.check_output([sys.executable, "-c", START], text=True).split())
    print(f"start: {ready:.2f} s of processor time, {first:.2f} s of them to import torch")
    figures: dict[str, dict[str, float]] = {"start": {"torch": first, "whole": ready}}
    opened = open_prediction(None, options, device=arguments.device)
    predict.open_prediction = lambda *ignored: opened  # starting is measured by itself
    with tempfile.TemporaryDirectory() as made:
        run(copy_photos(Path(made) / "warm", 1), options, 1)
        photos = arguments.photos or copy_photos(Path(made) / "photos", COPIES)
        clip = arguments.video or make_video(Path(made) / "clip.mp4")
        frames = int(cv2.VideoCapture(str(clip)).get(cv2.CAP_PROP_FRAME_COUNT))
        for name, source, count in (
            ("photos", photos, len(list_photos(photos))),
            ("frames", clip, frames),
        ):
            alone = run(source, options, 1)
            clock = run(source, options, arguments.threads)["clock"]
            figures[name] = alone | {"clock": clock, "count": count}
            print_table(name, count, figures[name], arguments.threads)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"python": sys.version, "torch": torch.__version__, **figures}))


if __name__ == "__main__":
    main()
