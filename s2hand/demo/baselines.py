"""The baseline that needs no network."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor, nn

from s2hand.geometry.cameras import project_points
from s2hand.hand import ManoLayer
from s2hand.models.heads import INITIAL_SCALE, INITIAL_TRANSLATION
from s2hand.structures import HandPrediction


class MeanHand(nn.Module):
    """Answers every image with the mean hand: mean pose, mean shape, and one fixed place.

    Args:
        mano_layer: the hand model's layer.
    """

    def __init__(self, mano_layer: ManoLayer) -> None:
        super().__init__()
        self.mano_layer = mano_layer

    def forward(self, image: Tensor, K: Tensor, parts: Collection[str] = ("hand",)) -> HandPrediction:
        """The same hand for each of the B images, at the place where training starts."""
        zeros = image.new_zeros
        size = len(image)
        hand = self.mano_layer(zeros(size, self.mano_layer.num_pca), zeros(size, 10), zeros(size, 3))
        place = image.new_tensor(INITIAL_TRANSLATION)
        joints = place + INITIAL_SCALE * hand.joints
        return HandPrediction(
            vertices=place + INITIAL_SCALE * hand.vertices,
            joints=joints,
            keypoints_2d=project_points(joints, K),
        )
