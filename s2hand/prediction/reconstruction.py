"""What :class:`~s2hand.prediction.reconstructor.HandReconstructor` answers: hands before photos' cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar, overload

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from s2hand.export import Hand, HandSize
from s2hand.geometry.cameras import project_points
from s2hand.geometry.mirror import mirror_faces, mirror_points
from s2hand.hand.assets import NUM_BETAS, NUM_POSE, HandModel
from s2hand.hand.length import LengthPrior
from s2hand.images.square_view import SquareView
from s2hand.losses.likelihood import confidence_of_error, hand_size_px
from s2hand.prediction.hand_views import HandView
from s2hand.skeleton import NUM_JOINTS
from s2hand.structures import HandParameters, HandPrediction, TensorStruct

STAGED_FIELDS = ("heatmap_keypoints",)
"""Fields whose first dimension counts stages, and whose second counts samples."""

SHARED_FIELDS = ("right_faces", "painted", "size_prior")
"""Fields that are the same for all samples."""

LIGHT_SIZE, LIGHT_DIRECTION = 11, slice(8, 11)
"""Numbers of a light vector, and the direction's place in it, see :mod:`s2hand.rendering.lighting`."""

Struct = TypeVar("Struct", bound=TensorStruct)


@dataclass(frozen=True, repr=False)
class Reconstruction(HandPrediction):
    """B hands as they are in their photos, left ones left, on the CPU; also a sequence of :class:`Hand`.

    Vertices, joints, light, ``keypoints_2d``, ``joint_error_px`` and ``heatmap_keypoints`` belong to the
    photo: they are in its pixels and its camera's frame. ``parameters`` and ``pose_axis_angle`` are the
    right-hand model's: a left hand is the mirror image (x to -x) of the right one that they describe.

    Attributes:
        K: (B, 3, 3) camera matrix in pixels of the photo.
        names: the photo's name for each hand, empty for arrays and tensors.
        hands: "left" or "right" for each hand.
        image_sizes: (width, height) px of each photo.
        focal_sources: where each focal length comes from: given, EXIF, default, or detections file.
        looked_at: what each square was about: "box", "keypoints" or "whole picture".
        refined: whether each was fitted to keypoints.
        right_faces: (F, 3) vertex numbers of a right hand, counter-clockwise from outside.
        image_numbers: number of the image that shows each hand, where many were given.
        tracks: number of each hand in its video, None where hands are not followed.
        confidence: (B, 21) of the detected keypoints, 0 where there are none.
        detected_keypoints: (B, 21, 2) px of the photo; 0 where there are none.
        painted: whether textures were taken from the photos.
        joint_confidence: (B, 21) the probability that each projected joint lies within a tenth of the hand's
            size of where it is seen; None if the network states none.
        lengths_mm: (B,) millimetres from the wrist to the tip of the middle finger.
        size_prior: what is expected of lengths where none was given; None: all have the length given.
    """

    K: Tensor | None = None
    names: tuple[str, ...] = ()
    hands: tuple[str, ...] = ()
    image_sizes: tuple[tuple[int, int], ...] = ()
    focal_sources: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()
    refined: tuple[bool, ...] = ()
    right_faces: Tensor | None = None
    image_numbers: tuple[int, ...] = ()
    tracks: tuple[int | None, ...] = ()
    confidence: Tensor | None = None
    detected_keypoints: Tensor | None = None
    painted: bool = False
    joint_confidence: Tensor | None = None
    lengths_mm: Tensor | None = None
    size_prior: LengthPrior | None = None

    def __len__(self) -> int:
        return len(self.hands)

    def __repr__(self) -> str:
        noun = "hand" if len(self) == 1 else "hands"
        sides = ", ".join(f"{self.hands.count(side)} {side}" for side in ("left", "right"))
        return f"<Reconstruction: {len(self)} {noun} ({sides})>"

    def __iter__(self) -> Iterator[Hand]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, chosen: int) -> Hand: ...
    @overload
    def __getitem__(self, chosen: slice) -> Reconstruction: ...

    def __getitem__(self, chosen):
        """One hand as NumPy arrays, or some of the hands."""
        if isinstance(chosen, slice):
            return _with_samples(
                [self], lambda pieces, axis: pieces[0][:, chosen] if axis else pieces[0][chosen]
            )
        index = range(len(self))[chosen]  # refuses what is out of range, and counts from the end
        parameters = {name: _array(value[index]) for name, value in vars(self.parameters).items()}
        parameters["scale"] = np.abs(parameters["scale"])
        parameters["pose_axis_angle"] = _array(self.pose_axis_angle[index])
        textured = self.face_textures is not None
        return Hand(
            image=self.names[index],
            image_size=self.image_sizes[index],
            hand=self.hands[index],
            K=_array(self.K[index]),
            focal_source=self.focal_sources[index],
            looked_at=self.looked_at[index],
            vertices=_array(self.vertices[index]),
            joints=_array(self.joints[index]),
            keypoints_2d=_array(self.keypoints_2d[index]),
            faces=self.faces(index).numpy(),
            parameters=parameters,
            # The renderer's colours: textures pass through tanh before they are lit.
            face_colors=_array(self.face_textures[index].tanh()) if textured else None,
            light=_array(self.light[index]) if textured else None,
            refined=self.refined[index],
            confidence=None if self.joint_confidence is None else _array(self.joint_confidence[index]),
            size=None if self.lengths_mm is None else self._size(index),
        )

    def _size(self, index: int) -> HandSize:
        length_mm = float(self.lengths_mm[index])
        if self.size_prior is None:
            return HandSize("hand_length", length_mm)
        return HandSize("prior", length_mm, asdict(self.size_prior))

    def faces(self, index: int) -> Tensor:
        """(F, 3) vertex numbers of one hand, counter-clockwise from outside, for left hands too."""
        return mirror_faces(self.right_faces) if self.hands[index] == "left" else self.right_faces


