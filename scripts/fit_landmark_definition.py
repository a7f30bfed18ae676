"""Fits where MediaPipe's landmarks lie beside the joints, and measures their errors, in one half of photos.

    python scripts/fit_landmark_definition.py PHOTOS_FOLDER

``s2hand.benchmark.photo_split`` says what the folder holds and which half is used. This prints the constants
of ``landmark_definition``, and statistics of fits to photos and to random hands, by which the errors in
``random_hands`` were set.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from photo_landmarks import read_landmarks
from torch import Tensor

from s2hand.benchmark.photo_split import FOLDERS, in_fit_half, without_copies
from s2hand.fitting.landmark_refine import LandmarkRefiner
from s2hand.fitting.landmark_residuals import RefinementErrors
from s2hand.geometry.rotation_logarithm import matrix_to_axis_angle
from s2hand.hand import load_hand_model
from s2hand.hand.assets import HandModel
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.pose_sampling import THUMB
from s2hand.hand.posed_hand import PosedHand
from s2hand.hand.wide_poses import WIDE_RANGES_DEG, sample_wide_poses
from s2hand.models.hand_view import HandLandmarks, HandView, view_hands
from s2hand.models.landmark_lift import solve_translation
from s2hand.models.random_hands import RandomHandSource

HANDS_PER_FOLDER, SEED = 250, 0

PALM = (0, 1, 2, 5, 9, 13, 17)
ROUNDS, CHUNK = 6, 125

FREE = 1e3
"""Expected error of a residual that shall not count."""

FIT_ERRORS = RefinementErrors(
    keypoint=0.06, depth=0.5, world_m=0.025, anchor=FREE, prior=2.0, depth_gain=0.55, world_scale=1.12
)
IMAGE_ERRORS = replace(FIT_ERRORS, world_m=FREE)
WORLD_ERRORS = replace(FIT_ERRORS, keypoint=3.0, depth=FREE, world_m=0.008)
"""Errors of fits to everything, to the image and its depths alone, and to the world landmarks alone."""

OFFSET_UNIT_M, OFFSET_COST = 0.012, 0.02
"""An offset of the first, in metres, costs as much as the second in squared residuals of each hand."""


def fit_half(photos: Path) -> HandLandmarks:
    """Landmarks of ``HANDS_PER_FOLDER`` photos of each folder's fit half."""
    reference = json.loads((photos / "reference.json").read_text())
    rng, chosen = np.random.default_rng(SEED), []
    for folder in FOLDERS:
        names = [name for name, hands in reference.items() if name.startswith(folder + "/") and hands]
        names = without_copies([name for name in names if in_fit_half(name)])
        chosen += rng.permutation(names)[:HANDS_PER_FOLDER].tolist()
    return read_landmarks(photos, chosen)[0]


def start(landmarks: HandLandmarks, chain: JointChain) -> PosedHand:
    """Half-open hands that are turned as the world landmarks of the palm are."""
    count, palm = len(landmarks.rays), list(PALM)
    pose = torch.from_numpy(sample_wide_poses(SEED, 8192).mean(0)).float().view(1, 15, 3)
    angles, betas = pose.expand(count, 15, 3), torch.zeros(count, 10)
    points = chain(angles, betas, torch.eye(3).expand(count, 3, 3))
    seen, own = landmarks.world[:, palm], points[:, palm]
    seen, own = seen - seen.mean(1, keepdim=True), own - own.mean(1, keepdim=True)
    left, _, right = torch.linalg.svd(seen.transpose(1, 2) @ own)
    sign = torch.ones(count, 3)
    sign[:, 2] = torch.linalg.det(left @ right)
    rotation = left @ torch.diag_embed(sign) @ right
    points = (rotation[:, None] @ points[..., None]).squeeze(-1)
    return PosedHand(angles, betas, rotation, solve_translation(points, landmarks.rays, landmarks.confidence))


