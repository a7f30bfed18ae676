"""SynthHand's hands fitted to their detections: from what a network answered, and without any network."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from s2hand.datasets import HandDataset
from s2hand.experiment.experiment import Experiment
from s2hand.fitting.landmark_refine import LandmarkRefiner
from s2hand.geometry.cameras import project_points
from s2hand.hand.assets import NUM_BETAS
from s2hand.hand.joint_chain import JointChain
from s2hand.hand.mano import ManoLayer
from s2hand.hand.posed_hand import PosedHand
from s2hand.metrics import hand_metrics
from s2hand.models.hand_net import detections_for
from s2hand.models.hand_view import FEWEST_PLACED, HandLandmarks
from s2hand.progress_bar import ProgressBar
from s2hand.structures import HandBatch

NETWORK, MEAN_HAND = "refined", "fitting alone"
"""Where a fit starts: from the network's answer, and from the mean hand, put where it resembles them most."""


@dataclass(frozen=True)
class FittedHands:
    """Hands fitted to N detections.

    Attributes:
        joints: start -> (N, 21, 3) metres, camera frame.
        K: (N, 3, 3) px, the cameras.
    """

    joints: dict[str, np.ndarray]
    K: np.ndarray


@torch.no_grad()
def fitted_hands(experiment: Experiment, dataset: HandDataset) -> FittedHands:
    """Fits hands to the detections of a dataset.

    Args:
        experiment: its network answers the first start.
        dataset: with detections; hands with too few of them stay as they start.

    Returns:
        The hands in the dataset's order.
    """
    model = experiment.model.eval()
    joint_chain = JointChain(experiment.hand_model, experiment.network.fingertips).to(experiment.device)
    detected_chain = model.landmark_chain or joint_chain
    refiner = LandmarkRefiner(detected_chain).to(experiment.device)
    joints: dict[str, list[Tensor]] = {NETWORK: [], MEAN_HAND: []}
    cameras = []
    with closing(experiment.make_loader(dataset, experiment.config.val_batch, shuffle=False)) as loader:
        for loaded in ProgressBar(loader, desc="fitting", unit="batch"):
            batch: HandBatch = loaded.to(experiment.device)
            cameras.append(batch.K.cpu())
            answer = model(batch.image, batch.K, ("hand",), **detections_for(model, batch))
            landmarks = HandLandmarks.from_pixels(batch.keypoints_2d, batch.K, batch.confidence)
            fits = (landmarks.confidence > 0).sum(1) >= FEWEST_PLACED
            starts = {
                NETWORK: PosedHand.of_parameters(answer.parameters, model.mano_layer),
                MEAN_HAND: mean_hand_before(landmarks, detected_chain, model.mano_layer),
            }
            for name, hand in starts.items():
                found = joint_chain(hand.angles, hand.betas, hand.rotation) + hand.translation[:, None]
                if fits.any():
                    hand = refiner(landmarks.select(fits), hand.select(fits)).hand
                    fitted = joint_chain(hand.angles, hand.betas, hand.rotation)
                    found[fits] = fitted + hand.translation[:, None]
                joints[name].append(found.cpu())
    return FittedHands(
        joints={name: torch.cat(parts).double().numpy() for name, parts in joints.items()},
        K=torch.cat(cameras).double().numpy(),
    )


def mean_hand_before(landmarks: HandLandmarks, chain: JointChain, layer: ManoLayer) -> PosedHand:
    """The mean hand where its points resemble landmarks (B,) most; unturned where too few are known.

    Args:
        landmarks: as the detector saw them.
        chain: the points that they mean.
        layer: has the mean pose.
    """
    count, like = len(landmarks.rays), landmarks.rays
    angles = layer.pose_mean.unflatten(-1, (-1, 3)).to(like).expand(count, -1, -1).contiguous()
    betas, unturned = like.new_zeros(count, NUM_BETAS), torch.eye(3).to(like).expand(count, 3, 3)
    points = chain(angles, betas, unturned).double().cpu().numpy()
    rotations, translations = np.tile(np.eye(3), (count, 1, 1)), np.tile([0.0, 0.0, 0.6], (count, 1))
    rays, known = landmarks.rays.double().cpu().numpy(), (landmarks.confidence > 0).cpu().numpy()
    for row in np.flatnonzero(known.sum(1) >= FEWEST_PLACED):
        seen = known[row]
        told, turn, shift = cv2.solvePnP(
            points[row][seen], rays[row][seen], np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP
        )
        if told:
            rotations[row], translations[row] = cv2.Rodrigues(turn)[0], shift[:, 0]
    return PosedHand(
        angles, betas, torch.from_numpy(rotations).to(like), torch.from_numpy(translations).to(like)
    )


def joint_metrics(joints: np.ndarray, truth: np.ndarray, K: np.ndarray) -> dict[str, float]:
    """Scores of joints alone.

    Args:
        joints: (N, 21, 3) metres, camera frame.
        truth: likewise.
        K: (N, 3, 3) px.

    Returns:
        The metrics of :func:`s2hand.metrics.hand_metrics`, and ``keypoints_px``.
    """
    seen, true = (project_points(torch.from_numpy(points), torch.from_numpy(K)) for points in (joints, truth))
    pixels = float(torch.linalg.vector_norm(seen - true, dim=-1).mean())
    return hand_metrics(truth, joints, scale_joint=None) | {"keypoints_px": pixels}
