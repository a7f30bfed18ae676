"""Where hands are looked for: palms in the whole photo, then from farther away, then one hand that fills it.

The palm detector expects hands that fill a small part of its picture. Close-ups, such as crops about a hand,
are found when the photo is seen as a part of a larger one. A fist, or a hand from the side, often has no palm
for it at all; but where it fills the photo, the landmark network sees it in the photo's own square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from s2hand.detection.mediapipe.palms import decode_palms, merge_palms, palms_in_photo
from s2hand.detection.mediapipe.squares import square_of_photo, squares_of_palms


@dataclass(frozen=True)
class PalmSearch:
    """One way to look for palms.

    Attributes:
        scale: side of the square that is searched, in longer sides of the photo.
        beyond: what lies outside of the photo, as ``sample_squares`` takes it.
        thresholds: least probabilities of a palm and of the hand at it; each pair after the first is tried
            where no hand was found before.
    """

    scale: float
    beyond: str
    thresholds: tuple[tuple[float, float], ...]

    def square(self, image: np.ndarray) -> np.ndarray:
        """(1, 4) the square of a photo (H, W, 3) that is searched."""
        return square_of_photo(image.shape[1], image.shape[0]) * (1, 1, self.scale, 1)

    def squares_of_hands(
        self, image: np.ndarray, boxes: np.ndarray, logits: np.ndarray, least_palm: float
    ) -> np.ndarray:
        """The squares of the hands whose palms are seen.

        Args:
            image: (H, W, 3) the photo.
            boxes: (2016, 18) the palm detector's answers for its square.
            logits: (2016,).
            least_palm: least probability of a palm.

        Returns:
            (N, 4) px of the photo.
        """
        palms, _ = merge_palms(*decode_palms(boxes, logits, least_palm))
        return squares_of_palms(palms_in_photo(palms, self.square(image)[0]))


PRESENCE_THRESHOLD = 0.5
"""Least probability of a hand whose palm has at least 0.5 too (the published solution's defaults)."""

SURE_PRESENCE = 0.9
"""Least probability of a hand that the first searches missed. In 427 pictures without hands, the later ones
see two with 0.85, and none with 0.9."""

FIRST_SEARCH = PalmSearch(1.0, "black", ((0.5, PRESENCE_THRESHOLD),))

SEARCHES = (
    # Of 24 hands with fainter palms in photos, the two that were none had presences of 0.56 and 0.81, and
    # 19 of the others 0.93 and more.
    PalmSearch(1.0, "black", (*FIRST_SEARCH.thresholds, (0.15, 0.85))),
    PalmSearch(2.0, "edge", ((0.15, SURE_PRESENCE),)),
)
"""One after another, each for photos in which no hand was found before."""

WHOLE_SCALES, WHOLE_TURNS = (1.0, 0.85), 4
"""Squares in which a hand that fills the photo is looked for, in longer sides of the photo, and in how many
directions. Smaller squares see hands where there are none."""

WHOLE_SQUARES = len(WHOLE_SCALES) * WHOLE_TURNS


def squares_of_whole_photo(image: np.ndarray) -> np.ndarray:
    """(8, 4) the squares of a photo (H, W, 3) that a hand may fill, pointing in any direction."""
    squares = square_of_photo(image.shape[1], image.shape[0]).repeat(WHOLE_SQUARES, axis=0)
    squares[:, 2] *= np.repeat(WHOLE_SCALES, WHOLE_TURNS)
    squares[:, 3] = np.tile(np.arange(WHOLE_TURNS), len(WHOLE_SCALES)) * 2 * np.pi / WHOLE_TURNS
    return squares
