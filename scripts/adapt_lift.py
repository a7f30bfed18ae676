"""Adapts the lift to what the bundled detector sees: in generated images, and in photos without labels.

    python scripts/bundle_lift.py --out s2hand/models/weights/random_lift.safetensors
    python scripts/adapt_lift.py PHOTOS_FOLDER --synthetic datasets/synthhand \
        --out s2hand/models/weights/lift.safetensors

``scripts/bundle_lift.py`` comes first: its lift knows simulated errors of landmarks alone. Here the same
network goes on with three kinds of hands at once:

- random ones, as before, so that nothing is forgotten;
- generated images of SynthHand (``configs/SynthHand``), with the landmarks that the detector's network really
  reads in them, and the generator's own truth;
- photos of the fit half (``s2hand.benchmark.photo_split``), whose lifted hands are to be seen where the
  landmarks are.

The cache of landmarks lies beside the weights until the run is done.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from bundle_lift import write
from photo_landmarks import read_landmarks
from torch import Tensor

from s2hand.benchmark.photo_split import FOLDERS, in_fit_half
from s2hand.datasets import FreiHandDataset
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_encoder import HandEncoder
from s2hand.models.hand_view import HandLandmarks, view_hands
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
WEIGHTS = {"random": 1.0, "synthetic": 0.5, "photos": 0.5}
SHAPE_WEIGHT = 0.02
FIRST_SEED, EVALUATION_SEED = 5_000_000, 10_000

PHOTO_UNIT = 0.02
"""A landmark missed by 2 % of the hand's box costs 1."""

TRAINED_ON = (
    "5,000 batches of projected random hands (configs/Lift/train.json), then, all three at once, more of "
    "them, 20,000 generated images of SynthHand with the generator's truth, and MediaPipe's landmarks, which "
    "are no manual labels, in half of American Sign Language Letters (David Lee, public domain), Sign "
    "Language Digits Dataset (Apache-2.0) and HandsDataset (SubhiH, Apache-2.0): 2,262 hands "
    "(docs/lifting.md)"
)
"""What the card beside the weights says."""

MANO_TURN = (-math.pi, 0.0, 0.0)
"""The hand layer turns by this of its own accord; ``training_mano.json`` holds the whole rotation."""

ENCODED_AT_ONCE, REPORT_EVERY = 32, 250


def chosen(landmarks: HandLandmarks, index: Tensor) -> HandLandmarks:
    """The landmarks at ``index``; None stays None."""
    return HandLandmarks(
        **{name: None if value is None else value[index] for name, value in vars(landmarks).items()}
    )


def chosen_hands(hands: RandomHands, index: Tensor) -> RandomHands:
    """The hands at ``index``."""
    values = {name: value[index] for name, value in vars(hands).items() if name != "landmarks"}
    return RandomHands(landmarks=chosen(hands.landmarks, index), **values)


@torch.no_grad()
def seen_in_generated_images(folder: Path, split: str) -> RandomHands:
    """SynthHand's hands with what the detector's network reads in their images, cropped as for
    ``mediapipe_hand``."""
    dataset = FreiHandDataset(
        folder, split, key="synthetic_base_path", labels=("joints",), image_size=224, crop_upright=True
    )
    encoder = HandEncoder().eval()
    parts, joints, turns = [], [], []
    for samples in in_chunks(dataset):
        image = torch.from_numpy(np.stack([sample["image"] for sample in samples])).permute(0, 3, 1, 2)
        K = torch.from_numpy(np.stack([sample["K"] for sample in samples]))
        parts.append(encoder.landmarks(encoder(image.float() / 255)[1], K, 224))
        joints += [sample["gt_joints"] for sample in samples]
        turns += [sample["to_photo"] for sample in samples]
    landmarks = HandLandmarks(
        **{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])}
    )
    mano = np.array(json.loads((folder / f"{split}_mano.json").read_text()))[:, 0]
    mano = torch.from_numpy(mano).float()
    own = axis_angle_to_matrix(mano[:, :3]) @ axis_angle_to_matrix(torch.tensor([MANO_TURN]))
    return RandomHands(
        landmarks=landmarks,
        angles=mano[:, 3:48].unflatten(-1, (15, 3)),
        betas=mano[:, 48:58],
        rotation=torch.from_numpy(np.stack(turns)).transpose(1, 2) @ own,
        joints=torch.from_numpy(np.stack(joints)),
    )


def in_chunks(dataset: FreiHandDataset) -> Iterator[list[dict]]:
    """All samples, some at a time."""
    for start in range(0, len(dataset), ENCODED_AT_ONCE):
        yield [dataset[number] for number in range(start, min(start + ENCODED_AT_ONCE, len(dataset)))]


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
            seen = {split: seen_in_generated_images(synthetic, split) for split in ("training", "evaluation")}
            torch.save(seen, cache)
        self.seen = torch.load(cache, weights_only=False)
        reference = json.loads((photos / "reference.json").read_text())
        names = [name for name in sorted(reference) if name.split("/")[0] in FOLDERS and in_fit_half(name)]
        self.photos = read_landmarks(photos, [name for name in names if reference[name]])[0]
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
        generated = lift_errors(self.lifter, self.seen["evaluation"], self.plain)
        return found | {"synth_hand": generated["pa_mpjpe"]}

    def _loss(self, step: int) -> Tensor:
        hands = RandomHandSource(FIRST_SEED + step, *self.chains).draw(BATCH)
        seen = self.seen["training"]
        index = torch.randint(len(seen.joints), (BATCH,), generator=self.random)
        values = {
            "random": self.objective(self.learner, hands)["total"],
            "synthetic": self.objective(self.learner, chosen_hands(seen, index))["total"],
            "photos": self._photo_loss(),
        }
        return sum(WEIGHTS[name] * value for name, value in values.items())

    def _photo_loss(self) -> Tensor:
        """How far lifted hands are seen from the landmarks of photos, which are all that is known of them."""
        index = torch.randint(len(self.photos.rays), (PHOTO_BATCH,), generator=self.random)
        view = view_hands(chosen(self.photos, index))
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