def no_hands(model: HandModel, textured: bool) -> Reconstruction:
    """What is answered where no hand was found: B = 0.

    Args:
        model: the hand.
        textured: whether hands would have a texture and light.
    """
    faces = torch.from_numpy(model.faces)
    shapes = {"hand_pose": (0, NUM_POSE), "betas": (0, NUM_BETAS), "rotation": (0, 3), "translation": (0, 3)}
    return Reconstruction(
        vertices=torch.zeros(0, len(model.v_template), 3),
        joints=torch.zeros(0, NUM_JOINTS, 3),
        keypoints_2d=torch.zeros(0, NUM_JOINTS, 2),
        parameters=HandParameters(
            **{name: torch.zeros(shape) for name, shape in shapes.items()}, scale=torch.zeros(0)
        ),
        pose_axis_angle=torch.zeros(0, len(model.parents), 3),
        face_textures=torch.zeros(0, len(faces), 3) if textured else None,
        light=torch.zeros(0, LIGHT_SIZE) if textured else None,
        K=torch.zeros(0, 3, 3),
        right_faces=faces,
        confidence=torch.zeros(0, NUM_JOINTS),
        detected_keypoints=torch.zeros(0, NUM_JOINTS, 2),
        lengths_mm=torch.zeros(0),
    )


def turned_back(parameters: HandParameters, squares: Sequence[SquareView]) -> HandParameters:
    """The same hands in the frames of their (mirrored) photos' cameras.

    With p = t + s R x before the virtual camera, and Q from the photo's frame to its own,
    Q^T p = Q^T t + s (Q^T R) x.

    Args:
        parameters: B right hands before the cameras of their views, on the CPU.
        squares: the views of the hands.
    """
    back = Rotation.from_matrix(np.stack([square.rotation.T for square in squares]))
    rotation = (back * Rotation.from_rotvec(parameters.rotation.double().numpy())).as_rotvec()
    translation = back.apply(parameters.translation.double().numpy())
    return replace(
        parameters,
        rotation=torch.from_numpy(rotation).to(parameters.rotation),
        translation=torch.from_numpy(translation).to(parameters.translation),
    )


