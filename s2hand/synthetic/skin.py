"""The colours of a hand: skin from light to dark, mottled, paler palms, redder tips and knuckles; sleeves."""

from __future__ import annotations

import numpy as np

from s2hand.skeleton import FINGERS, FINGERTIPS
from s2hand.synthetic.backgrounds import natural_colour
from s2hand.synthetic.scene import SceneLight

SKIN_TONES = (
    np.array([[245, 212, 192], [232, 188, 160], [206, 154, 120], [168, 116, 84], [122, 80, 57], [84, 55, 42]])
    / 255
)
"""sRGB albedo from light to dark, along which tones are drawn."""

BLUSH = np.array([1.02, 0.86, 0.86])
"""Factors of RGB at tips and knuckles."""

PALENESS = np.array([0.05, 0.045, 0.035])
"""Added to the palm's RGB, more on dark skin."""

GRAIN = 0.012
"""Deviation of brightness from triangle to triangle; the arm's are too long for it."""

TIP_RADIUS_M, KNUCKLE_RADIUS_M = 0.012, 0.009
NUM_WAVES = 16
MOTTLING_WAVELENGTHS_M = (0.02, 0.12)
WRAP = 0.25
"""Light creeps around flesh: the lit side ends this far behind the terminator (cosine)."""

GLOSS_SHARPNESS = 24.0


class SkinPainter:
    """Paints the faces of one hand model; everything that does not change from image to image is kept.

    Args:
        centres: (F, 3) face centres in the rest pose, metres.
        palm: (F,) cosine between face normal and palm direction in the rest pose.
        joints: (21, 3) rest joints.
        ring: (F,) place along the forearm, -1 on the hand.
    """

    def __init__(self, centres: np.ndarray, palm: np.ndarray, joints: np.ndarray, ring: np.ndarray):
        self.centres = centres.astype(np.float32)
        self.ring = ring
        self.paleness = np.clip(palm + 0.2, 0, 1)
        self.grain = np.where(ring < 0, GRAIN, 0)[:, None]
        knuckles = [joint for chain in FINGERS.values() for joint in chain[:-1]]
        self.blush = (
            self._near(joints[list(FINGERTIPS)], TIP_RADIUS_M)
            + 0.6 * self._near(joints[knuckles], KNUCKLE_RADIUS_M) * (palm < 0)
        ) * (ring < 0)

    def _near(self, points: np.ndarray, radius: float) -> np.ndarray:
        """(F,) 1 at the nearest of some points, falling off over ``radius`` metres."""
        squared = ((self.centres[:, None] - points) ** 2).sum(-1).min(1)
        # Joints lie inside the flesh: the skin nearest to them counts in full.
        return np.exp(-np.maximum(squared - radius**2, 0) / (2 * radius**2))

    def albedo(self, random: np.random.Generator, cuff: float) -> tuple[np.ndarray, float]:
        """Draws a person's skin and, from ``cuff`` on along the arm, a sleeve.

        Returns:
            (F, 3) RGB in [0, 1]; the skin's place among ``SKIN_TONES``, 0 for the lightest.
        """
        darkness = random.beta(1.0, 1.4)
        place = darkness * (len(SKIN_TONES) - 1)
        tone = np.array([np.interp(place, np.arange(len(SKIN_TONES)), channel) for channel in SKIN_TONES.T])
        tone = tone * (1 + random.normal(0, 0.02, 3))
        colours = tone * BLUSH ** (self.blush[:, None] * random.uniform(0.3, 1.3))
        colours += self.paleness[:, None] * PALENESS * (0.6 + 1.6 * darkness) * random.uniform(0.5, 1.2)
        brightness = 1 + random.uniform(0.02, 0.06) * self._mottling(random)
        redness = random.uniform(0.005, 0.02) * self._mottling(random)
        colours = colours * brightness[:, None] + redness[:, None] * np.array([1.0, -0.4, -0.4])
        colours *= 1 + self.grain * random.standard_normal((len(colours), 1))
        sleeve = self.ring >= cuff
        colours[sleeve] = natural_colour(random)
        return np.clip(colours, 0.02, 1), place

    def _mottling(self, random: np.random.Generator) -> np.ndarray:
        """Smooth noise over the surface, mean 0, deviation 1: a sum of random plane waves, (F,)."""
        directions = random.normal(0, 1, (3, NUM_WAVES))
        directions /= np.linalg.norm(directions, axis=0)
        wavelengths = np.exp(random.uniform(*np.log(MOTTLING_WAVELENGTHS_M), NUM_WAVES))
        amplitudes = np.sqrt(wavelengths)
        frequencies = (directions * 2 * np.pi / wavelengths).astype(np.float32)
        phases = random.uniform(0, 2 * np.pi, NUM_WAVES).astype(np.float32)
        weights = (amplitudes / np.sqrt((amplitudes**2).sum() / 2)).astype(np.float32)
        return np.sin(self.centres @ frequencies + phases) @ weights


def light_surface(
    albedo: np.ndarray, normals: np.ndarray, views: np.ndarray, light: SceneLight
) -> np.ndarray:
    """Lights colours softly, with a weak highlight.

    Args:
        albedo: (F, 3) RGB.
        normals: (F, 3) outward, any length up to 1.
        views: (F, 3) unit vectors from the surface to the camera.
        light: the lamp.

    Returns:
        (F, 3) RGB, may exceed 1.
    """
    diffuse = np.clip((normals @ light.towards + WRAP) / (1 + WRAP), 0, None)[:, None]
    halfway = views + light.towards
    halfway /= np.maximum(np.linalg.norm(halfway, axis=-1, keepdims=True), 1e-9)
    shine = np.clip((normals * halfway).sum(-1, keepdims=True), 0, 1) ** GLOSS_SHARPNESS
    # What comes from everywhere comes a little more from above.
    sky = 1 - 0.15 * normals[:, 1:2]
    return albedo * (light.ambient * sky + light.directional * diffuse) + light.gloss * shine
