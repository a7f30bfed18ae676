"""Where MediaPipe's landmarks lie beside the joints of the hand model.

Millimetres in the frame of the bone that ends in the landmark (``joint_chain.BONE_FRAMES``; x from the
fingertips to the wrist, y out of the back of the hand), FreiHAND order. Fitted, with pose and shape of each
hand, to the landmarks that the published MediaPipe solution finds in 750 photos: the mean of what is left.
``scripts/fit_landmark_definition.py`` prints these constants and says which photos it takes.
"""

from __future__ import annotations

import numpy as np

from s2hand.hand.assets import HandModel
from s2hand.hand.joint_chain import JointChain

IMAGE_OFFSETS_MM = (
    (-6.8, -5.5, 0.3),  # wrist
    (4.7, -3.7, -7.3),  # thumb
    (-0.4, 3.1, 4.5),
    (2.0, 0.6, 1.9),
    (-2.7, -0.8, -0.8),
    (0.6, 1.2, -2.9),  # index
    (-2.6, -1.6, -0.6),
    (-1.8, -1.5, -1.5),
    (1.0, -0.1, 0.1),
    (3.8, -0.3, -1.0),  # middle
    (-3.0, -2.1, -0.7),
    (-2.4, -1.2, -1.2),
    (1.8, -0.7, 1.4),
    (2.4, 1.9, 0.1),  # ring
    (-3.9, -2.1, -1.2),
    (-1.9, -1.5, 1.7),
    (2.1, 0.3, 0.6),
    (0.9, 4.2, 1.1),  # little
    (-2.8, -2.4, -1.6),
    (-1.4, -2.0, 0.8),
    (2.6, 0.0, 2.1),
)
"""Of the landmarks in the image."""

WORLD_OFFSETS_MM = (
    (-5.5, -10.7, -2.5),  # wrist
    (4.9, -6.7, -8.7),  # thumb
    (6.9, 2.6, 0.7),
    (7.0, 4.1, -0.8),
    (-3.1, 5.4, -9.3),
    (-3.0, -5.8, -2.3),  # index
    (-0.8, -4.9, 0.5),
    (1.5, 0.5, 1.1),
    (-2.1, -2.3, 1.6),
    (0.2, -3.7, -1.5),  # middle
    (-3.8, -0.4, -0.6),
    (-1.7, 2.9, -0.4),
    (-0.7, -0.9, 2.6),
    (-2.7, -1.9, -1.4),  # ring
    (-2.5, -2.6, -1.6),
    (-0.7, -1.0, 1.3),
    (-0.9, -2.5, 1.1),
    (1.8, 0.1, -0.1),  # little
    (3.1, -0.1, -1.7),
    (1.0, 0.1, 0.1),
    (2.2, -1.9, 1.9),
)
"""Of the world landmarks, which come from a hand of other proportions."""


def mediapipe_chain(model: HandModel, fingertips: str = "freihand") -> JointChain:
    """The points of a hand model that MediaPipe's landmarks in the image mean."""
    return JointChain(model, fingertips, np.array(IMAGE_OFFSETS_MM) / 1000)


def mediapipe_world_chain(model: HandModel, fingertips: str = "freihand") -> JointChain:
    """The points of a hand model that MediaPipe's world landmarks mean."""
    return JointChain(model, fingertips, np.array(WORLD_OFFSETS_MM) / 1000)
