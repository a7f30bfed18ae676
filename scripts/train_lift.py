"""Trains the lifting network on random hands: no photo, no label, one CPU core, a quarter of an hour.

    python scripts/train_lift.py --out s2hand/models/weights/lift.safetensors

A run that was stopped goes on from its state file, which lies beside the weights until the run is done.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from s2hand.errors import S2HandError
from s2hand.geometry.procrustes import similarity_align
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_view import view_hands
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.landmark_lift import LandmarkLifter, LiftNet, view_features
from s2hand.models.random_hands import RandomHands, RandomHandSource

BATCH, LEARNING_RATE, WEIGHT_DECAY, WARM_UP, MAX_GRADIENT = 512, 1.5e-3, 1e-4, 200, 1.0
DEFAULT_STEPS = 8000

EMA_DECAY = 0.998
"""The weights that are kept are an average over about 500 steps."""

SAVE_EVERY, REPORT_EVERY = 500, 250

FIRST_STEP_SEED, SEEDS_OF_A_RUN = 1_000_000, 1_000_003
EVALUATION_SEED, EVALUATION_HANDS = 10_000, 4096
"""The evaluation's seed lies below those of all steps."""

JOINT_UNIT_M = 0.01
"""Metres: an error of a centimetre costs 1."""

MATRIX_GAIN = 5.0
"""Brings errors of rotation matrices to the order of those of joints."""

TRAINED_ON = (
    "projected random hands of the generic hand model, no photo; offsets and errors of landmarks are those "
    "of MediaPipe's in half of American Sign Language Letters (David Lee), Sign Language Digits Dataset and "
    "HandsDataset (SubhiH); how poses are sampled was chosen earlier, by fits to photos of both halves and "
    "of rps-cv-images (docs/lifting.md)"
)
"""What the card beside the weights says."""

WEIGHTS = {"joints": 1.0, "posed": 1.0, "angles": 0.5, "rotation": 1.0, "betas": 0.02}


class LiftLoss(torch.nn.Module):
    """How far a lifted hand is from the true one, in the view; robust, as one view leaves folds open."""

    def __init__(self, chain: JointChain):
        super().__init__()
        self.chain = chain

    def forward(self, net: LiftNet, hands: RandomHands, mean_pose: Tensor) -> Tensor:
        """The weighted sum, (), for the net's answer to a batch; ``mean_pose`` (45,) is added to it."""
        view = view_hands(hands.landmarks)
        angles, betas, rotation = net(view_features(view))
        angles = (angles + mean_pose).unflatten(-1, (-1, 3))
        local = axis_angle_to_matrix(angles)
        true_rotation = view.rotation @ hands.rotation
        # In the hand's own frame first: there an error of the rotation cannot hide one of the pose.
        own = self.chain(angles, betas, torch.eye(3).expand_as(rotation))
        true_own = centred(hands.joints) @ hands.rotation
        placed = centred(own) @ rotation.transpose(1, 2)
        true_placed = centred(hands.joints) @ view.rotation.transpose(1, 2)
        terms = {
            "joints": distance(placed, true_placed),
            "posed": distance(centred(own), true_own),
            "angles": (local - axis_angle_to_matrix(hands.angles)).abs().mean() * MATRIX_GAIN,
            "rotation": (rotation - true_rotation).abs().mean() * MATRIX_GAIN,
            "betas": (betas - hands.betas).square().mean(),
        }
        return sum(WEIGHTS[name] * value for name, value in terms.items())


def centred(points: Tensor) -> Tensor:
    """Points (B, N, 3) less their mean."""
    return points - points.mean(1, keepdim=True)


def distance(points: Tensor, truth: Tensor) -> Tensor:
    """Mean distance in units of ``JOINT_UNIT_M``, smooth at 0."""
    return ((points - truth).square().sum(-1) / JOINT_UNIT_M**2 + 0.01).sqrt().mean()


