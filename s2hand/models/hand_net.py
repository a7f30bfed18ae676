"""The whole network: from an image and its camera to a textured hand and 2D keypoints.

Its modules are injected, and each may be missing. A caller asks for the parts it needs, and nothing else is
computed.
"""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from s2hand.models.hourglass import KeypointOutput
from s2hand.models.lifting import keypoint_rays
from s2hand.models.placing import place_hand
from s2hand.structures import HandBatch, HandParameters, HandPrediction

PARTS = frozenset({"hand", "texture", "render", "heatmaps", "confidence"})
"""The parts of an answer that can be asked for."""

MODULES_OF_PART = {
    "hand": ("backbone", "hand_head", "attention"),
    "heatmaps": ("keypoint_net",),
    "texture": ("texture_light_head",),
    "confidence": ("confidence_head",),
}
"""The children of :class:`HandNet` that have weights, by the part that they serve."""


def detections_for(model: nn.Module, batch: HandBatch) -> dict[str, tuple[Tensor, Tensor]]:
    """The detections of a batch as an argument of :meth:`HandNet.forward`; none if the network reads none."""
    if not getattr(model, "detection_input", False) or batch.keypoints_2d is None:
        return {}
    return {"detected": (batch.keypoints_2d, batch.confidence)}


class HandNet(nn.Module):
    """Encoder, heads, hand layer, renderer and 2D branch.

    Attributes:
        backbone: image (B, 3, S, S) to low-level map and feature (B, C).
        hand_head: feature to :class:`HandParameters`; with ``landmark_input`` a
            :class:`~s2hand.models.landmark_lift.LandmarkLifter`.
        mano_layer: (pose, betas, rotation) to ``ManoOutput``.
        texture_light_head: low-level map to face textures and light.
        renderer: (vertices, K, face_textures, light) to ``RenderOutput``.
        keypoint_net: image to ``KeypointOutput``.
        attention: the 2D branch's encoding to factors (B, C) of the feature.
        confidence_head: the hand head's input to the errors (B, 21) of joints, in sides of the image.
        image_input: whether the hand head reads the encoder's feature.
        keypoint_input: whether it reads the 2D branch's keypoints.
        landmark_input: whether it reads the landmarks that the encoder's feature tells.
        detection_input: whether these take their place in the image from the detections.
        encoder_depths: whether they keep their depths and world landmarks then.
        landmark_chain: the points of the hand that the detections mean, where these are not its joints.
    """

    def __init__(
        self,
        backbone: nn.Module | None = None,
        hand_head: nn.Module | None = None,
        mano_layer: nn.Module | None = None,
        texture_light_head: nn.Module | None = None,
        renderer: nn.Module | None = None,
        keypoint_net: nn.Module | None = None,
        attention: nn.Module | None = None,
        confidence_head: nn.Module | None = None,
        image_input: bool = True,
        keypoint_input: bool = False,
        landmark_input: bool = False,
        detection_input: bool = False,
        encoder_depths: bool = True,
        landmark_chain: nn.Module | None = None,
    ):
        super().__init__()
        self.landmark_input, self.detection_input = landmark_input, detection_input
        self.encoder_depths = encoder_depths
        self.landmark_chain = landmark_chain
        self.image_input = image_input
        self.keypoint_input = keypoint_input
        self.backbone = backbone
        self.hand_head = hand_head
        self.mano_layer = mano_layer
        self.texture_light_head = texture_light_head
        self.renderer = renderer
        self.keypoint_net = keypoint_net
        self.attention = attention
        self.confidence_head = confidence_head

    def forward(
        self,
        image: Tensor,
        K: Tensor | None = None,
        parts: Collection[str] = ("hand",),
        encoded: tuple[Tensor | None, Tensor] | None = None,
        detected: tuple[Tensor, Tensor] | None = None,
    ) -> HandPrediction:
        """Predicts the parts asked for.

        Args:
            image: (B, 3, S, S) RGB in [0, 1].
            K: (B, 3, 3) camera matrix in pixels of ``image``; only the 2D branch works without it.
            parts: any of ``hand`` (parameters, vertices, joints, keypoints), ``texture`` (face textures and
                light), ``render`` (the rendering, which implies hand and texture), ``confidence`` (the errors
                expected of the joints, which imply the hand) and ``heatmaps`` (the 2D branch, which does
                not need the encoder).
            encoded: the encoder's low-level map and feature of these images, where they are known already.
            detected: keypoints (B, 21, 2) in pixels and their confidences (B, 21), for a network with
                ``detection_input``; see :func:`detections_for`.

        Returns:
            The prediction; what was not asked for is None. Hand and rendering are float32 under autocast.

        Raises:
            ValueError: a part is unknown, the network lacks a module for it, or K is missing.
        """
        wanted = frozenset(parts)
        if "render" in wanted:
            wanted |= {"hand", "texture"}
        if "confidence" in wanted:
            wanted |= {"hand"}
        self._check(wanted, K)
        fields = {}
        keypoints = None
        if "heatmaps" in wanted or ("hand" in wanted and self.hand_needs_keypoints):
            keypoints = self.keypoint_net(image)
        if "heatmaps" in wanted:
            fields["heatmap_keypoints"] = keypoints.keypoints
            fields["heatmaps"] = torch.stack(keypoints.heatmaps)
        low_features = feature = None
        if "texture" in wanted or ("hand" in wanted and (self.image_input or self.landmark_input)):
            low_features, feature = self.backbone(image) if encoded is None else encoded
        if "hand" in wanted:
            if self.landmark_input:
                hand_input, parameters = feature, self._lifted(feature, K, image.shape[-1], detected)
            else:
                hand_input = self._hand_input(feature, keypoints, K)
                parameters = self.hand_head(hand_input)
            fields |= self.place_hand(parameters, K)
            if "confidence" in wanted:
                fields["joint_error_px"] = image.shape[-1] * self.confidence_head(hand_input)
        if "texture" in wanted:
            fields["face_textures"], fields["light"] = self.texture_light_head(low_features)
        if "render" in wanted:
            with torch.autocast(image.device.type, enabled=False):
                fields["render"] = self.renderer(
                    fields["vertices"], K.float(), fields["face_textures"].float(), fields["light"].float()
                )
        return HandPrediction(**fields)

    def _hand_input(self, feature: Tensor | None, keypoints: KeypointOutput | None, K: Tensor) -> Tensor:
        """The hand head's input (B, C): image feature, rays through the keypoints, or both concatenated."""
        inputs = []
        if self.image_input:
            weighted = feature if self.attention is None else feature * self.attention(keypoints.encoding)
            inputs.append(weighted)
        if self.keypoint_input:
            inputs.append(keypoint_rays(keypoints.keypoints[-1], K))
        return inputs[0] if len(inputs) == 1 else torch.cat([part.float() for part in inputs], -1)

    def _lifted(
        self, feature: Tensor, K: Tensor, image_size: int, detected: tuple[Tensor, Tensor] | None
    ) -> HandParameters:
        """The hands that the landmarks in features (B, C) tell, and the features, if they are read."""
        with torch.autocast(K.device.type, enabled=False):
            feature, K = feature.float(), K.float()
            landmarks = self.backbone.landmarks(feature, K, image_size)
            if self.detection_input and detected is not None:
                landmarks = landmarks.placed(*detected, K, keep_depths=self.encoder_depths)
            hand = self.hand_head(landmarks, image=feature if self.image_input else None)
            return hand.parameters(self.mano_layer)

    @property
    def hand_needs_keypoints(self) -> bool:
        """Whether the hand needs the 2D branch, so that its keypoints cost nothing more."""
        return self.keypoint_input or self.attention is not None

    def place_hand(self, parameters: HandParameters, K: Tensor) -> dict:
        """Poses the hand and places it in front of the camera: p = translation + |scale| x.

        Args:
            parameters: the parameters of B hands.
            K: (B, 3, 3) pixels.

        Returns:
            The hand's fields of :class:`HandPrediction`, float32.
        """
        return place_hand(self.mano_layer, parameters, K, self.landmark_chain)

    def _check(self, wanted: frozenset[str], K: Tensor | None) -> None:
        if unknown := wanted - PARTS:
            raise ValueError(f"unknown parts {sorted(unknown)}: choose from {sorted(PARTS)}")
        needs = {
            "hand": ("backbone", "hand_head", "mano_layer"),
            "texture": ("backbone", "texture_light_head"),
            "render": ("renderer",),
            "heatmaps": ("keypoint_net",),
            "confidence": ("confidence_head",),
        }
        for part in sorted(wanted):
            for name in needs[part]:
                if getattr(self, name) is None:
                    raise ValueError(f"part '{part}' needs a {name}, which this network was built without")
        if "hand" in wanted and K is None:
            raise ValueError("part 'hand' needs the camera matrix K (B, 3, 3) to project joints")
        if "hand" in wanted and self.hand_needs_keypoints and self.keypoint_net is None:
            raise ValueError("the hand needs a keypoint_net, which this network was built without")
