"""How far photometric losses trust a sample, told by the detector's confidences."""

import numpy as np

TRUSTED_CONFIDENCE = 0.1
"""A picture counts in photometric losses only if each of its joints is more certain than this (published)."""


def photometric_weight(confidence: np.ndarray) -> np.ndarray:
    """How much a sample counts in photometric losses.

    Args:
        confidence: (..., 21) of the detections.

    Returns:
        (...) mean confidence if every joint is above ``TRUSTED_CONFIDENCE``, else 0 (published rule).
    """
    return np.where((confidence > TRUSTED_CONFIDENCE).all(-1), confidence.mean(-1), 0)
