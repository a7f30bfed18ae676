"""Figures of inputs and results: keypoints, overlays, sheets, charts and animations.

Every figure but a chart is a uint8 RGB array (H, W, 3). The names below are imported at first use, so that
charts need no PyTorch.
"""

import importlib

_HOMES = {
    "animation": ("turntable", "write_gif"),
    "charts": ("Curve",),
    "drawing": ("FINGER_COLORS", "draw_keypoints"),
    "hero": ("hero_strip",),
    "panels": ("evaluation_panel", "panel_titles"),
    "photo": ("Overlay", "hand_window"),
    "pixels": ("composite", "to_image", "write_image"),
    "sheets": ("contact_sheet", "evaluation_sheet", "tile_row"),
    "text": ("draw_badge", "draw_text"),
    "views": ("render_from", "render_view"),
}

__all__ = [name for names in _HOMES.values() for name in names]


def __getattr__(name: str):
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"s2hand.visualize.{home}"), name)
    raise AttributeError(f"module 's2hand.visualize' has no attribute {name!r}")
