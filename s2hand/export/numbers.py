"""A hand's numbers as JSON and .npz, with units, frames and where they come from."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.export.hand import CAMERA_FRAME, GLTF_FRAME, Hand
from s2hand.files import write_text_whole, written_whole

FORMAT = "s2hand-hand-1"

UNITS = {
    "vertices": "metres",
    "joints": "metres",
    "translation": "metres",
    "rotation": "radians, axis times angle",
    "pose_axis_angle": "radians, axis times angle",
    "hand_pose": "coefficients of the pose basis",
    "betas": "coefficients of the shape basis",
    "scale": "factor",
    "length_mm": "millimetres from the wrist to the tip of the middle finger",
    "keypoints_2d": "pixels of the upright photo; pixel i covers [i, i + 1)",
    "K": "pixels of the upright photo",
    "face_colors": "albedo, sRGB in [0, 1]",
    "confidence": "probability that a keypoint is right to a tenth of the hand's size",
}

FRAMES = {
    "vertices, joints, translation, light": CAMERA_FRAME,
    ".obj, .ply": CAMERA_FRAME,
    ".glb": GLTF_FRAME,
    ".bvh": GLTF_FRAME,
}

ORDERS = {
    "joints, keypoints_2d": "FreiHAND: wrist, then thumb, index, middle, ring, little from base to tip",
    "pose_axis_angle": "MANO: wrist, then index, middle, little, ring, thumb from base to tip",
}

MODEL_NOTE = (
    "parameters are of the right-hand model: translation + scale * model(hand_pose, betas, rotation) is a "
    "right hand; for a left one change the sign of x of the result. For layers such as smplx and manopth "
    "with flat_hand_mean (no mean pose is added): global_orient is R(rotation) R(row 0 of pose_axis_angle) "
    "and hand_pose is rows 1 to 15. rotation turns about the origin of the model, those layers turn about "
    "the wrist joint J of the shaped template, so the right hand is translation + scale * (layer(betas, "
    "global_orient, hand_pose) + R(rotation) J - J)"
)

ABOUT = {"units": UNITS, "frames": FRAMES, "orders": ORDERS, "model": MODEL_NOTE}

DECIMALS = 7
"""Decimals in the JSON: a tenth of a micrometre; float32 holds no more."""


def hand_as_dict(hand: Hand) -> dict[str, Any]:
    """The hand as plain JSON values: arrays become lists."""
    values = {
        "image": hand.image,
        "width": hand.image_size[0],
        "height": hand.image_size[1],
        "hand": hand.hand,
        "refined": hand.refined,
        "focal_source": hand.focal_source,
        "looked_at": hand.looked_at,
        "size": None if hand.size is None else asdict(hand.size),
        "K": hand.K,
        "keypoints_2d": hand.keypoints_2d,
        "joints": hand.joints,
        "parameters": hand.parameters,
        "light": hand.light,
        "vertices": hand.vertices,
    }
    if hand.confidence is not None:
        values["confidence"] = hand.confidence
    return _plain(values)


def write_hand_json(path: str | Path, hand: Hand, versions: dict[str, str]) -> Path:
    """Writes one hand's numbers as JSON.

    Args:
        path: the file.
        hand: what to write.
        versions: what made the prediction: name -> version or hash.
    """
    content = {"format": FORMAT, **hand_as_dict(hand), **ABOUT, "versions": versions}
    path = Path(path)
    write_text_whole(path, json.dumps(content) + "\n")
    return path


def write_hand_npz(path: str | Path, hand: Hand, versions: dict[str, str]) -> Path:
    """Writes the fields of a :class:`Hand` as arrays, its parameters beside the rest.

    Text is written as arrays of text; ``about`` holds units, frames and versions as JSON. Nothing is pickled.
    What the network did not predict is left out. Of the size there are its source and ``length_mm``, and
    ``about`` has the prior.

    Args:
        path: the file.
        hand: what to write.
        versions: what made the prediction: name -> version or hash.
    """
    arrays = {name: value for name, value in vars(hand).items() if value is not None}
    arrays |= arrays.pop("parameters")
    about = {"format": FORMAT, **ABOUT, "versions": versions}
    if (size := arrays.pop("size", None)) is not None:
        arrays |= {"size_source": size.source, "length_mm": size.length_mm}
        about["size_prior"] = size.prior
    arrays["about"] = json.dumps(about)
    path = Path(path)
    with written_whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **{name: np.asarray(value) for name, value in arrays.items()})
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, np.ndarray):
        return np.round(value.astype(np.float64), DECIMALS).tolist()
    return value
