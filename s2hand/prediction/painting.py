"""Hands painted with the colours of their photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from s2hand.fitting.photo_texture import appearance_from_photo
from s2hand.prediction.hand_views import HandView
from s2hand.prediction.reconstruction import Reconstruction


def painted(hands: Reconstruction, views: Sequence[HandView]) -> Reconstruction:
    """The hands with texture and light from their photos."""
    looks = []
    for index, view in enumerate(views):
        photo = view.photo if view.photo.dtype == np.uint8 else np.rint(view.photo * 255).astype(np.uint8)
        looks.append(appearance_from_photo(photo, hands.vertices[index], hands.faces(index), hands.K[index]))
    textures, lights = (torch.stack(values) for values in zip(*looks, strict=True))
    return replace(hands, face_textures=textures, light=lights, painted=True)
