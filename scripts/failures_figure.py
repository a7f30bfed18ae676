"""Draws docs/images/failures.jpg: generated hands that the bundled network gets most wrong, and its answers.

``python scripts/failures_figure.py datasets/synthhand`` needs the images of ``s2hand benchmark``.
The bundled detector looks for the hands itself, and hands are refined, as in ``s2hand predict``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from s2hand.datasets.json_files import as_array, read_json
from s2hand.geometry.procrustes import similarity_align
from s2hand.images.photos import read_photo
from s2hand.prediction.hand_files import overlay_of
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.visualize import write_image
from s2hand.visualize.pixels import resize

TARGET = Path(__file__).parent.parent / "docs/images/failures.jpg"
IMAGES, SHOWN, SIDE = 100, 6, 240


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder of SynthHand")
    data = parser.parse_args().data
    cameras, joints = (
        as_array(
            read_json(data / f"evaluation_{name}.json", remedy="run s2hand synth"), (None, *shape), what=name
        )[:IMAGES]
        for name, shape in (("K", (3, 3)), ("xyz", (21, 3)))
    )
    reconstructor = HandReconstructor.small(device="cpu")
    answers = []
    for number, (K, truth) in enumerate(zip(cameras, joints, strict=True)):
        path = data / "evaluation" / "rgb" / f"{number:08d}.jpg"
        hands = reconstructor.predict(path, K=K, refine=True)
        if len(hands) == 1:
            aligned = similarity_align(hands.joints.double().numpy(), truth[None])[0]
            answers.append((float(np.linalg.norm(aligned - truth, axis=-1).mean()), path, hands))
    answers.sort(key=lambda answer: -answer[0])
    columns = []
    for error, path, hands in answers[:SHOWN]:
        print(f"{path.name}: PA-MPJPE {1000 * error:.1f} mm, mean confidence {hands.confidence.mean():.2f}")
        photo = read_photo(path)
        tiles = (photo, overlay_of(photo, hands).image)
        columns.append(np.concatenate([resize(tile, SIDE, SIDE) for tile in tiles]))
    write_image(TARGET, np.concatenate(columns, axis=1))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
