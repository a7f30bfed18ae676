"""What :class:`~s2hand.prediction.reconstructor.HandReconstructor` answers: hands before photos' cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from s2hand.export import ExportedHand
from s2hand.geometry.mirror import mirror_faces
from s2hand.structures import HandParameters, HandPrediction

STAGED_FIELDS = ("heatmap_keypoints",)
"""Fields whose first dimension counts stages, the second samples."""

SHARED_FIELDS = ("right_faces",)
"""Fields that are the same for all samples."""


@dataclass(frozen=True)
class Reconstruction(HandPrediction):
    """B hands as they are in their photos, left ones left, on the CPU.

    Vertices, joints, light, ``keypoints_2d`` and ``heatmap_keypoints`` are of the photo, in its pixels and
    its camera's frame. ``parameters`` and ``pose_axis_angle`` are the right-hand model's: a left hand is the
    mirror image (x to -x) of the right one that they describe.

    Attributes:
        K: (B, 3, 3) camera matrix in pixels of the photo.
        hands: "left" or "right" of each.
        image_sizes: (width, height) px of each photo.
        focal_sources: where each focal length comes from: given, EXIF, default, or detections file.
        looked_at: what each square was about: "box", "keypoints" or "whole picture".
        refined: whether each was fitted to keypoints.
        right_faces: (F, 3) vertex numbers of a right hand, counter-clockwise from outside.
    """

    K: Tensor | None = None
    hands: tuple[str, ...] = ()
    image_sizes: tuple[tuple[int, int], ...] = ()
    focal_sources: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()
    refined: tuple[bool, ...] = ()
    right_faces: Tensor | None = None

    def __len__(self) -> int:
        return len(self.hands)

    def __getitem__(self, chosen: slice) -> Reconstruction:
        """Some of the hands."""
        return _part(self, chosen)

    def faces(self, index: int) -> Tensor:
        """(F, 3) vertex numbers of one hand, counter-clockwise from outside: a left hand's turn round."""
        return mirror_faces(self.right_faces) if self.hands[index] == "left" else self.right_faces

    def exported(self, index: int, image: str) -> ExportedHand:
        """One hand as NumPy arrays, ready to be written.

        Args:
            index: which.
            image: the photo's name.
        """
        parameters = {name: _array(value[index]) for name, value in vars(self.parameters).items()}
        parameters["scale"] = np.abs(parameters["scale"])
        parameters["pose_axis_angle"] = _array(self.pose_axis_angle[index])
        textured = self.face_textures is not None
        return ExportedHand(
            image=image,
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
        )


def concatenated(parts: Sequence[Reconstruction]) -> Reconstruction:
    """The hands of several batches, one after the other."""
    return _merged(parts)


def joined_parameters(parts: Sequence[HandParameters]) -> HandParameters:
    """The parameters of several batches of hands, one after the other."""
    return _merged(parts)


def _merged(parts: Sequence) -> Reconstruction | HandParameters:
    """Joins structs of one kind field by field."""
    values = {}
    for field in fields(parts[0]):
        pieces = [getattr(part, field.name) for part in parts]
        if field.name in SHARED_FIELDS or pieces[0] is None:
            values[field.name] = pieces[0]
        elif isinstance(pieces[0], HandParameters):
            values[field.name] = _merged(pieces)
        elif isinstance(pieces[0], Tensor):
            values[field.name] = torch.cat(pieces, _sample_axis(field.name))
        else:
            values[field.name] = sum(pieces, ())
    return type(parts[0])(**values)


def _part(struct: Reconstruction | HandParameters, chosen: slice) -> Reconstruction | HandParameters:
    """Some samples of a struct."""
    values = {}
    for field in fields(struct):
        value = getattr(struct, field.name)
        if field.name in SHARED_FIELDS or value is None:
            values[field.name] = value
        elif isinstance(value, HandParameters):
            values[field.name] = _part(value, chosen)
        else:
            values[field.name] = value[:, chosen] if _sample_axis(field.name) else value[chosen]
    return type(struct)(**values)


def _sample_axis(name: str) -> int:
    return 1 if name in STAGED_FIELDS else 0


def _array(value: Tensor) -> np.ndarray:
    return value.double().numpy()
