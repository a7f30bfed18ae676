"""The generic hands that this package ships; a network names the one that it was trained with."""

from __future__ import annotations

from pathlib import Path

GENERIC = "generic"
"""What users call the newest one."""

FIRST, NEWEST = "generic-1", "generic-2"

GENERIC_HANDS = {
    GENERIC: Path(__file__).with_name("generic_hand.npz"),
    NEWEST: Path(__file__).with_name("generic_hand.npz"),
    FIRST: Path(__file__).with_name("generic_hand_1.npz"),
}
"""Name -> its arrays. The second has the skeleton of MANO's mean hand; the first had longer thumbs' bases and
shorter fingertips."""


def numbered(hand_model: str) -> str:
    """The name that stays right when a newer generic hand comes; any other source of a hand as it is."""
    return NEWEST if hand_model == GENERIC else hand_model
