"""Records what MediaPipe's own files answer, for the parity tests of the networks.

``python tests/models/record_mediapipe.py FOLDER PHOTO PHOTO`` needs ``ai-edge-litert``, the folder that the
wheel mediapipe 0.10.21 was unpacked to, and two pictures of hands that ``s2hand synth`` drew.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

RECORDED = Path(__file__).parents[1] / "fixtures" / "mediapipe.npz"
PALM = "mediapipe/modules/palm_detection/palm_detection_full.tflite"
LANDMARKS = "mediapipe/modules/hand_landmark/hand_landmark_full.tflite"
SIDE, PALM_SIDE = 224, 192
MARGIN = (SIDE - PALM_SIDE) // 2
LEVELS = 8
"""Colours are rounded to multiples of this, so that the file stays small."""

BOX_STEP = 5
"""Every fifth anchor's box is kept."""


def answers(path, image):
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    outputs = sorted(interpreter.get_output_details(), key=lambda output: output["name"])
    return [interpreter.get_tensor(output["index"])[0] for output in outputs]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("photos", nargs=2)
    arguments = parser.parse_args()
    images = [np.random.default_rng(7).integers(0, 256, (SIDE, SIDE, 3), np.uint8)]
    for photo in arguments.photos:
        image = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
        image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        images.append(image // LEVELS * LEVELS)
    recorded = {"images": np.stack(images)}
    for index, image in enumerate(images):
        unit = image.astype(np.float32) / 255
        palm = unit[MARGIN : MARGIN + PALM_SIDE, MARGIN : MARGIN + PALM_SIDE]
        boxes, logits = answers(arguments.folder / PALM, palm)
        landmarks, presence, right, world = answers(arguments.folder / LANDMARKS, unit)
        recorded |= {
            f"boxes{index}": boxes[::BOX_STEP],
            f"logits{index}": logits[:, 0],
            f"landmarks{index}": landmarks.reshape(21, 3),
            f"presence{index}": presence,
            f"right{index}": right,
            f"world{index}": world.reshape(21, 3),
        }
    np.savez_compressed(RECORDED, **recorded)


if __name__ == "__main__":
    main()
