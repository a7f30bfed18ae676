"""Records what MediaPipe's published solution finds in drawn photos, for the tests of the bundled detector.

``python tests/detection/record_mediapipe_solution.py PHOTO ...`` needs the package mediapipe 0.10.21 and
pictures of hands that ``s2hand synth --layout folder`` drew; the last two are joined to one with two hands.
"""

import sys
from pathlib import Path

import cv2
import mediapipe
import numpy as np

RECORDED = Path(__file__).parents[1] / "fixtures" / "mediapipe_photos.npz"
SIDE = 240
LEVELS = 8
"""Colours are rounded to multiples of this, so that the file stays small."""


def read_small(path):
    image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
    scale = SIDE / max(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) // LEVELS * LEVELS


def main():
    photos = [read_small(path) for path in sys.argv[1:]]
    height = min(photo.shape[0] for photo in photos[-2:])
    photos.append(np.concatenate([photo[:height] for photo in photos[-2:]], axis=1))
    solution = mediapipe.solutions.hands.Hands(static_image_mode=True, max_num_hands=2, model_complexity=1)
    recorded = {}
    for index, photo in enumerate(photos):
        result = solution.process(photo)
        size = np.array([photo.shape[1], photo.shape[0], photo.shape[1]])
        recorded[f"photo{index}"] = photo
        recorded[f"points{index}"] = (
            np.array(
                [
                    [[point.x, point.y, point.z] for point in hand.landmark]
                    for hand in result.multi_hand_landmarks or ()
                ]
            ).reshape(-1, 21, 3)
            * size
        )
        recorded[f"world{index}"] = np.array(
            [
                [[point.x, point.y, point.z] for point in hand.landmark]
                for hand in result.multi_hand_world_landmarks or ()
            ]
        )
        # The published labels are those of a mirrored photo.
        recorded[f"right{index}"] = np.array(
            [hand.classification[0].label == "Left" for hand in result.multi_handedness or ()]
        )
        print(photo.shape, len(recorded[f"world{index}"]), recorded[f"right{index}"])
    np.savez_compressed(RECORDED, **recorded)


if __name__ == "__main__":
    main()
