"""The features of a backbone that stays as it is, computed once for each training image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from s2hand.structures import HandBatch

Encoded = tuple[Tensor | None, Tensor]
"""A low-level map (B, Cl, h, w), or None where nothing reads it, and a feature (B, C)."""


class FeatureCache:
    """Encodes images that it has not seen and remembers the others', in half precision.

    The images of a sample must not change from epoch to epoch. What is handed out is always what was
    remembered, so that a resumed run, which starts with an empty memory, computes the same.

    Args:
        encoder: the backbone, in evaluation mode.
        images: N, the number of training images.
        keeps_maps: whether low-level maps are wanted too; they take some 150 kB an image.
    """

    def __init__(self, encoder: nn.Module, images: int, keeps_maps: bool):
        self.encoder, self.images, self.keeps_maps = encoder, images, keeps_maps
        self._known = torch.zeros(images, dtype=torch.bool)
        self._features: Tensor | None = None
        self._maps: Tensor | None = None

    @torch.no_grad()
    def __call__(self, batch: HandBatch) -> Encoded:
        """The encoded images of a batch, float32 on their device."""
        index = batch.index.cpu()
        if (new := ~self._known[index]).any():
            maps, features = self.encoder(batch.image[new.to(batch.image.device)])
            self._keep(index[new], maps, features)
        device = batch.image.device
        maps = self._maps[index].float().to(device) if self.keeps_maps else None
        return maps, self._features[index].float().to(device)

    def _keep(self, index: Tensor, maps: Tensor, features: Tensor) -> None:
        if self._features is None:
            self._features = torch.empty(self.images, *features.shape[1:], dtype=torch.half)
            if self.keeps_maps:
                self._maps = torch.empty(self.images, *maps.shape[1:], dtype=torch.half)
        self._features[index] = features.half().cpu()
        if self.keeps_maps:
            self._maps[index] = maps.half().cpu()
        self._known[index] = True
