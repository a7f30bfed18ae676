"""Draws docs/images/sample_hands.jpg: the sample photos, the hands on them, and the hands from other sides.

``python scripts/sample_hands.py`` needs nothing but the package.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from s2hand.images.photos import read_photo
from s2hand.prediction.hand_files import overlay_of
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.prediction.sample_photos import sample_photos
from s2hand.visualize import write_image
from s2hand.visualize.pixels import resize
from s2hand.visualize.views import render_from

TARGET = Path(__file__).parent.parent / "docs/images/sample_hands.jpg"
HEIGHT = 480
YAWS_DEG = (35.0, 90.0)


def main() -> None:
    reconstructor = HandReconstructor.small(device="cpu")
    rows = []
    for path in sample_photos():
        photo, hands = read_photo(path), reconstructor.predict(path, refine=True)
        width = round(photo.shape[1] * HEIGHT / photo.shape[0])
        tiles = [resize(image, HEIGHT, width) for image in (photo, overlay_of(photo, hands).image)]
        for yaw in YAWS_DEG:
            view = render_from(
                hands.vertices[0], hands.faces(0), HEIGHT, yaw, hands.face_textures[0], hands.light[0]
            )
            tiles.append(np.rint(255 * view.smooth).astype(np.uint8))
        rows.append(np.concatenate(tiles, 1))
    write_image(TARGET, np.concatenate(rows))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
