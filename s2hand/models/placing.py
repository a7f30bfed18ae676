"""From hand parameters to a hand before a camera."""

import torch
from torch import Tensor

from s2hand.geometry.cameras import project_points
from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import ManoLayer
from s2hand.hand.joint_chain import JointChain
from s2hand.structures import HandParameters


def place_hand(
    layer: ManoLayer, parameters: HandParameters, K: Tensor, landmark_chain: JointChain | None = None
) -> dict:
    """Poses hands and puts them before cameras: p = translation + |scale| x.

    Args:
        layer: the hand model.
        parameters: of B hands.
        K: (B, 3, 3) pixels.
        landmark_chain: the points of the hand that a detector means; None: its joints.

    Returns:
        The hand's fields of :class:`~s2hand.structures.HandPrediction`, float32.
    """
    with torch.autocast(K.device.type, enabled=False):
        hand = layer(parameters.hand_pose.float(), parameters.betas.float(), parameters.rotation.float())
        scale = parameters.scale.float().abs()[:, None, None]
        translation = parameters.translation.float()[:, None]
        joints = translation + scale * hand.joints
        landmarks_2d = None
        if landmark_chain is not None:
            turn = axis_angle_to_matrix(parameters.rotation.float())
            points = landmark_chain(hand.pose_axis_angle[:, 1:], parameters.betas.float(), turn)
            landmarks_2d = project_points(translation + scale * points, K.float())
        return {
            "parameters": parameters,
            "pose_axis_angle": hand.pose_axis_angle,
            "vertices": translation + scale * hand.vertices,
            "joints": joints,
            "keypoints_2d": project_points(joints, K.float()),
            "landmarks_2d": landmarks_2d,
        }
