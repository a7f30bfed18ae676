"""Measures on random hands what ``RefinementErrors`` expects, and what refinement does to the joints' error.

    python scripts/measure_refinement_errors.py [--weights FILE] [--keypoint 0.05 ...]

No photo is needed: the residuals of the true hands are printed as standard deviations (of the middle of their
distribution where the loss is robust), then the errors of lifted and of refined hands.
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from s2hand.fitting.landmark_refine import LandmarkRefiner
from s2hand.fitting.landmark_residuals import LandmarkResiduals, RefinementErrors
from s2hand.geometry.procrustes import similarity_align
from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.posed_hand import PosedHand
from s2hand.models.hand_view import view_hands
from s2hand.models.landmark_definition import mediapipe_chain, mediapipe_world_chain
from s2hand.models.landmark_lift import LandmarkLifter, LiftNet
from s2hand.models.random_hands import RandomHands, RandomHandSource

SEED, HANDS = 77, 300
"""The seed is that of no step of the lift's training."""


def spread(values: Tensor) -> float:
    """Standard deviation about 0, as the median of absolute values tells it."""
    return values.abs().median().item() / 0.6745


def true_residuals(
    hands: RandomHands, lifted: PosedHand, chain: JointChain, errors: RefinementErrors
) -> dict[str, float]:
    """Spread of what the landmarks say about what the true hands and the landmarks' mean definition give."""
    view = view_hands(hands.landmarks)
    joints, points = chain.joints_and_points(hands.angles, hands.betas, hands.rotation)
    points = points + (hands.joints - joints)[:, :1]
    points = torch.einsum("bij,bnj->bni", view.rotation, points)
    found = view.confidence > 0
    keypoint = (points[..., :2] / points[..., 2:] - view.rays) / view.size[:, None, None]
    middle = points.mean(1, keepdim=True)
    depth = (points[..., 2] / middle[..., 2] - 1) / view.size[:, None] * errors.depth_gain - view.depths
    world = (points - middle) * errors.world_scale - view.world
    whitening = LandmarkResiduals(chain).whitening
    return {
        "keypoint": spread(keypoint[found]),
        "depth": spread(depth[found & view.has_depths[:, None]]),
        "world_m": spread(world[found & view.has_world[:, None]]),
        # The anchor pulls by plain squares, so gross errors count.
        "anchor": ((lifted.angles - hands.angles).flatten(1) @ whitening.T).square().mean().sqrt().item(),
    }


def joint_errors(hand: PosedHand, hands: RandomHands, plain: JointChain) -> str:
    """PA-MPJPE and MPJPE in mm."""
    joints = plain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]
    joints, truth = joints.numpy(), hands.joints.numpy()
    aligned = similarity_align(joints, truth)
    values = (1000 * np.linalg.norm(found - truth, axis=-1).mean() for found in (aligned, joints))
    return "PA-MPJPE {:.2f} mm, MPJPE {:.1f} mm".format(*values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", type=Path, help="of the lift; default: the bundled ones")
    names = [field.name for field in fields(RefinementErrors)]
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    model = load_hand_model("generic")
    lifter = LandmarkLifter.bundled()
    if args.weights is not None:
        net = LiftNet()
        net.load_state_dict({name: value.float() for name, value in load_file(args.weights).items()})
        lifter = LandmarkLifter(net, model).eval()
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    errors = replace(RefinementErrors(), **given)
    chain = mediapipe_chain(model)
    hands = RandomHandSource(SEED, chain, mediapipe_world_chain(model)).draw(HANDS)
    lifted = lifter(hands.landmarks)
    residuals = true_residuals(hands, lifted, chain, errors)
    print("residuals of the true hands:", {name: round(value, 3) for name, value in residuals.items()})
    print("lifted: ", joint_errors(lifted, hands, JointChain(model)))
    refined = LandmarkRefiner(chain, errors)(hands.landmarks, lifted).hand
    print("refined:", joint_errors(refined, hands, JointChain(model)))


if __name__ == "__main__":
    main()
