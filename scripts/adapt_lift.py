"""Adapts the lift to what the bundled detector sees: in generated images, and in photos without labels.

    python scripts/bundle_lift.py --out s2hand/models/weights/random_lift.safetensors
    python scripts/adapt_lift.py PHOTOS_FOLDER --synthetic datasets/synthhand \
        --out s2hand/models/weights/lift.safetensors

``scripts/bundle_lift.py`` comes first: its lift knows simulated errors of landmarks alone. Here the same
network goes on with four kinds of hands at once:

- random ones, as before, so that nothing is forgotten;
- generated images of SynthHand (``configs/SynthHand``), with the landmarks and confidences that the detector
  really reads in them, and the generator's own truth;
- the same hands with SynthHand's simulated detections, which are keypoints and confidences, half of them
  beside the depths and world landmarks that are read in the image;
- photos of the fit half (``s2hand.benchmark.photo_split``), whose lifted hands are to be seen where the
  detector's landmarks are.

The cache of landmarks lies beside the weights until the run is done.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bundle_lift import write
from photo_landmarks import guessed_camera
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from s2hand.benchmark.photo_split import FOLDERS, in_fit_half
from s2hand.datasets import FreiHandDataset
from s2hand.detection.mediapipe import HandDetector
from s2hand.detection.mediapipe.confidence import confidence_of_looks
from s2hand.detection.mediapipe.detector import PRESENCE_THRESHOLD
from s2hand.detection.mediapipe.looks import combine
from s2hand.detection.mediapipe.records import HandReadings
from s2hand.detection.mediapipe.squares import squares_of_landmarks
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.images.photos import read_photo
from s2hand.models.hand_view import FEWEST_PLACED, HandLandmarks, view_hands
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.landmark_lift import (
    RANDOM_HANDS_WEIGHTS,
    LandmarkLifter,
    LiftNet,
    bundled_weights,
    solve_translation,
    view_features,
)
from s2hand.models.random_hands import RandomHands, RandomHandSource
from s2hand.training.lift import LiftObjective, lift_errors

BATCH, PHOTO_BATCH = 256, 128
LEARNING_RATE, WEIGHT_DECAY, WARM_UP, MAX_GRADIENT, EMA_DECAY = 5e-4, 1e-4, 100, 1.0, 0.995
WEIGHTS = {"random": 1.0, "read": 0.5, "simulated": 0.25, "photos": 0.5}
SHAPE_WEIGHT = 0.02
FIRST_SEED, EVALUATION_SEED = 5_000_000, 10_000

PHOTO_UNIT = 0.02
"""A landmark missed by 2 % of the hand's box costs 1."""

TRAINED_ON = (
    "5,000 batches of projected random hands (configs/Lift/train.json), then, all at once, more of them, "
    "6,000 images of SynthHand with the generator's truth, and MediaPipe's landmarks, which are no manual "
    "labels, in half of American Sign Language Letters (David Lee, public domain), Sign "
    "Language Digits Dataset (Apache-2.0) and HandsDataset (SubhiH, Apache-2.0): 2,262 hands "
    "(docs/lifting.md)"
)
"""What the card beside the weights says."""

MANO_TURN = (-math.pi, 0.0, 0.0)
"""The hand layer turns by this of its own accord; ``training_mano.json`` holds the whole rotation."""

READ_AT_ONCE, REPORT_EVERY = 16, 250

SEEN_IMAGES = {"training": 6000, "evaluation": 1000}
"""Of each split of SynthHand; the detector takes a twelfth of a second for an image."""

PALM_ERRORS = (0.04, 0.04, 0.08, 0.12)
"""Deviations of a palm's square from that of the landmarks: x, y and side in sides, rotation in radians."""


def chosen(landmarks: HandLandmarks, index: Tensor) -> HandLandmarks:
    """The landmarks at ``index``; None stays None."""
    return HandLandmarks(
        **{name: None if value is None else value[index] for name, value in vars(landmarks).items()}
    )


def chosen_hands(hands: RandomHands, index: Tensor) -> RandomHands:
    """The hands at ``index``."""
    values = {name: value[index] for name, value in vars(hands).items() if name != "landmarks"}
    return RandomHands(landmarks=chosen(hands.landmarks, index), **values)


