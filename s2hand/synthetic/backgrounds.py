"""Backgrounds of synthetic hands: procedural surfaces and rooms, or squares cut from photos.

Every generator takes a random generator and a side S and returns (S, S, 3) float32 RGB in [0, 1].
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from s2hand.files import require_folder
from s2hand.images.images import read_image
from s2hand.images.listing import list_photos

WARM_HUE, WARM_SPREAD = 0.08, 0.035
"""Turns of the colour circle: wood and lamp light."""


def natural_colour(random: np.random.Generator) -> np.ndarray:
    """Draws a colour as found indoors: mostly muted, more often warm than not.

    Returns:
        (3,) RGB in [0, 1].
    """
    hue = random.normal(WARM_HUE, WARM_SPREAD) if random.random() < 0.55 else random.random()
    saturation = random.beta(1.4, 3.2)
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, random.uniform(0.12, 0.97)), np.float32)


def fractal_noise(random: np.random.Generator, size: int, cells: tuple[int, int], octaves: int) -> np.ndarray:
    """Smooth noise: random grids, each twice as fine and half as strong as the last.

    Args:
        random: source of randomness.
        size: S, pixels.
        cells: rows and columns of the coarsest grid.
        octaves: number of grids.

    Returns:
        (S, S) float32 in [0, 1].
    """
    noise = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        rows, columns = (min(count << octave, size) for count in cells)
        grid = random.random((rows + 1, columns + 1), np.float32)
        noise += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * 0.5**octave
    low, high = float(noise.min()), float(noise.max())
    return (noise - low) / max(high - low, 1e-6)


def _mix(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Blends two colours by an (S, S) share of the second."""
    return first + (second - first) * share[..., None]


def _ramp(random: np.random.Generator, size: int) -> np.ndarray:
    """A linear gradient in a random direction, (S, S) in [0, 1]."""
    x, y = np.meshgrid(*(np.linspace(-1, 1, size, dtype=np.float32),) * 2)
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x + np.sin(angle) * y
    return ((ramp - ramp.min()) / np.ptp(ramp)).astype(np.float32)


def plaster(random: np.random.Generator, size: int) -> np.ndarray:
    """A wall: one colour, a soft gradient, faint stains."""
    wall = _mix(natural_colour(random), natural_colour(random), 0.35 * _ramp(random, size))
    stains = fractal_noise(random, size, (3, 3), 5) - 0.5
    return wall * (1 + random.uniform(0.03, 0.25) * stains[..., None])


def marbled(random: np.random.Generator, size: int) -> np.ndarray:
    """Two or three colours flowing into each other."""
    cells = int(random.integers(1, 5))
    pattern = _mix(
        natural_colour(random), natural_colour(random), fractal_noise(random, size, (cells, cells), 5)
    )
    return _mix(pattern, natural_colour(random), 0.6 * fractal_noise(random, size, (2, 2), 3) ** 2)


