"""The One-Euro filter: the paper's equations, less jitter, little lag, and rotations without seams."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from s2hand.prediction.smoothing import (
    HAND_SETTINGS,
    HandSmoother,
    OneEuroFilter,
    OneEuroSettings,
    low_pass_weight,
)
from s2hand.structures import HandParameters

RATE = 30.0
SETTINGS = OneEuroSettings(min_cutoff=1.0, beta=0.8)


def run(one_euro, values):
    return np.stack([one_euro(value, 1 / RATE) for value in values])


def plain_one_euro(values, settings):
    """The paper's algorithm 1, one number at a time."""
    filtered, derivative, out = values[0], 0.0, [values[0]]
    for value in values[1:]:
        for_speed = 1 / (1 + RATE / (2 * math.pi * settings.speed_cutoff))
        derivative = for_speed * (value - filtered) * RATE + (1 - for_speed) * derivative
        cutoff = settings.min_cutoff + settings.beta * abs(derivative)
        weight = 1 / (1 + RATE / (2 * math.pi * cutoff))
        filtered = weight * value + (1 - weight) * filtered
        out.append(filtered)
    return np.array(out)


def test_numbers_follow_the_papers_algorithm():
    values = np.random.default_rng(0).normal(size=50).cumsum()
    expected = plain_one_euro(values, SETTINGS)
    np.testing.assert_allclose(run(OneEuroFilter(SETTINGS), values[:, None])[:, 0], expected, rtol=1e-12)


def test_rotations_about_one_axis_are_filtered_as_their_angle():
    """Where the axis-angle turns round, past pi, nothing is to be seen of it."""
    angles = np.linspace(2.0, 4.5, 60) + 0.02 * np.random.default_rng(1).normal(size=60)
    axis = np.array([2.0, -1.0, 2.0]) / 3
    wrapped = Rotation.from_rotvec(angles[:, None] * axis).as_rotvec()
    assert np.abs(np.diff(wrapped, axis=0)).max() > 3
    filtered = run(OneEuroFilter(SETTINGS, rotations=True), wrapped)
    expected = Rotation.from_rotvec(plain_one_euro(angles, SETTINGS)[:, None] * axis)
    assert (Rotation.from_rotvec(filtered) * expected.inv()).magnitude().max() < 1e-9


def parameters(**changes):
    values = {
        "hand_pose": np.zeros(30),
        "betas": np.zeros(10),
        "rotation": np.zeros(3),
        "translation": np.array([0.0, 0.0, 0.6]),
        "scale": np.ones(()),
    }
    return HandParameters(
        **{name: torch.tensor(value, dtype=torch.float32)[None] for name, value in (values | changes).items()}
    )


def smooth(frames):
    smoother = HandSmoother()
    return [smoother(frame, index / RATE) for index, frame in enumerate(frames)]


def column(frames, name):
    return np.stack([getattr(frame, name)[0].double().numpy() for frame in frames])


NOISE = {"hand_pose": 0.05, "betas": 0.1, "rotation": 0.03, "translation": 0.003, "scale": 0.02}


@pytest.mark.parametrize("name", NOISE)
def test_jitter_falls(name):
    """A resting hand for four seconds, in noise like a network's."""
    random = np.random.default_rng(2)
    rest = vars(parameters())[name][0].numpy()
    noisy = [parameters(**{name: rest + NOISE[name] * random.normal(size=rest.shape)}) for _ in range(120)]
    before, after = (jitter(frames, name) for frames in (noisy, smooth(noisy)))
    assert after < 0.35 * before


def jitter(frames, name):
    """Standard deviation of the steps from frame to frame, after the first second."""
    return np.diff(column(frames, name), axis=0)[30:].std()


@pytest.mark.parametrize(
    ("name", "direction", "span"),
    [("rotation", [0.0, 1.0, 0.0], 2.0), ("translation", [1.0, 0.0, 0.0], 0.3)],
)
def test_fast_movements_lag_little(name, direction, span):
    """A hand that crosses in half a second, as hands do, is followed within two and a half frames."""
    path = np.clip((np.arange(60) - 20) / (0.5 * RATE), 0, 1) * span
    start = vars(parameters())[name][0].numpy()
    frames = [parameters(**{name: start + value * np.array(direction)}) for value in path]
    moved = (column(smooth(frames), name) - start) @ np.array(direction)
    lag_frames = np.abs(path - moved)[20:36].max() / (span / (0.5 * RATE))
    assert lag_frames < 2.5
    assert abs(moved[-1] - span) < 0.05 * span


def test_the_steadied_hand_stays_where_it_is_seen():
    """Errors that size and distance share do not show in a picture, so they must not move the hand in it."""
    factors = np.exp(0.1 * np.random.default_rng(3).normal(size=60))
    place = np.array([0.05, -0.02, 0.6])
    frames = [parameters(translation=place * factor, scale=np.array(factor)) for factor in factors]
    steady = smooth(frames)
    seen = column(steady, "translation") / column(steady, "scale")[:, None]
    np.testing.assert_allclose(seen, np.tile(place, (60, 1)), rtol=1e-5)
    assert jitter(steady, "scale") < 0.1 * jitter(frames, "scale")


@pytest.mark.parametrize("name", ["hand_pose", "rotation", "translation"])
def test_a_sudden_change_is_not_mixed_with_what_was_before(name):
    """A fist after an open hand from one frame to the next, as where a video is cut."""
    start = vars(parameters())[name][0].double().numpy()
    end = start + 2 / np.sqrt(start.size)
    frames = [parameters(**{name: start}) for _ in range(10)] + [parameters(**{name: end}) for _ in range(10)]
    left = np.linalg.norm(column(smooth(frames), name) - end, axis=-1)
    leash = HAND_SETTINGS["place" if name == "translation" else name].leash
    assert left[9] == pytest.approx(2, rel=1e-3)
    assert left[10] <= leash * 1.001
    assert left[13] < 0.5 * leash


def test_a_hand_that_was_long_gone_starts_anew():
    smoother = HandSmoother()
    smoother(parameters(), 0.0)
    other = parameters(rotation=np.array([0.0, 2.0, 0.0]), betas=np.ones(10))
    kept = smoother(other, 0.1)
    assert kept.rotation[0, 1] < 1.9
    fresh = smoother(other, 2.0)
    torch.testing.assert_close(fresh.rotation, other.rotation)
    torch.testing.assert_close(fresh.betas, other.betas)


def test_weight_is_that_of_a_first_order_low_pass():
    """After 1 / (2 pi f) seconds a fine-grained low pass has covered 1 - 1/e of a step."""
    cutoff, steps = 2.0, 10_000
    interval = 1 / (2 * math.pi * cutoff) / steps
    covered = 1 - (1 - low_pass_weight(cutoff, interval)) ** steps
    assert covered == pytest.approx(1 - 1 / math.e, abs=1e-4)
