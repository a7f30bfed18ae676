"""A hand in clay, drawn as fast as the frames of a video come.

One sample a pixel is shaded instead of four, and the silhouette is smoothed instead of sampled more often.
Beside the finer :func:`~s2hand.visualize.views.render_view`, edges of a finger before another look rougher.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from s2hand.rendering import MeshRenderer
from s2hand.visualize.pixels import to_array
from s2hand.visualize.shading import clay, seen_surface

SMOOTHING_PX = 1.0
"""Deviation of the blur that smooths the steps of the silhouette's border."""

EDGE_STEEPNESS = 1.8
"""Makes the blurred border as narrow as an anti-aliased one: coverage rises by this in 2.5 pixels."""

NEIGHBOURHOOD_PX = 5
"""Pixels beside the hand take the mean colour of the hand's pixels this near."""


@torch.no_grad()
def draft_clay(vertices: Tensor, faces: Tensor, K: Tensor, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Renders one hand.

    Args:
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) vertex numbers.
        K: (3, 3) pixels of a ``size`` image.
        size: side S of the image in pixels.

    Returns:
        (S, S, 3) float32 in [0, 1] over white, and the coverage (S, S) in [0, 1].
    """
    renderer = MeshRenderer(faces, size, anti_aliasing=False).to(vertices.device)
    output = renderer(vertices[None], K[None], vertices.new_ones(1, len(faces), 3))
    blurred = cv2.GaussianBlur(to_array(output.silhouette[0]), (0, 0), SMOOTHING_PX)
    silhouette = np.clip(0.5 + EDGE_STEEPNESS * (blurred - 0.5), 0, 1)
    face_index = output.face_index[0].cpu().numpy()
    surface = seen_surface(to_array(vertices), faces.cpu().numpy(), to_array(K), face_index, size)
    covered = surface.covered[..., None].astype(np.float32)
    colors = _spread(clay(surface, size) * covered, covered)
    return colors * silhouette[..., None] + (1 - silhouette[..., None]), silhouette


def _spread(colors: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Colours (S, S, 3), where they are not covered (S, S, 1) the mean of the covered ones around."""
    box = (NEIGHBOURHOOD_PX, NEIGHBOURHOOD_PX)
    total = cv2.blur(covered, box)[..., None]
    around = cv2.blur(colors, box) / np.maximum(total, 1e-6)
    return np.where(covered > 0, colors, around)