def wood(random: np.random.Generator, size: int) -> np.ndarray:
    """Planks with grain along one axis."""
    brown = np.array(
        colorsys.hsv_to_rgb(random.uniform(0.05, 0.1), random.uniform(0.3, 0.7), random.uniform(0.3, 0.8))
    )
    rings = fractal_noise(random, size, (int(random.integers(3, 8)), 1), 3)
    grain = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(4, 10) * rings)
    fibre = fractal_noise(random, size, (size // 2, 4), 2)
    boards = _mix(brown * 0.65, brown * 1.1, 0.7 * grain + 0.3 * fibre).astype(np.float32)
    width = size / random.uniform(1.0, 4.0)
    for start in np.arange(random.uniform(0, width), size, width).astype(int):
        boards[start:] *= random.uniform(0.85, 1.15)
        boards[start : start + max(1, size // 112)] *= 0.45
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), random.uniform(-90, 90), 1.45)
    return cv2.warpAffine(boards, turn, (size, size), borderMode=cv2.BORDER_REFLECT)


def cloth(random: np.random.Generator, size: int) -> np.ndarray:
    """A weave, plain or checked, with folds."""
    y, x = np.mgrid[:size, :size].astype(np.float32)
    folds = fractal_noise(random, size, (2, 3), 3)
    u, v = x + 12 * folds, y + 12 * np.roll(folds, size // 3, 0)
    threads = np.sin(u * random.uniform(1.2, 2.2)) * np.sin(v * random.uniform(1.2, 2.2))
    pattern = np.zeros_like(folds)
    if random.random() < 0.6:
        period = size / random.uniform(3, 14)
        pattern = 0.5 * (np.sin(2 * np.pi * u / period) > random.uniform(-0.5, 0.7))
        if random.random() < 0.6:
            pattern = pattern + 0.5 * (np.sin(2 * np.pi * v / period) > random.uniform(-0.5, 0.7))
    colours = _mix(natural_colour(random), natural_colour(random), pattern.astype(np.float32))
    return colours * (0.65 + 0.5 * folds + 0.08 * threads)[..., None]


def room(random: np.random.Generator, size: int) -> np.ndarray:
    """A wall above a table or floor, with a few boxes, frames and lamps, out of focus."""
    image = plaster(random, size)
    horizon = random.uniform(0.3, 0.85) * size
    slope = random.uniform(-0.25, 0.25) * size
    floor = np.array([[0, horizon - slope], [size, horizon + slope], [size, 2 * size], [0, 2 * size]])
    surface = (wood if random.random() < 0.5 else plaster)(random, size)
    covered = np.zeros((size, size), np.float32)
    cv2.fillPoly(covered, [np.rint(floor).astype(np.int32)], 1.0)
    image = np.where(covered[..., None] > 0, surface, image)
    for _ in range(random.integers(2, 7)):
        corner = random.uniform(-0.2, 0.9, 2) * size
        extent = random.uniform(0.08, 0.5, 2) * size
        first, second = (tuple(int(value) for value in point) for point in (corner, corner + extent))
        cv2.rectangle(image, first, second, natural_colour(random).tolist(), -1)
        if random.random() < 0.5:
            border = max(1, int(size * random.uniform(0.005, 0.03)))
            cv2.rectangle(image, first, second, natural_colour(random).tolist(), border)
    return cv2.GaussianBlur(image, (0, 0), random.uniform(0.004, 0.02) * size)


def clutter(random: np.random.Generator, size: int) -> np.ndarray:
    """A heap of polygons, discs and lines over a smooth ground."""
    image = marbled(random, size)
    for _ in range(random.integers(8, 30)):
        colour = (natural_colour(random) * random.uniform(0.6, 1.1)).tolist()
        centre = random.uniform(0, 1, 2) * size
        shape = random.integers(3)
        if shape == 0:
            angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 7)))
            spokes = np.stack([np.cos(angles), np.sin(angles)], -1) * random.uniform(0.05, 0.3) * size
            cv2.fillPoly(image, [np.rint(centre + spokes).astype(np.int32)], colour, cv2.LINE_AA)
        elif shape == 1:
            axes = np.rint(random.uniform(0.03, 0.2, 2) * size).astype(int).tolist()
            place = np.rint(centre).astype(int).tolist()
            cv2.ellipse(image, place, axes, random.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
        else:
            ends = np.rint(centre + random.uniform(-0.6, 0.6, (2, 2)) * size).astype(int).tolist()
            cv2.line(image, *ends, colour, int(random.integers(1, max(2, size // 40))), cv2.LINE_AA)
    grain = fractal_noise(random, size, (8, 8), 4)[..., None]
    return cv2.GaussianBlur(image * (0.8 + 0.4 * grain), (0, 0), random.uniform(0.002, 0.012) * size)


PROCEDURAL: tuple[tuple[Callable, float], ...] = (
    (plaster, 0.15),
    (marbled, 0.15),
    (wood, 0.15),
    (cloth, 0.15),
    (room, 0.25),
    (clutter, 0.15),
)
"""Generators and how often each is drawn."""


def procedural_background(random: np.random.Generator, size: int) -> np.ndarray:
    """Draws a background of a random kind, unevenly lit.

    Returns:
        (S, S, 3) float32 in [0, 1].
    """
    generators, shares = zip(*PROCEDURAL, strict=True)
    image = generators[random.choice(len(generators), p=shares)](random, size)
    shade = 1 - random.uniform(0, 0.5) * _ramp(random, size)
    return np.clip(image * shade[..., None] * random.uniform(0.75, 1.15), 0, 1).astype(np.float32)


def find_backgrounds(folder: str | Path) -> tuple[Path, ...]:
    """Finds the photos under a folder, in a fixed order.

    Raises:
        DatasetError: no such folder, or no photo in it.
    """
    expected = "a folder of photos to put behind the hands"
    return tuple(list_photos(require_folder(folder, key="synthetic_backgrounds", expected=expected)))


def photo_background(random: np.random.Generator, size: int, photos: Sequence[Path]) -> np.ndarray:
    """Cuts a random square from a random photo, mirrored half of the time.

    Returns:
        (S, S, 3) float32 in [0, 1].
    """
    photo = read_image(photos[random.integers(len(photos))])
    shorter = min(photo.shape[:2])
    side = max(1, int(shorter * random.uniform(0.5, 1)))
    top, left = (int(random.integers(length - side + 1)) for length in photo.shape[:2])
    square = photo[top : top + side, left : left + side]
    if random.random() < 0.5:
        square = square[:, ::-1]
    resized = cv2.resize(
        square, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    )
    return resized.astype(np.float32) / 255
