"""Configs as checkpoints hold them."""

from __future__ import annotations

import json
from typing import Any

from s2hand.config.published import translate
from s2hand.hand_names import FIRST, GENERIC


def stored_config(text: str) -> dict[str, Any]:
    """The keys of a checkpoint's config, under their present names and without those retired since.

    Checkpoints name their generic hand with its number. Those that do not were trained with the first one.

    Args:
        text: a JSON object.

    Raises:
        TypeError, ValueError, AttributeError, RecursionError: it is none.
    """
    values, _ = translate(json.loads(text))
    return values | ({"hand_model": FIRST} if values.get("hand_model") == GENERIC else {})
