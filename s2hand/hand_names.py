"""Names of the generic hands that this package ships; a network names the one that it was trained with."""

GENERIC = "generic"
"""What users call the newest one."""

FIRST, NEWEST = "generic-1", "generic-2"

GENERIC_HANDS = frozenset({GENERIC, FIRST, NEWEST})


def numbered(hand_model: str) -> str:
    """The name that stays right when a newer generic hand comes; any other source of a hand as it is."""
    return NEWEST if hand_model == GENERIC else hand_model
