"""Hands from anyone's pictures: a trained network behind one method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from s2hand import checkpoints
from s2hand.checkpoints import StoredNetwork
from s2hand.errors import S2HandError
from s2hand.geometry.cameras import project_points
from s2hand.geometry.mirror import mirror_points
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.prediction.asked_hands import AskedHands, Picture
from s2hand.prediction.hand_views import HandView, NetworkView, network_view
from s2hand.prediction.reconstruction import Reconstruction, concatenated
from s2hand.prediction.refine import DEFAULT_STEPS, REFINEMENT_LOSSES, HandRefiner
from s2hand.prediction.refining import refine_hands
from s2hand.prediction.turning import light_in_photos, turned_back
from s2hand.structures import HandBatch, HandParameters, HandPrediction

DEFAULT_BATCH = 16


class HandReconstructor:
    """Reconstructs hands from pictures with a trained network.

    Args:
        network: from :func:`s2hand.checkpoints.open`.
        batch_size: hands that go through the network at once.
        refine_steps: of the fit to keypoints, where one is asked for.
    """

    def __init__(
        self, network: StoredNetwork, batch_size: int = DEFAULT_BATCH, refine_steps: int = DEFAULT_STEPS
    ) -> None:
        for name, number in (("batch size", batch_size), ("refinement steps", refine_steps)):
            if number < 1:
                raise S2HandError(f"{name}: expected 1 or more, got {number}")
        self.network, self.batch_size = network, batch_size
        self.right_faces = torch.from_numpy(network.hand_model.faces)
        weights = {name: DEFAULT_WEIGHTS[name] for name in REFINEMENT_LOSSES}
        objective = Objective(weights, self.right_faces, image_size=network.image_size).to(network.device)
        self.refiner = HandRefiner(network.model.place_hand, objective, refine_steps)

    @classmethod
    def from_checkpoint(
        cls,
        path: str | Path,
        hand_model: str | Path | None = "generic",
        device: str = "auto",
        *,
        batch_size: int = DEFAULT_BATCH,
        refine_steps: int = DEFAULT_STEPS,
    ) -> HandReconstructor:
        """Rebuilds the network that a checkpoint was trained with.

        Args:
            path: a checkpoint (.pt) or a run's folder; or a published one (.t7, or converted .safetensors).
            hand_model: "generic" or the path of a MANO file; None: the one that it was trained with.
            device: auto, cpu, cuda or cuda:<index>.
            batch_size: hands that go through the network at once.
            refine_steps: of the fit to keypoints.

        Raises:
            S2HandError: a file is missing, damaged or does not fit; the network predicts no hand.
        """
        return cls(checkpoints.open(path, hand_model, device), batch_size, refine_steps)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on the checkpoint that are worth showing to the user."""
        return self.network.notes

    def predict(
        self,
        images: Picture | Sequence[Picture],
        K: np.ndarray | Tensor | None = None,
        hand: str | Sequence[str] = "right",
        *,
        boxes: np.ndarray | Tensor | None = None,
        keypoints: np.ndarray | Tensor | None = None,
        confidence: np.ndarray | Tensor | None = None,
        refine: bool = False,
    ) -> Reconstruction:
        """Reconstructs one hand in each picture.

        Args:
            images: a tensor (B, 3, H, W), RGB in [0, 1]; an array (B, H, W, 3) or several (H, W, 3), uint8
                RGB; or paths. One picture alone will do.
            K: (3, 3) or (B, 3, 3) camera matrices in pixels of the pictures. None: the focal length is the
                one in a file's EXIF, or the default; the answer's ``focal_sources`` tell.
            hand: "right" or "left", for all pictures or for each.
            boxes: (B, 4) px: left, top, width and height of the hands; NaN rows where there is none.
            keypoints: (B, 21, 2) px, detected. Without a box the network looks at the square about them,
                without either at the whole picture.
            confidence: (B, 21) of the keypoints, 0 where missed; None: all are certain.
            refine: fit the hands to the keypoints given, or else to the network's 2D branch.

        Returns:
            One hand a picture, in the order given, on the CPU.

        Raises:
            S2HandError: a picture cannot be read, numbers do not match, or there is nothing to refine with.
        """
        self.check_refinement(refine, detections=keypoints is not None)
        asked = AskedHands(images, K, hand, boxes, keypoints, confidence, self.network.squares)
        parts = []
        for start in range(0, len(asked), self.batch_size):
            indices = range(start, min(start + self.batch_size, len(asked)))
            parts.append(self.predict_views([asked.view(index) for index in indices], refine=refine))
        return concatenated(parts)

    @torch.no_grad()
    def predict_views(
        self,
        views: Sequence[HandView],
        *,
        refine: bool = False,
        adjust: Callable[[HandParameters], HandParameters] | None = None,
    ) -> Reconstruction:
        """Reconstructs hands, all at once.

        Args:
            views: the hands.
            refine: fit each to its keypoints, or else to the network's 2D branch; hands with neither stay as
                the network says.
            adjust: changes the parameters at last, as a filter over time does.
        """
        model, device = self.network.model, self.network.device
        seen = [network_view(view, self.network.image_size) for view in views]
        batch = HandBatch(
            image=torch.stack([_as_input(view.image) for view in seen]).to(device),
            K=torch.from_numpy(np.stack([one.view.K for one in seen])).float().to(device),
            index=torch.arange(len(seen), device=device),
        )
        prediction = model(batch.image, batch.K, self._parts(refine))
        refined = (False,) * len(seen)
        if refine:
            prediction, refined = refine_hands(self.refiner, prediction, batch, seen)
        parameters = turned_back(prediction.parameters.to("cpu"), [one.view for one in seen])
        if adjust is not None:
            parameters = adjust(parameters)
        return self._in_photos(replace(prediction.to("cpu"), parameters=parameters), views, seen, refined)

    def check_refinement(self, refine: bool, *, detections: bool) -> None:
        """Refuses a refinement that could not happen.

        Args:
            refine: whether it is asked for.
            detections: whether there are detected keypoints.

        Raises:
            S2HandError: there is nothing to refine with.
        """
        if refine and not detections and self.network.model.keypoint_net is None:
            raise S2HandError(
                f"nothing to refine with: the network of {self.network.path} has no 2D branch, and there are "
                "no detected keypoints; give detections, or leave refinement out"
            )

    def _parts(self, refine: bool) -> set[str]:
        """What to ask of the network: the 2D branch only where it is wanted, or runs anyway for the hand."""
        model, parts = self.network.model, {"hand"}
        if model.texture_light_head is not None:
            parts.add("texture")
        if model.keypoint_net is not None and (refine or model.hand_needs_keypoints):
            parts.add("heatmaps")
        return parts

    def _in_photos(
        self,
        prediction: HandPrediction,
        views: Sequence[HandView],
        seen: Sequence[NetworkView],
        refined: tuple[bool, ...],
    ) -> Reconstruction:
        """The answer, whose parameters are turned back, with left hands mirrored and in photos' pixels."""
        K = torch.from_numpy(np.stack([view.K for view in views])).float()
        device = self.network.device
        placed = self.network.model.place_hand(prediction.parameters.to(device), K.to(device))
        right = HandPrediction(**placed).to("cpu")
        if not right.vertices.isfinite().all():
            raise S2HandError(
                f"{self.network.path}: the network's answer is not finite; its training went astray, so name "
                "an earlier checkpoint"
            )
        left = torch.tensor([one.view.mirrored for one in seen])[:, None, None]
        vertices, joints = (
            torch.where(left, mirror_points(points), points) for points in (right.vertices, right.joints)
        )
        light, heatmap_keypoints = prediction.light, prediction.heatmap_keypoints
        if light is not None:
            light = light_in_photos(light, [one.view for one in seen])
        if heatmap_keypoints is not None:
            columns = zip(heatmap_keypoints.double().numpy().swapaxes(0, 1), seen, strict=True)
            in_photos = [one.view.picture_pixels(points) for points, one in columns]
            heatmap_keypoints = torch.from_numpy(np.stack(in_photos, 1)).float()
        return Reconstruction(
            vertices=vertices,
            joints=joints,
            keypoints_2d=project_points(joints, K),
            parameters=prediction.parameters,
            pose_axis_angle=right.pose_axis_angle,
            face_textures=prediction.face_textures,
            light=light,
            heatmap_keypoints=heatmap_keypoints,
            K=K,
            hands=tuple(view.hand for view in views),
            image_sizes=tuple(view.size for view in views),
            focal_sources=tuple(view.focal_source for view in views),
            looked_at=tuple(view.looked_at for view in views),
            refined=refined,
            right_faces=self.right_faces,
        )


def _as_input(image: np.ndarray) -> Tensor:
    """(S, S, 3), uint8 or in [0, 1], as (3, S, S) float32 in [0, 1]."""
    tensor = torch.from_numpy(image).permute(2, 0, 1).float()
    return tensor / 255 if image.dtype == np.uint8 else tensor
