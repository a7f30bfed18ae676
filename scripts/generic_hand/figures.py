"""Figures of the hand model: poses from several sides, and what each shape coefficient does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import HandModel, ManoLayer, sample_poses
from s2hand.hand.mano import ROOT_AXIS_ANGLE
from s2hand.hand.pose_sampling import INDEX, LITTLE, MIDDLE, RING, THUMB
from s2hand.visualize.views import render_view

TILE = 256
CAMERA_DISTANCE = 1.5
FIELD = 0.23
"""Metres that a tile shows at the hand's distance."""

JPEG_QUALITY = 88

SHAPE_NAMES = (
    "0 size",
    "1 long fingers, short palm",
    "2 palm width",
    "3 stoutness",
    "4 thumb length",
    "5 little finger",
    "6 index against ring",
    "7 long ends, short first bones",
    "8 thumb thickness",
    "9 taper",
)

# Turns from the hand's own frame (fingers -x, back +y, thumb +z) to a camera's (x right, y down, z forward).
BACK_VIEW = np.array([[0.0, 0, -1], [1, 0, 0], [0, -1, 0]])
PALM_VIEW = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
THUMB_VIEW = np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])


def _turned(view: np.ndarray, axis_angle_deg: tuple[float, float, float]) -> np.ndarray:
    return axis_angle_to_matrix(torch.tensor(axis_angle_deg).double().deg2rad()).numpy() @ view


VIEWS = {
    "back": BACK_VIEW,
    "palm": PALM_VIEW,
    "thumb side": THUMB_VIEW,
    "three quarters": _turned(PALM_VIEW, (0.0, -45.0, 0.0)),
    "from the fingers": _turned(BACK_VIEW, (60.0, 0.0, 0.0)),
}


def make_pose(bend_deg: dict[int, tuple], spread_deg: dict[int, float], thumb_deg: tuple) -> np.ndarray:
    """(45,) axis-angles from the fingers' bends (three joints each) and spread, and the thumb's angles."""
    degrees = np.zeros((5, 3, 3))
    for finger, bends in bend_deg.items():
        degrees[finger, :, 2] = bends
    for finger, spread in spread_deg.items():
        degrees[finger, 0, 1] = spread
    degrees[THUMB] = thumb_deg
    return np.deg2rad(degrees).reshape(45)


FIST = make_pose(
    {f: (82, 97, 62) for f in (INDEX, MIDDLE, LITTLE, RING)},
    {INDEX: -2, LITTLE: 10, RING: 4},
    ((32, -22, -12), (0, 0, 15), (0, 0, 55)),
)
SPREAD = make_pose(
    {f: (-8, 0, 0) for f in (INDEX, MIDDLE, LITTLE, RING)},
    {INDEX: 10, MIDDLE: 1, LITTLE: -10, RING: -8},
    ((0, 22, 0), (0, 0, -12), (0, 0, -15)),
)
POINTING = make_pose(
    {INDEX: (5, 5, 3), MIDDLE: (78, 95, 60), LITTLE: (80, 95, 60), RING: (80, 97, 60)},
    {LITTLE: 10, RING: 4},
    ((30, -20, -6), (0, 0, 12), (0, 0, 45)),
)
PINCH = make_pose(
    {INDEX: (48, 45, 25), MIDDLE: (25, 22, 12), LITTLE: (14, 14, 8), RING: (18, 18, 10)},
    {},
    ((54, -4, 2), (0, 0, 12), (0, 0, 25)),
)
POSES = {
    "rest": np.zeros(45),
    "mean pose": None,
    "spread": SPREAD,
    "fist": FIST,
    "pointing": POINTING,
    "pinch": PINCH,
}


def write_figures(model: HandModel, folder: Path) -> list[Path]:
    """Renders the figures of docs/hand_model.md.

    Returns:
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    studio = Studio(model)
    sheets = {
        "hand_poses.jpg": studio.pose_sheet(),
        "hand_shapes.jpg": studio.shape_sheet(),
        "hand_pose_basis.jpg": studio.basis_sheet(),
        "hand_samples.jpg": studio.sample_sheet(),
    }
    for name, sheet in sheets.items():
        cv2.imwrite(str(folder / name), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return [folder / name for name in sheets]


class Studio:
    """Poses the model and renders it on tiles."""

    def __init__(self, model: HandModel):
        self.model = model
        self.layer = ManoLayer(model, num_pca=45)

    def tile(self, pose: np.ndarray | None, view: np.ndarray, label: str, betas=None) -> np.ndarray:
        """(TILE, TILE, 3) uint8 RGB of the hand in its own frame; ``pose`` None is the mean pose."""
        offset = 0 if pose is None else pose - self.model.hands_mean
        # The basis is orthonormal, so its transpose gives the coefficients.
        coefficients = torch.as_tensor(self.model.hands_components @ (offset + np.zeros(45)))
        betas = np.zeros(10) if betas is None else betas
        # Undoes the layer's constant root rotation.
        rotation = -torch.tensor([ROOT_AXIS_ANGLE])
        vertices = self.layer(
            coefficients[None].float(), torch.tensor(betas)[None].float(), rotation
        ).vertices[0]
        vertices = vertices @ torch.from_numpy(view.T).float()
        vertices = vertices - (vertices.amin(0) + vertices.amax(0)) / 2
        focal = TILE * CAMERA_DISTANCE / FIELD
        K = torch.tensor([[focal, 0, TILE / 2], [0, focal, TILE / 2], [0, 0, 1]])
        seen = render_view(vertices + torch.tensor([0, 0, CAMERA_DISTANCE]), self.layer.faces, K, TILE)
        image = (seen.clay() * 255).round().astype(np.uint8)
        return cv2.putText(image, label, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (64, 64, 64), 1, cv2.LINE_AA)

    def pose_sheet(self) -> np.ndarray:
        """A row for each pose, a column for each view."""
        return _grid(
            [[self.tile(p, v, f"{name}, {side}") for side, v in VIEWS.items()] for name, p in POSES.items()]
        )

    def shape_sheet(self) -> np.ndarray:
        """For each coefficient -2, 0 and +2 standard deviations, two coefficients a row."""
        rows = []
        for left in range(0, 10, 2):
            rows.append([])
            for mode in (left, left + 1):
                for value in (-2, 0, 2):
                    label = f"{SHAPE_NAMES[mode]}: {value:+d}" if value else SHAPE_NAMES[mode]
                    rows[-1].append(self.tile(np.zeros(45), BACK_VIEW, label, value * np.eye(10)[mode]))
        return _grid(rows)

    def basis_sheet(self) -> np.ndarray:
        """The first directions of the pose basis, at -1 and +1 radian."""
        rows = []
        for value in (-1, 1):
            poses = [self.model.hands_mean + value * self.model.hands_components[k] for k in range(6)]
            rows.append(
                [self.tile(p, VIEWS["three quarters"], f"pose {k}: {value:+d}") for k, p in enumerate(poses)]
            )
        return _grid(rows)

    def sample_sheet(self) -> np.ndarray:
        """Random poses and shapes."""
        rng = np.random.default_rng(1)
        poses, shapes = sample_poses(rng, 24), rng.normal(0, 1, (24, 10))
        tiles = [
            self.tile(pose, VIEWS["three quarters" if i % 2 else "palm"], "", betas)
            for i, (pose, betas) in enumerate(zip(poses, shapes, strict=True))
        ]
        return _grid([tiles[i : i + 6] for i in range(0, 24, 6)])


def _grid(rows: list[list[np.ndarray]]) -> np.ndarray:
    return np.concatenate([np.concatenate(row, 1) for row in rows], 0)
