"""What a camera adds to a picture: exposure, colour cast, blur and noise."""

from __future__ import annotations

import cv2
import numpy as np


def degrade(picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Passes a clean picture through a mild, random camera.

    Args:
        picture: (S, S, 3) RGB in [0, 1].
        random: source of randomness.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    size = len(picture)
    white_balance = 1 + random.normal(0, 0.03, 3)
    exposed = np.clip(picture * (white_balance * random.uniform(0.85, 1.15)), 0, 1).astype(np.float32)
    exposed **= np.float32(random.uniform(0.85, 1.2))
    blurred = cv2.GaussianBlur(exposed, (0, 0), max(0.2, random.gamma(2.0, 0.22)) * size / 224)
    # Shot noise grows with the square root of the signal, read noise is constant.
    shot, read = random.uniform(0, 0.025), random.uniform(0, 0.012)
    deviation = np.sqrt(shot**2 * blurred + read**2)
    noisy = blurred + deviation * random.standard_normal(picture.shape, np.float32)
    return np.clip(noisy * 255 + 0.5, 0, 255).astype(np.uint8)
