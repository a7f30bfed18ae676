"""Measures how near lifted and refined hands come to the landmarks of held-out photos.

    python scripts/measure_lift_on_photos.py PHOTOS_FOLDER letters digits gestures green people

Of ``letters``, ``digits`` and ``gestures`` the held-out half is taken (see ``photo_halves``), of any other
folder all photos; 200 at most of each. A hand's distance is the mean one of its 21 projected joints from
their landmarks, in sides of the landmarks' box (the larger one).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from photo_halves import FOLDERS, in_fit_half, read_landmarks, without_copies
from torch import Tensor

from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.posed_hand import PosedHand
from s2hand.models.hand_view import HandLandmarks
from s2hand.models.landmark_definition import mediapipe_chain
from s2hand.models.landmark_lift import LandmarkLifter
from s2hand.prediction.landmark_refine import LandmarkRefiner

PHOTOS_PER_FOLDER, SEED, CHUNK = 200, 1, 50
NEAR = 0.06


def held_out(reference: dict[str, list], folder: str) -> list[str]:
    """Names of the photos that are measured."""
    names = sorted(name for name, hands in reference.items() if name.startswith(folder + "/") and hands)
    if folder in FOLDERS:
        names = without_copies([name for name in names if not in_fit_half(name)])
    return np.random.default_rng(SEED).permutation(names)[:PHOTOS_PER_FOLDER].tolist()


def distances(plain: JointChain, hand: PosedHand, landmarks: HandLandmarks) -> Tensor:
    """(B,) distances as the module describes them."""
    joints = plain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]
    rays = landmarks.rays
    box = (rays.amax(1) - rays.amin(1)).amax(1)
    return (joints[..., :2] / joints[..., 2:] - rays).norm(dim=-1).mean(1) / box


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path, help="the folder of photos with reference.json")
    parser.add_argument("folders", nargs="+", help="folders in it")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    model, lifter = load_hand_model("generic"), LandmarkLifter.bundled()
    plain, refiner = JointChain(model), LandmarkRefiner(mediapipe_chain(model))
    reference = json.loads((args.photos / "reference.json").read_text())
    for folder in args.folders:
        landmarks = read_landmarks(args.photos, held_out(reference, folder))[0]
        found = {"lifted": [], "refined": []}
        for number in torch.arange(len(landmarks.rays)).split(CHUNK):
            part = HandLandmarks(*(value[number] for value in vars(landmarks).values()))
            lifted = lifter(part)
            found["lifted"].append(distances(plain, lifted, part))
            found["refined"].append(distances(plain, refiner(part, lifted).hand, part))
        for name, values in found.items():
            values = torch.cat(values)
            near = (values < NEAR).float().mean()
            middle = values.median()
            print(f"{folder}: {len(values)} hands {name}, median {middle:.1%}, within 6 % {near:.1%}")


if __name__ == "__main__":
    main()
