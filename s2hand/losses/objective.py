"""The training objective: the losses that were asked for, and their weighted sum."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace

import torch
from torch import Tensor, nn

from s2hand.config.loss_table import LOSSES
from s2hand.errors import S2HandError
from s2hand.hand.spheres import HandSpheres
from s2hand.losses.photometric import PHOTOMETRIC_PAIRS
from s2hand.losses.registry import LOSS_FUNCTIONS, PUBLISHED_IMAGE_SIZE, LossInputs
from s2hand.structures import HandBatch, HandPrediction


class Objective(nn.Module):
    """Computes the chosen losses in float32, and their weighted sum.

    Args:
        weights: loss name -> weight; only these losses are computed. Names are keys of ``LOSSES``.
        faces: (F, 3) vertex numbers of the hand's mesh.
        image_size: side of the images in px. Keypoints are scaled to a 224 px image before any pixel
            distance is taken, so thresholds and weights mean the same at every size.
        photometric_background: "masked" compares images inside the silhouette only; "published" keeps the
            rendering's background, see :mod:`s2hand.losses.photometric`.
        average_total: averages a scalar over the processes of a distributed run. With it, averaging losses
            and gradients over equal shares of a batch gives those of the whole batch; without it, a
            confidence-weighted mean is a mean of the processes' own means.
        spheres: the flesh of the hand; ``penetration`` alone reads them.

    Raises:
        S2HandError: no or unknown losses, weights that are not finite, an unknown background, no spheres for
            ``penetration``.
    """

    faces: Tensor

    def __init__(
        self,
        weights: Mapping[str, float],
        faces: Tensor,
        image_size: int = PUBLISHED_IMAGE_SIZE,
        photometric_background: str = "masked",
        average_total: Callable[[Tensor], Tensor] | None = None,
        spheres: HandSpheres | None = None,
    ):
        super().__init__()
        check_loss_names(weights)
        if not weights:
            raise S2HandError(f"no losses to train with; choose among {', '.join(LOSSES)}")
        for name, weight in weights.items():
            if not math.isfinite(weight):
                raise S2HandError(f"the weight of loss '{name}' is {weight}; expected a finite number")
        if photometric_background not in PHOTOMETRIC_PAIRS:
            known = ", ".join(PHOTOMETRIC_PAIRS)
            raise S2HandError(
                f"photometric_background is '{photometric_background}'; expected one of {known}"
            )
        if image_size <= 0:
            raise S2HandError(f"image_size is {image_size}; expected the images' side in pixels")
        if "penetration" in weights and spheres is None:
            raise S2HandError("loss 'penetration' needs the hand's spheres; give HandSpheres(hand_model)")
        self.weights = {name: float(weight) for name, weight in weights.items()}
        self.px_scale = PUBLISHED_IMAGE_SIZE / image_size
        self.photometric_pair = PHOTOMETRIC_PAIRS[photometric_background]
        self.average_total = average_total
        self.spheres = spheres
        self.register_buffer("faces", torch.as_tensor(faces).long(), persistent=False)

    @property
    def required_parts(self) -> frozenset[str]:
        """The parts of the network to compute, of "hand", "heatmaps", "texture" and "render"."""
        return frozenset().union(*(LOSSES[name].needs for name in self.weights))

    def forward(self, prediction: HandPrediction, batch: HandBatch) -> dict[str, Tensor]:
        """Computes the losses without waiting for the device.

        Args:
            prediction: at least ``required_parts``; half precision is widened to float32 first.
            batch: at least the ``fields`` that the losses read, see :data:`s2hand.config.loss_table.LOSSES`.

        Returns:
            Loss name -> unweighted scalar, and "total", the weighted sum.

        Raises:
            S2HandError: a field that a loss needs is None; the message names both.
        """
        self._check_inputs(prediction, batch)
        device_type = batch.image.device.type
        with torch.autocast(device_type, enabled=False):
            inputs = LossInputs(
                widen(prediction),
                widen(batch),
                faces=self.faces,
                px_scale=self.px_scale,
                photometric_pair=self.photometric_pair,
                average_total=self.average_total,
                spheres=self.spheres,
            )
            values = {name: LOSS_FUNCTIONS[name](inputs) for name in self.weights}
            total = sum(weight * values[name] for name, weight in self.weights.items())
            values["total"] = torch.as_tensor(total)
        return values

    def _check_inputs(self, prediction: HandPrediction, batch: HandBatch) -> None:
        for name in self.weights:
            spec = LOSSES[name]
            for field in spec.fields:
                if getattr(batch, field) is None:
                    raise S2HandError(
                        f"loss '{name}' needs '{field}' in the batch, and the data has none; "
                        f"give the dataset {_REMEDIES.get(field, field)} or leave the loss out"
                    )
            for field in spec.reads:
                if getattr(prediction, field) is None:
                    raise S2HandError(
                        f"loss '{name}' needs '{field}' in the prediction; ask the network for "
                        f"{', '.join(sorted(spec.needs))}"
                    )


_REMEDIES = {
    "fitted_joints": "fitted hands (HandDataset.take_fits)",
    "fitted_weight": "fitted hands (HandDataset.take_fits)",
    "found_mask": "silhouettes (HandDataset.find_silhouettes)",
    "found_mask_weight": "silhouettes (HandDataset.find_silhouettes)",
    "keypoints_2d": "a file of detected keypoints",
    "confidence": "a file of detected keypoints",
    "photometric_weight": "a file of detected keypoints (the weight comes from their confidences)",
    "mask": "hand masks",
    "world_joints": "detections with 3D landmarks, as `s2hand detect` writes them",
    "world_confidence": "detections with 3D landmarks, as `s2hand detect` writes them",
    "gt_joints": "its 3D labels",
    "gt_keypoints_2d": "its 3D labels and camera matrices",
    "gt_scale": "its scales",
}


def check_loss_names(names: Iterable[str]) -> None:
    """Refuses unknown losses.

    Raises:
        S2HandError: names the unknown loss and the nearest known ones.
    """
    for name in names:
        if name not in LOSSES:
            nearest = difflib.get_close_matches(name, LOSSES, n=3, cutoff=0.4) or list(LOSSES)
            raise S2HandError(f"unknown loss '{name}'; did you mean {' or '.join(nearest)}?")


def widen(struct):
    """A copy of a dataclass of tensors in which float16 and bfloat16 tensors are float32, at every depth.

    Args:
        struct: HandPrediction, HandBatch, or a struct inside them.

    Returns:
        The same type; tensors of other types are shared, not copied.
    """
    widened = {}
    for field in fields(struct):
        value = getattr(struct, field.name)
        if isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16):
            widened[field.name] = value.float()
        elif is_dataclass(value):
            widened[field.name] = widen(value)
    return replace(struct, **widened)


def find_non_finite(values: Mapping[str, Tensor]) -> list[str]:
    """Names of the values that are NaN or infinite. Waits for the device once.

    Args:
        values: name -> scalar, as from :meth:`Objective.forward`.

    Returns:
        Names in the order given, without "total" if another one explains it.
    """
    if not values:
        return []
    finite = torch.stack([value.detach().isfinite().all() for value in values.values()]).tolist()
    bad = [name for name, ok in zip(values, finite, strict=True) if not ok]
    causes = [name for name in bad if name != "total"]
    return causes or bad
