"""Steady hands in videos: the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) on hand parameters.

The filter is a low pass with a cutoff that rises with speed: slow movements lose their jitter, fast ones
follow with little lag. With the rate r in Hz, a low pass of cutoff f has the weight alpha = 1 / (1 + r / (2
pi f)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from s2hand.structures import HandParameters

LONGEST_GAP_S = 0.5
"""After a longer time without a hand the filter starts anew: it may be another hand."""

SMALLEST_SCALE = 1e-6
"""Smaller scales divide like this one."""


@dataclass(frozen=True)
class OneEuroSettings:
    """How a quantity is filtered.

    Attributes:
        min_cutoff: Hz at rest; lower is steadier and slower.
        beta: rise of the cutoff, Hz per unit of speed.
        speed_cutoff: Hz of the low pass on the speed; 1 in the paper.
        leash: the filtered array is never farther than this from the measured one (Euclidean); beyond what
            noise explains it is another gesture, and a mixture of two is none. The paper has no such limit.
    """

    min_cutoff: float
    beta: float
    speed_cutoff: float = 1.0
    leash: float = math.inf


class OneEuroFilter:
    """Filters one quantity over time.

    Vectors are the last axis of an array (..., n), and each has a cutoff of its own. Between rotations,
    given as axis-angles (..., 3) in radians, the difference is the shortest turn, about an axis fixed in the
    camera frame, so that no jump is seen where an axis-angle passes pi.

    Args:
        settings: how to filter.
        rotations: whether the vectors are rotations.
    """

    def __init__(self, settings: OneEuroSettings, rotations: bool = False) -> None:
        self.settings, self.rotations = settings, rotations
        self._value: np.ndarray | None = None
        self._velocity: np.ndarray | None = None

    def __call__(self, value: np.ndarray, interval_s: float) -> np.ndarray:
        """The next filtered value.

        Args:
            value: (..., n) measured; always of the same shape.
            interval_s: seconds since the value before; it does not matter in the first call.

        Returns:
            An array like ``value``.
        """
        value = np.asarray(value, dtype=np.float64)
        if self._value is None:
            self._value, self._velocity = value, np.zeros_like(value)
            return value
        step = self._difference(self._value, value)
        weight = low_pass_weight(self.settings.speed_cutoff, interval_s)
        self._velocity = self._velocity + weight * (step / interval_s - self._velocity)
        speed = np.linalg.norm(self._velocity, axis=-1, keepdims=True)
        cutoff = self.settings.min_cutoff + self.settings.beta * speed
        step = low_pass_weight(cutoff, interval_s) * step
        self._value = self._moved(self._value, step)
        left = self._difference(self._value, value)
        length = float(np.linalg.norm(left))
        if length > self.settings.leash:
            self._value = self._moved(self._value, (1 - self.settings.leash / length) * left)
        return self._value

    def _moved(self, start: np.ndarray, step: np.ndarray) -> np.ndarray:
        if self.rotations:
            return (Rotation.from_rotvec(step) * Rotation.from_rotvec(start)).as_rotvec()
        return start + step

    def _difference(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        if self.rotations:
            return (Rotation.from_rotvec(end) * Rotation.from_rotvec(start).inv()).as_rotvec()
        return end - start


def low_pass_weight(cutoff_hz: np.ndarray | float, interval_s: float) -> np.ndarray | float:
    """The share of a new value in a first-order low pass, in (0, 1)."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * interval_s))


HAND_SETTINGS = {
    "hand_pose": OneEuroSettings(min_cutoff=1.0, beta=0.6, leash=0.8),
    "betas": OneEuroSettings(min_cutoff=0.1, beta=0.0),
    "rotation": OneEuroSettings(min_cutoff=1.0, beta=0.8, leash=0.2),
    "place": OneEuroSettings(min_cutoff=1.0, beta=6.0, leash=0.03),
    "log_scale": OneEuroSettings(min_cutoff=0.1, beta=0.0),
}
"""Speeds are in coefficients, radians and (place) metres of a hand of scale 1 per second. Shape and size of a
hand do not change: they are averaged over seconds. A pose's leash of 0.8 is 7 degrees in each of 45."""


class HandSmoother:
    """Filters the parameters of one hand through a video.

    Size and distance can hardly be told apart in one image, and the network errs in both together. What the
    image shows is their quotient. So translation / scale is filtered as the place, and the scale by itself,
    and the steadied hand stays where it is seen.

    Args:
        settings: how to filter each quantity; None for ``HAND_SETTINGS``.
    """

    def __init__(self, settings: dict[str, OneEuroSettings] | None = None) -> None:
        self.settings = settings or HAND_SETTINGS
        self._time_s: float | None = None
        self._filters: dict[str, OneEuroFilter] = {}

    def __call__(self, parameters: HandParameters, time_s: float) -> HandParameters:
        """The steadied parameters.

        Args:
            parameters: one hand's (B = 1).
            time_s: time of the frame, later than the one before.

        Returns:
            Parameters of the same dtype, on the same device.
        """
        if self._time_s is None or time_s - self._time_s > LONGEST_GAP_S:
            self._filters = {
                name: OneEuroFilter(settings, rotations=name == "rotation")
                for name, settings in self.settings.items()
            }
            interval_s = LONGEST_GAP_S
        else:
            interval_s = time_s - self._time_s
        self._time_s = time_s
        steady = {
            name: self._filters[name](value, interval_s) for name, value in _measured(parameters).items()
        }
        return _as_parameters(steady, parameters)


def _measured(parameters: HandParameters) -> dict[str, np.ndarray]:
    """The quantities that are filtered; coefficients that move independently are columns (n, 1)."""
    arrays = {name: value.detach().double().cpu().numpy()[0] for name, value in vars(parameters).items()}
    scale = max(abs(float(arrays["scale"])), SMALLEST_SCALE)
    return {
        "hand_pose": arrays["hand_pose"][:, None],
        "betas": arrays["betas"][:, None],
        "rotation": arrays["rotation"],
        "place": arrays["translation"] / scale,
        "log_scale": np.array([math.log(scale)]),
    }


def _as_parameters(steady: dict[str, np.ndarray], like: HandParameters) -> HandParameters:
    scale = np.exp(steady["log_scale"])
    values = {
        "hand_pose": steady["hand_pose"][None, :, 0],
        "betas": steady["betas"][None, :, 0],
        "rotation": steady["rotation"][None],
        "translation": (scale * steady["place"])[None],
        "scale": scale,
    }
    return HandParameters(
        **{name: torch.as_tensor(value).to(getattr(like, name)) for name, value in values.items()}
    )