@torch.no_grad()
def evaluate(lifter: LandmarkLifter, hands: RandomHands, chain: JointChain) -> dict[str, float]:
    """PA-MPJPE in mm of all hands, of those with everything and of those with 2D alone; fingertips too."""
    found = lifter(hands.landmarks)
    joints = chain(found.angles, found.betas, found.rotation).numpy()
    truth = hands.joints.numpy()
    error = np.linalg.norm(similarity_align(joints, truth) - truth, axis=-1) * 1000
    depths = torch.isfinite(hands.landmarks.depths).all(1).numpy()
    world = torch.isfinite(hands.landmarks.world).flatten(1).all(1).numpy()
    return {
        "pa_mpjpe": float(error.mean()),
        "with_all": float(error[depths & world].mean()),
        "with_2d": float(error[~depths & ~world].mean()),
        "tips": float(error[depths & world, 4::4].mean()),
    }


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine to 0."""
    return LEARNING_RATE * min(1, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


class LiftTraining:
    """A run: the network, the average of its weights, the optimiser, and where they are kept."""

    def __init__(self, seed: int, steps: int, state_file: Path):
        self.seed, self.steps, self.state_file, self.step = seed, steps, state_file, 0
        torch.manual_seed(seed)
        model = load_hand_model("generic")
        self.chains = mediapipe_chain(model), mediapipe_world_chain(model)
        self.plain_chain = JointChain(model)
        self.net, average = LiftNet(), LiftNet()
        average.load_state_dict(self.net.state_dict())
        self.lifter = LandmarkLifter(average, model)
        self.loss = LiftLoss(self.plain_chain)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        self.evaluation = RandomHandSource(EVALUATION_SEED, *self.chains).draw(EVALUATION_HANDS)

    def run(self) -> None:
        """Takes the steps that are left; resumes where the state file says."""
        self._resume()
        started = time.monotonic()
        while self.step < self.steps:
            loss = self._take_step()
            self.step += 1
            if self.step % REPORT_EVERY == 0:
                scores = " ".join(f"{name} {value:.2f}" for name, value in self.scores().items())
                passed = time.monotonic() - started
                print(f"step {self.step} loss {loss:.3f} {scores} {passed:.0f} s", flush=True)
            if self.step % SAVE_EVERY == 0:
                self._save()

    def scores(self) -> dict[str, float]:
        """Errors of the averaged weights, see :func:`evaluate`."""
        return evaluate(self.lifter, self.evaluation, self.plain_chain)

    def _take_step(self) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps)
        # A seed for every step: a resumed run sees what an uninterrupted one would.
        seed = FIRST_STEP_SEED + self.seed * SEEDS_OF_A_RUN + self.step
        hands = RandomHandSource(seed, *self.chains).draw(BATCH)
        loss = self.loss(self.net, hands, self.lifter.mean_pose)
        if not torch.isfinite(loss):
            raise S2HandError(f"the loss is {loss.item()} in step {self.step}: lower the learning rate")
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), MAX_GRADIENT)
        self.optimizer.step()
        decay = min(EMA_DECAY, (self.step + 1) / (self.step + 10))
        averaged, weights = list(self.lifter.net.parameters()), list(self.net.parameters())
        with torch.no_grad():
            torch._foreach_lerp_(averaged, weights, 1 - decay)
        return loss.item()

    def _save(self) -> None:
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        content = {name: part.state_dict() for name, part in self._parts().items()}
        torch.save({"step": self.step, **content}, self.state_file)

    def _resume(self) -> None:
        if self.state_file.exists():
            state = torch.load(self.state_file, weights_only=True)
            self.step = state["step"]
            for name, part in self._parts().items():
                part.load_state_dict(state[name])

    def _parts(self) -> dict:
        return {"net": self.net, "average": self.lifter.net, "optimizer": self.optimizer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the weights, a .safetensors file")
    parser.add_argument("--steps", type=int, default=DEFAULT_STEPS, help=f"default: {DEFAULT_STEPS}")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    args = parser.parse_args()
    torch.set_num_threads(1)
    training = LiftTraining(args.seed, args.steps, args.out.with_suffix(".state.pt"))
    training.run()
    write(args.out, training.lifter.net, training.scores(), args.seed, args.steps, BATCH, TRAINED_ON)
    training.state_file.unlink(missing_ok=True)


def write(
    path: Path, net: LiftNet, scores: dict[str, float], seed: int, steps: int, batch: int, trained_on: str
) -> None:
    """Writes the weights in half precision and a card beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in net.state_dict().items()}, path)
    card = {
        "what": "lifts a hand's landmarks to the pose of a hand model",
        "trained_on": trained_on,
        "seed": seed,
        "steps": steps,
        "batch": batch,
        "pa_mpjpe_mm": {name: round(value, 2) for name, value in scores.items()},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "licence": "MIT",
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