def seen_in_generated_images(folder: Path, split: str) -> dict[str, RandomHands]:
    """SynthHand's first hands, with what the detector reads in their images and with simulated detections."""
    count = SEEN_IMAGES[split]
    dataset = FreiHandDataset(folder, split, key="synthetic_base_path", labels=("joints",), rows=slice(count))
    records = [dataset.record(number) for number in range(len(dataset))]
    K, joints, keypoints, confidence = (
        torch.from_numpy(np.stack([getattr(record, name) for record in records])).float()
        for name in ("K", "joints", "keypoints_2d", "confidence")
    )
    mano = np.array(json.loads((folder / f"{split}_mano.json").read_text()))[:, 0]
    mano = torch.from_numpy(mano[:count]).float()
    hands = RandomHands(
        landmarks=HandLandmarks.from_pixels(
            keypoints,
            K,
            confidence,
            depths_px=torch.full(confidence.shape, math.nan),
            world=torch.full(joints.shape, math.nan),
        ),
        angles=mano[:, 3:48].unflatten(-1, (15, 3)),
        betas=mano[:, 48:58],
        rotation=axis_angle_to_matrix(mano[:, :3]) @ axis_angle_to_matrix(torch.tensor([MANO_TURN])),
        joints=joints,
    )
    projected = joints @ K.transpose(1, 2)
    points = (projected[..., :2] / projected[..., 2:]).double().numpy()
    read, found = read_in_images([record.image_path for record in records], points, K)
    # The hand head sees detections beside the depths and world landmarks that the network reads itself.
    both = found[::2]
    hands.landmarks.depths[both] = read.depths[::2]
    hands.landmarks.world[both] = read.world[::2]
    placed = torch.nonzero((confidence > 0).sum(1) >= FEWEST_PLACED)[:, 0]
    return {
        "read": replace(chosen_hands(hands, found), landmarks=read),
        "simulated": chosen_hands(hands, placed),
    }


def read_in_photos(photos: Path) -> HandLandmarks:
    """What the detector reads of the fit half's hands, the left ones mirrored; the reference says where."""
    reference = json.loads((photos / "reference.json").read_text())
    names = [name for name in sorted(reference) if name.split("/")[0] in FOLDERS and in_fit_half(name)]
    rows = [(photos / name, hand) for name in names for hand in reference[name]]
    K = torch.stack([guessed_camera(*Image.open(path).size) for path, _ in rows])
    left = torch.tensor([hand["hand"] == "left" for _, hand in rows])
    points = np.array([hand["xyz"] for _, hand in rows])[..., :2]
    landmarks, found = read_in_images([path for path, _ in rows], points, K)
    return landmarks.mirrored(left[found])


def read_in_images(paths: Sequence[Path], points: np.ndarray, K: Tensor) -> tuple[HandLandmarks, Tensor]:
    """The detector's landmarks of one hand an image, which it first looks for near ``points``, (N, 21, 2) px.

    Returns:
        The landmarks of the M hands that it takes for hands, and which of the N these are.
    """
    detector, random = HandDetector.bundled(), np.random.default_rng(0)
    readings, confidence = [], []
    for start in tqdm(range(0, len(paths), READ_AT_ONCE), desc="reading"):
        images = [read_photo(path) for path in paths[start : start + READ_AT_ONCE]]
        squares = squares_of_landmarks(points[start : start + READ_AT_ONCE])
        side = squares[:, 2:3]
        off = random.normal(size=(len(squares), 4)) * PALM_ERRORS
        squares += off * np.hstack([side, side, side, np.ones_like(side)])
        first = detector.read(images, np.arange(len(images)), squares)[0]
        median, spread = combine(detector.look_again(images, np.arange(len(images)), first))
        readings.append(median)
        confidence.append(confidence_of_looks(spread))
    read, sure = HandReadings.joined(readings), np.concatenate(confidence)
    found = np.flatnonzero(read.presence > PRESENCE_THRESHOLD)
    keypoints, sure, depths, world = (
        torch.from_numpy(column[found]).float() for column in (read.keypoints, sure, read.depth, read.world)
    )
    found = torch.from_numpy(found)
    return HandLandmarks.from_pixels(keypoints, K[found], sure, depths, world), found


