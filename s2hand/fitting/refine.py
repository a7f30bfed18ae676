"""Refinement at test time: fits every hand of a batch to keypoints, the 2D branch's or a detector's.

The fit starts from the network's answer. Pose, shape, rotation, scale and translation then follow the
keypoints and the priors that the network was trained with. This differs from the published code, which makes
a new Adam in every step and so never averages gradients: here one Adam serves the whole fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from s2hand.config.sections import DEFAULT_REFINE_STEPS
from s2hand.errors import S2HandError
from s2hand.losses.keypoints import JOINT_IMPORTANCE
from s2hand.losses.objective import Objective
from s2hand.structures import HandBatch, HandParameters, HandPrediction
from s2hand.training.schedule import cosine_factor

REFINEMENT_LOSSES = ("open_2dj", "open_bone_direc", "tsa_poses", "mscale", "mshape", "triangle")
"""The losses of the fit by their names in configs. The first two pull towards the keypoints; the others
are the priors."""

DEFAULT_STEPS = DEFAULT_REFINE_STEPS
MAX_STEPS = 100_000
"""Minutes for a single hand, and far beyond convergence."""

STEP_SIZES = {"hand_pose": 0.03, "betas": 0.03, "rotation": 0.01, "scale": 0.005, "translation": 0.003}
"""Adam's first step for each quantity, in its own unit (basis coefficients, radians, a factor, metres); a
half cosine takes it to 0. Chosen on synthetic hands: a trained network's errors are a few steps large."""


class HandRefiner:
    """Fits hands to keypoints.

    Samples do not influence each other: every loss is a mean over them, multiplied by their number, and Adam
    works element by element. A hand is refined to the same result in any batch, up to rounding.

    Args:
        place_hand: (parameters, K) -> the hand's fields of HandPrediction, as ``HandNet.place_hand``.
        objective: the ``REFINEMENT_LOSSES``, for the images' size.
        steps: number of steps of Adam.
    """

    def __init__(
        self,
        place_hand: Callable[[HandParameters, Tensor], dict],
        objective: Objective,
        steps: int = DEFAULT_STEPS,
    ) -> None:
        if steps < 1:
            raise ValueError(f"steps must be positive, got {steps}")
        self.place_hand, self.objective, self.steps = place_hand, objective, steps

    def __call__(self, prediction: HandPrediction, batch: HandBatch) -> HandPrediction:
        """Refines a batch to the keypoints of the 2D branch.

        Args:
            prediction: with ``parameters`` and ``heatmap_keypoints``.
            batch: the samples; its annotations are not read.

        Returns:
            The prediction with the hand's fields replaced; textures and light stay, a render is dropped.

        Raises:
            S2HandError: the prediction lacks one of these, or a hand became NaN or infinite.
        """
        if prediction.parameters is None or prediction.heatmap_keypoints is None:
            raise S2HandError(
                "refinement needs the hand and heatmaps: put joints and heatmaps in test_requires"
            )
        with torch.inference_mode(False):
            target = as_detections(prediction.heatmap_keypoints, batch)
        return self.fit(prediction, target)

    def fit(self, prediction: HandPrediction, target: HandBatch) -> HandPrediction:
        """Refines a batch to given keypoints.

        Args:
            prediction: with ``parameters``.
            target: K, and ``keypoints_2d`` with ``confidence`` to follow. Only the proportions between a
                sample's confidences count; a sample without any above 0 stays as it is.

        Returns:
            As :meth:`__call__`.

        Raises:
            S2HandError: a hand became NaN or infinite.
        """
        followed = (target.confidence > 0).any(-1)
        if not followed.any():
            return prediction
        # Evaluation runs without gradients, and its values may be inference tensors, which cannot be leaves.
        with torch.inference_mode(False), torch.enable_grad():
            whole = {
                name: getattr(prediction.parameters, name).detach().float().clone() for name in STEP_SIZES
            }
            free = {name: value[followed].requires_grad_() for name, value in whole.items()}
            self._fit(free, _samples_to_follow(target, followed))
            for name, value in free.items():
                whole[name][followed] = value.detach()
            hand = self.place_hand(HandParameters(**whole), target.K.float().clone())
        bad = followed & ~torch.isfinite(hand["vertices"]).flatten(1).all(1)
        if bad.any():
            samples = target.index[bad].tolist()
            raise S2HandError(
                f"refinement of samples {samples} gave NaN or infinity: the network's answer for them is "
                "not finite; check the checkpoint, or set test_refinement to false"
            )
        return replace(prediction, **hand, render=None)

    def _fit(self, free: dict[str, Tensor], target: HandBatch) -> None:
        """Moves the leaves ``free``, in place."""
        groups = [{"params": [value], "lr": STEP_SIZES[name]} for name, value in free.items()]
        optimizer = torch.optim.Adam(groups)
        for step in range(self.steps):
            for group, first in zip(optimizer.param_groups, STEP_SIZES.values(), strict=True):
                group["lr"] = first * cosine_factor(step, self.steps)
            hand = HandPrediction(**self.place_hand(HandParameters(**free), target.K))
            total = self.objective(hand, target)["total"] * len(target.K)
            # Only these leaves: weights that place_hand may read must not gather gradients.
            gradients = torch.autograd.grad(total, list(free.values()))
            for value, gradient in zip(free.values(), gradients, strict=True):
                value.grad = gradient
            optimizer.step()


