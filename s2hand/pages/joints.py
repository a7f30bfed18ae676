"""How pages name and colour the 21 joints."""

from __future__ import annotations

from s2hand.skeleton import FINGERS, NUM_JOINTS, WRIST
from s2hand.visualize.drawing import FINGER_COLORS

THUMB_JOINTS = ("CMC joint", "MCP joint", "IP joint", "tip")
FINGER_JOINTS = ("MCP joint", "PIP joint", "DIP joint", "tip")
"""Anatomical names from base to tip."""

WRIST_COLOR = "#e8eaee"


def joint_names() -> list[str]:
    """The 21 names in FreiHAND order, such as "Index finger PIP joint"."""
    names = [""] * NUM_JOINTS
    names[WRIST] = "Wrist"
    for finger, chain in FINGERS.items():
        title = "Thumb" if finger == "thumb" else f"{finger.capitalize()} finger"
        for joint, part in zip(chain, THUMB_JOINTS if finger == "thumb" else FINGER_JOINTS, strict=True):
            names[joint] = f"{title} {part}"
    return names


def joint_colors() -> list[str]:
    """The 21 CSS colours in FreiHAND order, one hue for each finger."""
    colors = [WRIST_COLOR] * NUM_JOINTS
    for finger, chain in FINGERS.items():
        for joint in chain:
            colors[joint] = "#{:02x}{:02x}{:02x}".format(*FINGER_COLORS[finger])
    return colors