class Adaptation:
    """A run: the network, the average of its weights, and the three kinds of hands."""

    def __init__(self, photos: Path, synthetic: Path, cache: Path, steps: int):
        torch.manual_seed(0)
        self.steps, self.random = steps, torch.Generator().manual_seed(1)
        model = load_hand_model("generic")
        self.chains = mediapipe_chain(model), mediapipe_world_chain(model)
        self.plain = JointChain(model)
        self.net, average = LiftNet(), LiftNet()
        for net in (self.net, average):
            net.load_state_dict(bundled_weights(RANDOM_HANDS_WEIGHTS))
        self.learner, self.lifter = LandmarkLifter(self.net, model), LandmarkLifter(average, model)
        self.objective = LiftObjective(self.plain)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        if not cache.exists():
            seen = {split: seen_in_generated_images(synthetic, split) for split in ("evaluation", "training")}
            torch.save(seen | {"photos": read_in_photos(photos)}, cache)
        self.seen = torch.load(cache, weights_only=False)
        self.evaluation = RandomHandSource(EVALUATION_SEED, *self.chains).draw(4096)

    def run(self) -> None:
        for step in range(self.steps):
            rate = 0.5 * (1 + math.cos(math.pi * step / self.steps)) * min(1, (step + 1) / WARM_UP)
            for group in self.optimizer.param_groups:
                group["lr"] = LEARNING_RATE * rate
            loss = self._loss(step)
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), MAX_GRADIENT)
            self.optimizer.step()
            decay = min(EMA_DECAY, (step + 1) / (step + 10))
            with torch.no_grad():
                averaged = list(self.lifter.net.parameters())
                torch._foreach_lerp_(averaged, list(self.net.parameters()), 1 - decay)
            if (step + 1) % REPORT_EVERY == 0:
                print(f"step {step + 1} loss {loss.item():.3f} {self.scores()}", flush=True)

    def scores(self) -> dict[str, float]:
        """Errors on random hands, see :func:`lift_errors`, and on SynthHand's evaluation images."""
        found = lift_errors(self.lifter, self.evaluation, self.plain)
        for name, hands in self.seen["evaluation"].items():
            found[f"synth_hand_{name}"] = lift_errors(self.lifter, hands, self.plain)["pa_mpjpe"]
        return found

    def _loss(self, step: int) -> Tensor:
        hands = RandomHandSource(FIRST_SEED + step, *self.chains).draw(BATCH)
        values = {"random": self.objective(self.learner, hands)["total"], "photos": self._photo_loss()}
        for name, seen in self.seen["training"].items():
            index = torch.randint(len(seen), (BATCH,), generator=self.random)
            values[name] = self.objective(self.learner, chosen_hands(seen, index))["total"]
        return sum(WEIGHTS[name] * value for name, value in values.items())

    def _photo_loss(self) -> Tensor:
        """How far lifted hands are seen from the landmarks of photos, which are all that is known of them."""
        photos = self.seen["photos"]
        index = torch.randint(len(photos.rays), (PHOTO_BATCH,), generator=self.random)
        view = view_hands(chosen(photos, index))
        angles, betas, rotation = self.net(view_features(view))
        points = self.chains[0]((angles + self.learner.mean_pose).unflatten(-1, (-1, 3)), betas, rotation)
        points = points + solve_translation(points, view.rays, view.confidence)[:, None]
        box = (view.rays.amax(1) - view.rays.amin(1)).amax(1)[:, None, None]
        missed = (points[..., :2] / points[..., 2:] - view.rays) / box / PHOTO_UNIT
        robust = (missed.square().sum(-1) + 0.01).sqrt().mean()
        return robust + SHAPE_WEIGHT * betas.square().mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos with reference.json")
    parser.add_argument("--synthetic", type=Path, required=True, help="folder of SynthHand")
    parser.add_argument("--out", type=Path, required=True, help="the weights, a .safetensors file")
    parser.add_argument("--steps", type=int, default=3000, help="default: 3000")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cache = args.out.with_suffix(".landmarks.pt")
    adaptation = Adaptation(args.photos, args.synthetic, cache, args.steps)
    print("start", adaptation.scores(), flush=True)
    adaptation.run()
    write(args.out, adaptation.lifter.net, adaptation.scores(), 0, args.steps, BATCH, TRAINED_ON)
    cache.unlink()


if __name__ == "__main__":
    main()