def _samples_to_follow(target: HandBatch, chosen: Tensor) -> HandBatch:
    """The chosen samples, (B,) bool, as the losses read them: fresh tensors, and an equal pull on each."""
    return HandBatch(
        image=target.image[chosen],
        K=target.K[chosen].float(),
        index=target.index[chosen],
        keypoints_2d=target.keypoints_2d[chosen].float(),
        confidence=equal_pull(target.confidence[chosen].float()),
    )


def equal_pull(confidence: Tensor) -> Tensor:
    """Scales each sample's confidences so that its keypoints pull as if all were certain.

    The keypoint losses are means over a batch, weighted with squared confidences. Without this, samples with
    surer keypoints would outweigh the others, and the same sample would be refined differently in another
    batch.

    Args:
        confidence: (B, 21), some of each row above 0.

    Returns:
        (B, 21); ones stay ones.
    """
    importance = confidence.new_tensor(JOINT_IMPORTANCE)
    squared = (importance * confidence).square().sum(-1, keepdim=True)
    tiny = torch.finfo(confidence.dtype).tiny
    return confidence * (importance.square().sum() / squared.clamp(min=tiny)).sqrt()


def as_detections(heatmap_keypoints: Tensor, batch: HandBatch) -> HandBatch:
    """The batch with the 2D branch's last stage in place of the detector's keypoints, every joint certain.

    Args:
        heatmap_keypoints: (stages, B, 21, 2) px.
        batch: the samples.

    Returns:
        A batch of fresh tensors without labels.
    """
    keypoints = heatmap_keypoints[-1].detach().float().clone()
    return HandBatch(
        image=batch.image,
        K=batch.K,
        index=batch.index,
        keypoints_2d=keypoints,
        confidence=torch.ones_like(keypoints[..., 0]),
    )


def follow_best_keypoints(
    refiner: HandRefiner, prediction: HandPrediction, batch: HandBatch
) -> tuple[HandPrediction, tuple[bool, ...]]:
    """Fits each hand to its detected keypoints, or else to the 2D branch's.

    Args:
        refiner: fits.
        prediction: the network's answer, perhaps with ``heatmap_keypoints``.
        batch: the samples; hands without detections have confidences of 0.

    Returns:
        The prediction, and whether each hand was refined: one without any keypoints was not.
    """
    detected = (batch.confidence > 0).any(-1)
    if prediction.heatmap_keypoints is not None:
        branch = as_detections(prediction.heatmap_keypoints, batch)
        batch = replace(
            batch,
            keypoints_2d=torch.where(detected[:, None, None], batch.keypoints_2d, branch.keypoints_2d),
            confidence=torch.where(detected[:, None], batch.confidence, branch.confidence),
        )
    refined = tuple((batch.confidence > 0).any(-1).tolist())
    return refiner.fit(prediction, batch), refined
