"""How many images a second one core decodes, turns and collates, where the time goes, and what memory does.

Writes a small dataset in FreiHAND's layout to a temporary folder. ``python benchmarks/loader.py --out FILE``.
"""

import argparse
import json
import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from s2hand.datasets import AugmentationConfig, Detections, FreiHandDataset, make_loader, write_detections
from s2hand.images.images import read_image
from s2hand.images.transforms import rotation_transform, warp_image
from s2hand.runtime.allocator import keep_freed_memory

NUM_IMAGES = 512
SIZE = 224
JPEG_QUALITY = 95
ROUNDS = 5
BATCH = 64
EPOCHS = 12
JITTER = {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue_deg": 10}


def write_dataset(root: Path) -> None:
    """Images with as much detail as photos of this size have (about 10 kB each)."""
    random = np.random.default_rng(0)
    (root / "training/rgb").mkdir(parents=True)
    for number in range(NUM_IMAGES):
        image = cv2.GaussianBlur(random.integers(0, 256, (SIZE, SIZE, 3), np.uint8), (0, 0), 3)
        image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
        path = str(root / f"training/rgb/{number:08d}.jpg")
        cv2.imwrite(path, image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    K = np.array([[480.0, 0, SIZE / 2], [0, 480, SIZE / 2], [0, 0, 1]])
    (root / "training_K.json").write_text(json.dumps([K.tolist()] * NUM_IMAGES))
    keypoints = random.uniform(0, SIZE, (NUM_IMAGES, 21, 2)).astype(np.float32)
    write_detections(
        root / "openpose_v2/training/detect_all.json",
        Detections(keypoints, np.ones((NUM_IMAGES, 21), np.float32)),
    )


def images_per_second(run: Callable[[], None], clock: Callable[[], float] = time.process_time) -> float:
    """The best of several rounds, by this process's own time: other programs only ever slow a round down."""
    run()
    seconds = []
    for _ in range(ROUNDS):
        start = clock()
        run()
        seconds.append(clock() - start)
    return NUM_IMAGES / min(seconds)


def bare_opencv(paths: list[Path]) -> None:
    """The floor: decode and warp, nothing else."""
    turn = rotation_transform(0.5, SIZE)[:2]
    for path in paths:
        cv2.warpAffine(cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR), turn, (SIZE, SIZE))


def measure(root: Path) -> dict[str, float]:
    plain = FreiHandDataset(root)
    turned = FreiHandDataset(root, augment=AugmentationConfig())
    coloured = FreiHandDataset(root, augment=AugmentationConfig(**JITTER))
    paths = [plain.image_path(index) for index in range(NUM_IMAGES)]
    turn = rotation_transform(0.5, SIZE)

    def read_all(dataset):
        return lambda: [dataset[index] for index in range(NUM_IMAGES)]

    def load_all(dataset, num_workers=0):
        loader = make_loader(dataset, BATCH, shuffle=True, num_workers=num_workers)
        return lambda: sum(len(batch.image) for batch in loader)

    return {
        "bare OpenCV: decode + warp": images_per_second(lambda: bare_opencv(paths)),
        "read_image": images_per_second(lambda: [read_image(path) for path in paths]),
        "read_image + warp_image": images_per_second(
            lambda: [warp_image(read_image(path), turn, SIZE) for path in paths]
        ),
        "samples": images_per_second(read_all(plain)),
        "samples, rotated": images_per_second(read_all(turned)),
        "samples, rotated + colour": images_per_second(read_all(coloured)),
        "batches, rotated": images_per_second(load_all(turned)),
        "batches, rotated + colour": images_per_second(load_all(coloured)),
        f"batches, rotated, {os.cpu_count()} workers": images_per_second(
            load_all(turned, os.cpu_count()), time.perf_counter
        ),
    }


def memory_by_epoch(root: Path) -> list[float]:
    """Megabytes of this process and its two loader processes after each of ``EPOCHS`` epochs."""
    loader = make_loader(
        FreiHandDataset(root, augment=AugmentationConfig(**JITTER)), BATCH, shuffle=True, num_workers=2
    )
    sizes = []
    for epoch in range(EPOCHS):
        loader.set_epoch(epoch)
        for _ in loader:
            pass
        pids = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
        sizes.append(sum(_proportional_kb(pid) for pid in pids) / 1024)
    loader.close()
    return sizes


def _proportional_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_freed_memory()  # as training does
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder))
        figures = measure(Path(folder))
        memory = memory_by_epoch(Path(folder)) if platform.system() == "Linux" else []
    print(f"{SIZE} px JPEG, images a second of one core (best of {ROUNDS} rounds of {NUM_IMAGES})")
    for name, figure in figures.items():
        print(f"  {name:32s} {figure:8.0f}")
    print(f"  MB after epochs 1 to {len(memory)}: {', '.join(f'{size:.0f}' for size in memory)}")
    if options.out:
        machine = {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        options.out.write_text(
            json.dumps({"machine": machine, "images_per_second": figures, "mb_by_epoch": memory}, indent=2)
        )


if __name__ == "__main__":
    main()
