"""Mean error, and the share of correct keypoints (PCK) over thresholds, gathered batch by batch.

PCK(t) is the share of points with an error of at most t. AUC is the area under it from 0 to 5 cm by the
trapezoid rule, divided by 5 cm. Every hand has all points, so the average of the points' own curves, which
the official scripts take, is the curve of all errors together.
"""

import numpy as np

MAX_THRESHOLD_M = 0.05
NUM_THRESHOLDS = 100
THRESHOLDS_M = np.linspace(0.0, MAX_THRESHOLD_M, NUM_THRESHOLDS)
"""(100,) metres: FreiHAND's and HO-3D's thresholds."""


class ErrorStatistics:
    """Mean and PCK of errors seen so far; memory does not grow with their number."""

    def __init__(self):
        self.count = 0
        self.sum_m = 0.0
        self.first_hit = np.zeros(NUM_THRESHOLDS + 1, dtype=np.int64)

    def update(self, errors_m: np.ndarray) -> None:
        """Adds errors of any shape, metres."""
        errors_m = np.ravel(errors_m)
        self.count += errors_m.size
        self.sum_m += float(errors_m.sum())
        # Position of the first threshold >= error; the last bin holds errors above all thresholds.
        positions = np.searchsorted(THRESHOLDS_M, errors_m, side="left")
        self.first_hit += np.bincount(positions, minlength=NUM_THRESHOLDS + 1)

    def mean_mm(self) -> float:
        """Mean error in millimetres."""
        return 1000.0 * self.sum_m / self.count

    def pck(self) -> np.ndarray:
        """(100,) share of errors at most ``THRESHOLDS_M``, in [0, 1]."""
        return np.cumsum(self.first_hit[:-1]) / self.count

    def auc(self) -> float:
        """Area under the PCK curve, in [0, 1]."""
        return area_under_curve(self.pck())


def area_under_curve(pck: np.ndarray) -> float:
    """Area under a PCK curve (100,) by the trapezoid rule, divided by its width: in [0, 1]."""
    return float((pck[1:] + pck[:-1]).sum() / 2 / (NUM_THRESHOLDS - 1))