def fit(landmarks: HandLandmarks, begin: PosedHand, chain: JointChain, errors: RefinementErrors) -> PosedHand:
    """Hands refined from where they begin, in chunks."""
    refiner = LandmarkRefiner(chain, errors)
    parts = []
    for number in torch.arange(len(begin.betas)).split(CHUNK):
        part = HandLandmarks(*(value[number] for value in vars(landmarks).values()))
        parts.append(vars(refiner(part, begin.select(number)).hand).values())
    return PosedHand(*(torch.cat(values) for values in zip(*parts, strict=True)))


def placed(chain: JointChain, hand: PosedHand) -> tuple[Tensor, Tensor]:
    """Joints and points beside them, each (B, 21, 3) metres in the camera's frame."""
    shift = hand.translation[:, None]
    return tuple(part + shift for part in chain.joints_and_points(hand.angles, hand.betas, hand.rotation))


def bone_frames(model: HandModel, hand: PosedHand) -> Tensor:
    """(B, 21, 3, 3): columns are the axes of the frames that offsets are given in."""
    columns = []
    for axis in np.eye(3):
        joints, points = placed(JointChain(model, offsets=np.tile(axis, (21, 1))), hand)
        columns.append(points - joints)
    return torch.stack(columns, -1)


def image_offsets(chain: JointChain, frames: Tensor, hand: PosedHand, landmarks: HandLandmarks) -> np.ndarray:
    """(21, 3) metres: the offsets that bring the fitted hands' points nearest to the landmarks, robustly."""
    joints, points = placed(chain, hand)
    unit = (view_hands(landmarks).size * FIT_ERRORS.keypoint)[:, None, None]
    projected = points[..., :2] / points[..., 2:]
    derivative = torch.cat([torch.eye(2).expand(*projected.shape, 2), -projected[..., None]], -1)
    rows = derivative / points[..., 2:, None] / unit[..., None] @ frames
    wanted = (landmarks.rays - joints[..., :2] / joints[..., 2:]) / unit
    left = ((landmarks.rays - projected) / unit).square().sum(-1)
    weight = landmarks.confidence / (1 + left / FIT_ERRORS.tolerated**2)
    matrix = torch.einsum("bkij,bkil,bk->kjl", rows, rows, weight)
    matrix = matrix + torch.eye(3) * len(weight) * OFFSET_COST / OFFSET_UNIT_M**2
    return torch.linalg.solve(matrix, torch.einsum("bkij,bki,bk->kj", rows, wanted, weight)).numpy()


def world_definition(
    chain: JointChain, frames: Tensor, hand: PosedHand, world: Tensor
) -> tuple[np.ndarray, float]:
    """(21, 3) metres, the mean offsets of world landmarks, and how much larger their hands are."""
    joints, points = placed(chain, hand)
    middle = points.mean(1, keepdim=True)
    world = world - world.mean(1, keepdim=True)
    scale = (world * (points - middle)).sum() / (points - middle).square().sum()
    away = world / scale - (joints - middle)
    return torch.einsum("bkji,bkj->bki", frames, away).mean(0).numpy(), scale.item()


def fit_definition(
    model: HandModel, landmarks: HandLandmarks
) -> tuple[np.ndarray, np.ndarray, float, PosedHand]:
    """Offsets in the image and of world landmarks, in metres, the latter's scale, and the fitted hands."""
    offsets, scale = np.zeros((21, 3)), FIT_ERRORS.world_scale
    hand = start(landmarks, JointChain(model))
    for _ in range(ROUNDS):
        chain = JointChain(model, offsets=offsets)
        hand = fit(landmarks, hand, chain, replace(FIT_ERRORS, world_scale=scale))
        frames = bone_frames(model, hand)
        world_offsets, scale = world_definition(chain, frames, hand, landmarks.world)
        offsets = image_offsets(chain, frames, hand, landmarks)
    return offsets, world_offsets, scale, hand