def in_photos(
    answer: HandPrediction,
    placed: HandPrediction,
    views: Sequence[HandView],
    right_faces: Tensor,
    refined: tuple[bool, ...],
) -> Reconstruction:
    """Brings an answer about views to the photos: mirrors left hands back, and maps pixels and light.

    Args:
        answer: for B views, on the CPU; its parameters are the ones that :func:`turned_back` gave.
        placed: the right hands of these parameters before the (mirrored) photos' cameras.
        views: the hands.
        right_faces: (F, 3) vertex numbers of a right hand.
        refined: whether each hand was fitted to keypoints.
    """
    K = torch.from_numpy(np.stack([view.K for view in views])).float()
    left = torch.tensor([view.square.mirrored for view in views])[:, None, None]
    vertices, joints = (
        torch.where(left, mirror_points(points), points) for points in (placed.vertices, placed.joints)
    )
    squares = [view.square for view in views]
    keypoints = project_points(joints, K)
    error_px = confidence = None
    if answer.joint_error_px is not None:
        confidence = confidence_of_error(answer.joint_error_px, answer.keypoints_2d)
        # A photo shows the hand larger or smaller than its view, and the errors with it.
        error_px = answer.joint_error_px * hand_size_px(keypoints) / hand_size_px(answer.keypoints_2d)
    return Reconstruction(
        vertices=vertices,
        joints=joints,
        keypoints_2d=keypoints,
        parameters=answer.parameters,
        pose_axis_angle=placed.pose_axis_angle,
        face_textures=answer.face_textures,
        light=None if answer.light is None else _light_in_photos(answer.light, squares),
        heatmap_keypoints=_keypoints_in_photos(answer.heatmap_keypoints, squares),
        joint_error_px=error_px,
        joint_confidence=confidence,
        K=K,
        names=tuple(view.name for view in views),
        hands=tuple(view.hand for view in views),
        image_sizes=tuple(view.size for view in views),
        focal_sources=tuple(view.focal_source for view in views),
        looked_at=tuple(view.looked_at for view in views),
        refined=refined,
        right_faces=right_faces,
        tracks=tuple(view.track for view in views),
        confidence=_stacked([view.confidence for view in views], NUM_JOINTS),
        detected_keypoints=_stacked([view.keypoints for view in views], (NUM_JOINTS, 2)),
    )


def _stacked(rows: Sequence[np.ndarray | None], shape: int | tuple[int, ...]) -> Tensor:
    """Arrays of one shape one above the other, zeros for None."""
    return torch.from_numpy(np.stack([np.zeros(shape) if row is None else row for row in rows])).float()


def _light_in_photos(light: Tensor, squares: Sequence[SquareView]) -> Tensor:
    """Lights (B, 11) with directions in the photos' frames; those of left hands are mirrored back."""
    light = light.clone()
    for row, square in enumerate(squares):
        back = torch.from_numpy(square.rotation.T.astype(np.float32))
        direction = back @ light[row, LIGHT_DIRECTION]
        light[row, LIGHT_DIRECTION] = mirror_points(direction) if square.mirrored else direction
    return light


def _keypoints_in_photos(keypoints: Tensor | None, squares: Sequence[SquareView]) -> Tensor | None:
    """Keypoints (stages, B, 21, 2) in pixels of the photos."""
    if keypoints is None:
        return None
    of_hands = zip(keypoints.double().numpy().swapaxes(0, 1), squares, strict=True)
    return torch.from_numpy(
        np.stack([square.source_pixels(points) for points, square in of_hands], 1)
    ).float()


def concatenated(parts: Sequence[Struct]) -> Struct:
    """Joins the hands of several structs of one kind, one after the other."""
    return _with_samples(
        parts,
        lambda pieces, axis: torch.cat(pieces, axis) if isinstance(pieces[0], Tensor) else sum(pieces, ()),
    )


def _with_samples(parts: Sequence[Struct], choose: Callable[[list, int], Any]) -> Struct:
    """A struct with other samples: ``choose`` makes each field from the parts', given the axis of samples."""
    values = {}
    for field in fields(parts[0]):
        pieces = [getattr(part, field.name) for part in parts]
        if field.name in SHARED_FIELDS or pieces[0] is None:
            values[field.name] = pieces[0]
        elif isinstance(pieces[0], TensorStruct):
            values[field.name] = _with_samples(pieces, choose)
        else:
            values[field.name] = choose(pieces, 1 if field.name in STAGED_FIELDS else 0)
    return type(parts[0])(**values)


def _array(value: Tensor) -> np.ndarray:
    return value.double().numpy()
