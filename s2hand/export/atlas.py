"""One flat colour per face as a texture, which every viewer shows: a block of texels for each face."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BLOCK_TEXELS = 4
"""Side of a face's block: its centre is two texels from its neighbours, out of reach of any filtering."""


@dataclass(frozen=True)
class ColorAtlas:
    """The colours of F faces as a picture.

    Attributes:
        picture: (N, N, 3) uint8, face after face in rows of blocks; N is a power of two, as old viewers want.
        uv: (F, 2) in [0, 1], the middle of each face's block, u right and v **up** from the bottom row (.obj;
            glTF counts v down). All corners of a face get this one point.
    """

    picture: np.ndarray
    uv: np.ndarray

    @classmethod
    def of_faces(cls, face_colors: np.ndarray) -> ColorAtlas:
        """Lays out a mesh's colours.

        Args:
            face_colors: (F, 3) in [0, 1].
        """
        count = len(face_colors)
        side = 2 ** math.ceil(math.log2(math.ceil(math.sqrt(count)) * BLOCK_TEXELS))
        blocks = side // BLOCK_TEXELS
        colors = np.zeros((blocks * blocks, 3))
        colors[:count] = np.clip(face_colors, 0, 1)
        texels = np.rint(colors * 255).astype(np.uint8).reshape(blocks, blocks, 3)
        row, column = np.divmod(np.arange(count), blocks)
        uv = np.stack([(column + 0.5) / blocks, 1 - (row + 0.5) / blocks], -1)
        return cls(texels.repeat(BLOCK_TEXELS, 0).repeat(BLOCK_TEXELS, 1), uv)
