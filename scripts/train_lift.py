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

from s2hand.geometry.procrustes import similarity_align
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_view import view_hands
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.landmark_lift import LandmarkLifter, LiftNet, view_features
from s2hand.models.random_hands import RandomHands, RandomHandSource

BATCH, LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 512, 1.5e-3, 1e-4, 200
EMA_DECAY = 0.998
SAVE_EVERY, REPORT_EVERY = 500, 250
EVALUATION_SEED, EVALUATION_HANDS = 10_000, 4096

JOINT_UNIT_M = 0.01
"""Metres: an error of a centimetre costs 1."""

WEIGHTS = {"joints": 1.0, "posed": 1.0, "angles": 0.5, "rotation": 1.0, "betas": 0.02}


class LiftLoss(torch.nn.Module):
    """How far a lifted hand is from the true one, in the view; robust, as one view leaves folds open."""

    def __init__(self, chain: JointChain):
        super().__init__()
        self.chain = chain

    def forward(self, net: LiftNet, hands: RandomHands, mean_pose: Tensor) -> Tensor:
        view = view_hands(hands.landmarks)
        angles, betas, rotation = net(view_features(view))
        angles = (angles + mean_pose).unflatten(-1, (-1, 3))
        true_rotation = view.rotation @ hands.rotation
        # In the hand's own frame first: there an error of the rotation cannot hide one of the pose.
        own = self.chain(angles, betas, torch.eye(3).expand_as(rotation))
        true_own = centred(hands.joints) @ hands.rotation
        placed = centred(own) @ rotation.transpose(1, 2)
        true_placed = centred(hands.joints) @ view.rotation.transpose(1, 2)
        terms = {
            "joints": distance(placed, true_placed),
            "posed": distance(centred(own), true_own),
            "angles": (axis_angle_to_matrix(angles) - axis_angle_to_matrix(hands.angles)).abs().mean() * 5,
            "rotation": (rotation - true_rotation).abs().mean() * 5,
            "betas": (betas - hands.betas).square().mean(),
        }
        return sum(WEIGHTS[name] * value for name, value in terms.items())


def centred(points: Tensor) -> Tensor:
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
    return min(1, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the weights, a .safetensors file")
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    model = load_hand_model("generic")
    chains = mediapipe_chain(model), mediapipe_world_chain(model)
    plain = JointChain(model)
    net, average = LiftNet(), LiftNet()
    average.load_state_dict(net.state_dict())
    lifter = LandmarkLifter(average, model)
    loss_of = LiftLoss(plain)
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    evaluation = RandomHandSource(EVALUATION_SEED, *chains).draw(EVALUATION_HANDS)
    state_file, first, started = args.out.with_suffix(".state.pt"), 0, time.monotonic()
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        first = state["step"]
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    for step in range(first, args.steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * learning_rate(step, args.steps)
        # A seed for every step: a resumed run sees what an uninterrupted one would.
        hands = RandomHandSource(args.seed * 1_000_003 + step + 1_000_000, *chains).draw(BATCH)
        loss = loss_of(net, hands, lifter.mean_pose)
        if not torch.isfinite(loss):
            raise SystemExit(f"the loss is {loss.item()} in step {step}: lower the learning rate")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        decay = min(EMA_DECAY, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)
        if (step + 1) % REPORT_EVERY == 0:
            scores = evaluate(lifter, evaluation, plain)
            text = " ".join(f"{name} {value:.2f}" for name, value in scores.items())
            print(f"step {step + 1} loss {loss.item():.3f} {text} {time.monotonic() - started:.0f} s", flush=True)
        if (step + 1) % SAVE_EVERY == 0:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            states = {"net": net.state_dict(), "average": average.state_dict()}
            torch.save({"step": step + 1, "optimizer": optimizer.state_dict(), **states}, state_file)
    write(args.out, average, evaluate(lifter, evaluation, plain), args.seed, args.steps)
    state_file.unlink(missing_ok=True)


def write(path: Path, net: LiftNet, scores: dict[str, float], seed: int, steps: int) -> None:
    """Writes the weights in half precision and a card beside them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in net.state_dict().items()}, path)
    card = {
        "what": "lifts a hand's landmarks to the pose of a hand model",
        "trained_on": "projected random hands of the generic hand model; no photo",
        "seed": seed,
        "steps": steps,
        "batch": BATCH,
        "pa_mpjpe_mm": {name: round(value, 2) for name, value in scores.items()},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


if __name__ == "__main__":
    main()
