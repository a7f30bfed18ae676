"""Self-supervised 3D hand reconstruction from one photo.

The names below are imported at first use, so that ``import s2hand`` costs nothing.
"""

import importlib

_HOMES = {
    "Config": "s2hand.config",
    "ConfigError": "s2hand.config",
    "load_config": "s2hand.config",
    "HandReconstructor": "s2hand.prediction.reconstructor",
    "S2HandError": "s2hand.errors",
}
"""Public name -> the module that defines it."""

__all__ = list(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 's2hand' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
