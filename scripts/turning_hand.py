"""Draws docs/images/turning_hand.webp: a sample photo, the hand found in it, and the same hand turning.

``s2hand predict --samples --out hands && python scripts/turning_hand.py hands``
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from s2hand.images.photos import read_photo
from s2hand.prediction.sample_photos import FOLDER
from s2hand.visualize.pixels import resize, to_image
from s2hand.visualize.views import framing_camera, render_view, turn, yaw_rotation

PHOTO = FOLDER / "bending.jpg"
TARGET = Path(__file__).parent.parent / "docs/images/turning_hand.webp"
HEIGHT = 400
FRAMES, FRAME_MS = 72, 60
QUALITY = 82
"""Quality of lossy WebP, 0 to 100."""

MAX_ALBEDO = 1 - 1e-4
"""The renderer takes the texture before tanh, which is infinite at 1."""


def turning(hand: dict[str, np.ndarray], background: np.ndarray) -> list[np.ndarray]:
    """The hand at every angle, before a camera and a light that stay where they are.

    Args:
        hand: the arrays of a .npz that ``s2hand predict`` wrote.
        background: (3,) colour in [0, 1].

    Returns:
        ``FRAMES`` images (HEIGHT, HEIGHT, 3) uint8.
    """
    vertices, faces = torch.from_numpy(hand["vertices"]), torch.from_numpy(hand["faces"])
    texture = torch.from_numpy(hand["face_colors"]).clamp(0, MAX_ALBEDO).atanh()
    light = torch.from_numpy(hand["light"])
    posed = [turn(vertices, yaw_rotation(360 * step / FRAMES)) for step in range(FRAMES)]
    K = framing_camera(torch.cat(posed), HEIGHT)
    frames = []
    for each in posed:
        view = render_view(each, faces, K, HEIGHT, texture, light)
        frames.append(to_image(view.smooth - (1 - view.silhouette[..., None]) * (1 - background)))
    return frames


def main() -> None:
    predicted = Path(sys.argv[1])
    photo = read_photo(PHOTO)
    overlay = read_photo(predicted / f"{PHOTO.stem}.overlay.jpg")
    width = round(photo.shape[1] * HEIGHT / photo.shape[0])
    still = [resize(image, HEIGHT, width) for image in (photo, overlay)]
    wall = photo[: photo.shape[0] // 8].reshape(-1, 3).mean(0) / 255
    hand = dict(np.load(predicted / f"{PHOTO.stem}.npz"))
    frames = [Image.fromarray(np.concatenate([*still, frame], 1)) for frame in turning(hand, wall)]
    options = {"duration": FRAME_MS, "loop": 0, "quality": QUALITY, "method": 6}
    frames[0].save(TARGET, save_all=True, append_images=frames[1:], **options)
    print(f"{TARGET.name}: {len(frames)} frames, {frames[0].size}, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
