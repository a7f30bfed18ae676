"""What can be measured of a hand in a photo without knowing the hand: one function, one number or a few."""

from __future__ import annotations

import numpy as np
import torch

from s2hand.fitting.photo_window import photo_window
from s2hand.hand.spheres import HandSpheres
from s2hand.hand.wide_poses import WIDE_RANGES_DEG
from s2hand.losses.anatomy import bend_limit_loss
from s2hand.losses.penetration import penetration_loss
from s2hand.losses.tone import WHOLLY_COVERED, robust_mean_colour
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.rendering import MeshRenderer
from s2hand.skeleton import NUM_JOINTS

FOLDS = 3
"""Parts of a hand's landmarks of which each is left out once."""

RASTER_PX = 192
"""Side of the square about the landmarks in which hands are drawn."""

FINGER_ROWS = slice(1, 16)
"""The finger joints in axis-angles (B, 16, 3), whose first row is the root."""


def folds(random: np.random.Generator) -> list[np.ndarray]:
    """Parts of the numbers of the 21 joints, drawn at random, that have no joint in common."""
    return np.array_split(random.permutation(NUM_JOINTS), FOLDS)


def drawn_hand(
    hands: Reconstruction,
    index: int,
    photo: np.ndarray,
    landmarks: np.ndarray,
    silhouette: np.ndarray | None,
) -> dict[str, float]:
    """Compares a drawn hand with its photo inside of the landmarks' box.

    What is found goes on beyond the wrist, where the hand model ends, so the box has no margin.

    Args:
        hands: some hands; those without texture have no colours.
        index: number of the hand among them.
        photo: (H, W, 3) uint8 RGB.
        landmarks: (21, 2) px.
        silhouette: (H, W) uint8, 255 inside; None where unknown.

    Returns:
        ``iou``: overlap of drawn and found silhouette, over their union. ``tone``: mean absolute difference
        of the channels of both hands' mean colours, in [0, 1], the photo's a robust mean as in the loss
        ``tone``. ``colour``: the same of single pixels, mean. Colours are those of pixels that the drawn hand
        covers wholly. What is not known is left out.
    """
    window, seen = photo_window(photo, landmarks, RASTER_PX, 0.0)
    textured = hands.face_textures is not None
    textures = hands.face_textures[index] if textured else torch.zeros(len(hands.faces(index)), 3)
    renderer = MeshRenderer(hands.faces(index), RASTER_PX, fill_back=False)
    drawn = renderer(
        hands.vertices[index][None],
        torch.from_numpy(window).float()[None] @ hands.K[index],
        textures[None],
        hands.light[index][None] if textured else None,
    )
    scores = {}
    if silhouette is not None:
        points = landmarks @ window[:2, :2].T + window[:2, 2]
        middles = np.arange(RASTER_PX) + 0.5
        columns, rows = ((middles >= values.min()) & (middles <= values.max()) for values in points.T)
        # As a grey photo, it comes through the same window.
        found = photo_window(np.repeat(silhouette[..., None], 3, 2), landmarks, RASTER_PX, 0.0)[1]
        inside = rows[:, None] & columns & np.isfinite(found[..., 0])
        both = np.stack([drawn.silhouette[0].numpy() > 0.5, found[..., 0] > 0.5])[:, inside]
        scores["iou"] = float(both.all(0).sum() / max(both.any(0).sum(), 1))
    covered = (drawn.silhouette[0] >= WHOLLY_COVERED).numpy() & np.isfinite(seen).all(-1)
    if textured and covered.any():
        shown, pixels = drawn.rgb[0].permute(1, 2, 0).numpy()[covered], seen[covered]
        mean = robust_mean_colour(torch.from_numpy(pixels.T)[None], torch.ones(1, len(pixels)).double())
        scores["tone"] = float(np.abs(shown.mean(0) - mean[0].numpy()).mean())
        scores["colour"] = float(np.abs(shown - pixels).mean())
    return scores


def plausibility(hands: Reconstruction, index: int, spheres: HandSpheres) -> dict[str, float]:
    """Whether a hand could be one.

    Args:
        hands: some hands.
        index: number of the hand among them.
        spheres: stand for its flesh.

    Returns:
        ``beyond_limits``: share of the 45 angles of finger joints outside of
        :data:`~s2hand.hand.wide_poses.WIDE_RANGES_DEG`, which photos of hands fill. ``spread_deg``: how far
        finger bases spread beyond what their bend allows, degrees, mean of four fingers (the loss
        ``bend_limits``). ``penetration_mm``: depths, added up, to which fingers enter each other or the palm
        (the loss ``penetration``).
    """
    pose = hands.pose_axis_angle[index][None]
    degrees = torch.rad2deg(pose[0, FINGER_ROWS]).numpy()
    low, high = np.moveaxis(WIDE_RANGES_DEG, -1, 0)
    return {
        "beyond_limits": float(((degrees < low) | (degrees > high)).mean()),
        "spread_deg": float(torch.rad2deg(bend_limit_loss(pose))),
        "penetration_mm": 1000 * float(penetration_loss(hands.joints[index][None], spheres)),
    }
