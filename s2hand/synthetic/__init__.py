"""Synthetic hands, drawn with the project's own renderer and stored as FreiHAND, HO-3D or own photos."""

from s2hand.synthetic.simulated_detector import NOISES, DetectorNoise
from s2hand.synthetic.writer import SyntheticSummary, write_synthetic_dataset

__all__ = ["NOISES", "DetectorNoise", "SyntheticSummary", "write_synthetic_dataset"]