def spread(values: Tensor) -> float:
    """Standard deviation about 0 by the median of absolute values, so that gross errors do not count."""
    return values.abs().median().item() / 0.6745


def statistics(
    landmarks: HandLandmarks, chain: JointChain, world_chain: JointChain, scale: float
) -> dict[str, float]:
    """What is left of landmarks, depths and world landmarks, and how image and world fits disagree."""
    begin = start(landmarks, chain)
    hand = fit(landmarks, begin, chain, replace(FIT_ERRORS, world_scale=scale))
    view = view_hands(landmarks)
    points = placed(chain, hand)[1]
    left = (landmarks.rays - points[..., :2] / points[..., 2:]) / view.size[:, None, None]
    own = points - points.mean(1, keepdim=True)
    world = landmarks.world - landmarks.world.mean(1, keepdim=True)
    sizes = (world * own).sum((1, 2)) / own.square().sum((1, 2))
    by_image = fit(landmarks, hand, chain, replace(IMAGE_ERRORS, world_scale=scale))
    by_world = fit(landmarks, hand, world_chain, replace(WORLD_ERRORS, world_scale=scale))
    turn = matrix_to_axis_angle(by_world.rotation @ by_image.rotation.transpose(1, 2))
    fingers = (by_world.angles - by_image.angles)[:, : 3 * THUMB]
    return {
        "keypoint": spread(left),
        "world_m": spread(world / scale - own),
        "world_scale_spread": spread((sizes / sizes.median()).log()),
        "turn_rad": spread(turn),
        **{f"{name}_rad": spread(fingers[..., k]) for k, name in enumerate(("twist", "spread", "bend"))},
        **depth_statistics(points, view),
    }


def depth_statistics(points: Tensor, view: HandView) -> dict[str, float]:
    """How much of the relative depth of fitted points the detector reports, and what is left."""
    true = torch.einsum("bj,bnj->bn", view.rotation[:, 2], points)
    true = (true / true.mean(1, keepdim=True) - 1) / view.size[:, None]
    gain = (true * view.depths).sum() / true.square().sum()
    return {"depth_gain": gain.item(), "depth": spread(view.depths - gain * true)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("photos", type=Path, help="the folder of photos with reference.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    model = load_hand_model("generic")
    landmarks = fit_half(args.photos)
    offsets, world_offsets, scale, hand = fit_definition(model, landmarks)
    for name, values in (("IMAGE_OFFSETS_MM", offsets), ("WORLD_OFFSETS_MM", world_offsets)):
        rows = (1000 * values.astype(float)).round(1).tolist()
        print(f"{name} = (", *(f"    {tuple(row)}," for row in rows), ")", sep="\n")
    print(f"world scale {scale:.3f}; {len(landmarks.rays)} hands", flush=True)
    chains = JointChain(model, offsets=offsets), JointChain(model, offsets=world_offsets)
    drawn = RandomHandSource(SEED, *chains).draw(2 * len(landmarks.rays)).landmarks
    whole = torch.isfinite(drawn.depths).all(1) & torch.isfinite(drawn.world).flatten(1).all(1)
    drawn = HandLandmarks(*(value[whole][: len(landmarks.rays)] for value in vars(drawn).values()))
    for name, part in (("photos", landmarks), ("random hands", drawn)):
        found = statistics(part, *chains, scale)
        print(name, {key: round(value, 4) for key, value in found.items()}, flush=True)
    degrees = torch.rad2deg(hand.angles)
    low, high = (degrees.quantile(share, 0).numpy() for share in (0.01, 0.99))
    beyond = np.maximum(WIDE_RANGES_DEG[..., 0] - low, high - WIDE_RANGES_DEG[..., 1]).round(1)
    print("degrees by which the 1st and 99th percentiles of angles leave WIDE_RANGES_DEG:", beyond.tolist())


if __name__ == "__main__":
    main()
