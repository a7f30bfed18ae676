"""Steady hands in videos: the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) on hand parameters.

A low pass whose cutoff rises with speed: slow movements are freed of jitter, fast ones follow with little
lag. With the rate r in Hz, a low pass of cutoff f has the weight alpha = 1 / (1 + r / (2 pi f)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from s2hand.structures import HandParameters

LONGEST_GAP_S = 0.5
"""After a longer time without a hand the filter starts anew: it may be another hand."""

SMALLEST_SCALE = 1e-6
"""Scales below divide like this one."""


@dataclass(frozen=True)
class OneEuroSettings:
    """How a quantity is filtered.

    Attributes:
        min_cutoff: Hz at rest; lower is steadier and slower.
        beta: rise of the cutoff, Hz per unit of speed.
        speed_cutoff: Hz of the low pass on the speed; 1 in the paper.
    """

    min_cutoff: float
    beta: float
    speed_cutoff: float = 1.0


@dataclass(frozen=True)
class Space:
    """Where a quantity lives: what lies between two of its values, and the way to go on from one.

    Attributes:
        between: (start, end) to a difference, an array whose last axis is one vector.
        move: (start, difference) to a value.
    """

    between: Callable[[np.ndarray, np.ndarray], np.ndarray]
    move: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _turn_between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    return (Rotation.from_rotvec(end) * Rotation.from_rotvec(start).inv()).as_rotvec()


def _turned(start: np.ndarray, turn: np.ndarray) -> np.ndarray:
    return (Rotation.from_rotvec(turn) * Rotation.from_rotvec(start)).as_rotvec()


EUCLIDEAN = Space(lambda start, end: end - start, lambda start, step: start + step)
"""Vectors; each row of an array (..., n) is one, and has a cutoff of its own."""

ROTATIONS = Space(_turn_between, _turned)
"""Axis-angles (..., 3), radians. Differences are the shortest turns, about axes fixed in the camera frame, so
no jump is seen where the axis-angle passes pi."""


class OneEuroFilter:
    """Filters one quantity over time.

    Args:
        settings: how.
        space: where the quantity lives.
    """

    def __init__(self, settings: OneEuroSettings, space: Space = EUCLIDEAN) -> None:
        self.settings, self.space = settings, space
        self._value: np.ndarray | None = None
        self._velocity: np.ndarray | None = None

    def __call__(self, value: np.ndarray, interval_s: float) -> np.ndarray:
        """The next filtered value.

        Args:
            value: (..., n) measured; always of the same shape.
            interval_s: seconds since the one before; of the first call it does not matter.

        Returns:
            An array like ``value``.
        """
        value = np.asarray(value, dtype=np.float64)
        if self._value is None:
            self._value, self._velocity = value, np.zeros_like(value)
            return value
        step = self.space.between(self._value, value)
        weight = low_pass_weight(self.settings.speed_cutoff, interval_s)
        self._velocity = self._velocity + weight * (step / interval_s - self._velocity)
        speed = np.linalg.norm(self._velocity, axis=-1, keepdims=True)
        cutoff = self.settings.min_cutoff + self.settings.beta * speed
        self._value = self.space.move(self._value, low_pass_weight(cutoff, interval_s) * step)
        return self._value


def low_pass_weight(cutoff_hz: np.ndarray | float, interval_s: float) -> np.ndarray | float:
    """The share of a new value in a first-order low pass, in (0, 1)."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * interval_s))


HAND_SETTINGS = {
    "hand_pose": OneEuroSettings(min_cutoff=1.0, beta=0.6),
    "betas": OneEuroSettings(min_cutoff=0.1, beta=0.0),
    "rotation": OneEuroSettings(min_cutoff=1.0, beta=0.8),
    "place": OneEuroSettings(min_cutoff=1.0, beta=6.0),
    "log_scale": OneEuroSettings(min_cutoff=0.1, beta=0.0),
}
"""Speeds are in coefficients, radians and (place) metres of a hand of scale 1 per second. Shape and size of a
hand do not change: they are averaged over seconds."""


class HandSmoother:
    """Filters the parameters of one hand through a video.

    Size and distance can hardly be told apart in one picture, and the network errs in both together. What
    the picture shows is their quotient: so translation / scale is filtered as the place and the scale by
    itself, and the steadied hand stays where it is seen.

    Args:
        settings: for each of ``HAND_SETTINGS``' quantities.
    """

    def __init__(self, settings: dict[str, OneEuroSettings] | None = None) -> None:
        self.settings = settings or HAND_SETTINGS
        self._time_s: float | None = None
        self._filters: dict[str, OneEuroFilter] = {}

    def __call__(self, parameters: HandParameters, time_s: float) -> HandParameters:
        """The steadied parameters.

        Args:
            parameters: of one hand (B = 1).
            time_s: time of the frame, later than the one before.

        Returns:
            Parameters of the same dtype, on the same device.
        """
        if self._time_s is None or time_s - self._time_s > LONGEST_GAP_S:
            self._filters = {
                name: OneEuroFilter(settings, ROTATIONS if name == "rotation" else EUCLIDEAN)
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
    """The quantities that are filtered; those whose coefficients move alone as columns (n, 1)."""
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
