"""The 21-joint hand skeleton and the joint orders of the field.

Inside s2hand joints are always in FreiHAND/OpenPose order: 0 wrist, then four joints from base to tip for
thumb (1-4), index (5-8), middle (9-12), ring (13-16) and little finger (17-20). The tables below convert at
the edges of the program: ``freihand = other[OTHER_TO_FREIHAND]``.
"""

NUM_JOINTS = 21
WRIST = 0
FINGERS = {
    "thumb": (1, 2, 3, 4),
    "index": (5, 6, 7, 8),
    "middle": (9, 10, 11, 12),
    "ring": (13, 14, 15, 16),
    "little": (17, 18, 19, 20),
}
FINGERTIPS = tuple(chain[-1] for chain in FINGERS.values())
FINGER_BASES = tuple(chain[0] for name, chain in FINGERS.items() if name != "thumb")
"""The knuckles of the four fingers without the thumb."""

NUM_POSE, NUM_BETAS = 45, 10
"""Angles of the 15 finger joints, and coefficients of the shape, of MANO and hands like it."""

JOINT_NAMES = (
    "wrist",
    *("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *("index_mcp", "index_pip", "index_dip", "index_tip"),
    *("middle_mcp", "middle_pip", "middle_dip", "middle_tip"),
    *("ring_mcp", "ring_pip", "ring_dip", "ring_tip"),
    *("little_mcp", "little_pip", "little_dip", "little_tip"),
)
"""Anatomical names for files that other programs read."""

BONES = tuple(
    (parent, child)
    for chain in FINGERS.values()
    for parent, child in zip((WRIST, *chain[:-1]), chain, strict=True)
)
"""The 20 bones as (parent, child), wrist to fingertips."""

SCALE_BONE = (9, 10)
"""The bone whose length is FreiHAND's ``scale``: first joint to second joint of the middle finger."""

MANO_WITH_TIPS_TO_FREIHAND = (0, 5, 6, 7, 8, 9, 10, 11, 12, 17, 18, 19, 20, 13, 14, 15, 16, 1, 2, 3, 4)
"""MANO's 16 joints with a tip after each finger (21): position ``i`` of that list is this FreiHAND joint."""

MANO_JOINT_NAMES = tuple(
    JOINT_NAMES[joint] for joint in MANO_WITH_TIPS_TO_FREIHAND if joint not in FINGERTIPS
)
"""Names of MANO's own 16 joints, in MANO's order."""

FREIHAND_FROM_MANO_WITH_TIPS = tuple(MANO_WITH_TIPS_TO_FREIHAND.index(joint) for joint in range(NUM_JOINTS))
"""``freihand = mano_with_tips[FREIHAND_FROM_MANO_WITH_TIPS]``."""

HO3D_TO_FREIHAND = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
"""``freihand = ho3d[HO3D_TO_FREIHAND]``."""

FREIHAND_TO_HO3D = tuple(HO3D_TO_FREIHAND.index(joint) for joint in range(NUM_JOINTS))
"""``ho3d = freihand[FREIHAND_TO_HO3D]``."""

FINGERTIP_VERTICES = {
    "freihand": (744, 333, 444, 555, 672),
    "s2hand": (744, 320, 443, 555, 672),
}
"""MANO vertices that stand for the fingertips (thumb, index, middle, ring, little).

``freihand`` are FreiHAND's official ones; ``s2hand`` are those of the published S2HAND code, needed for its
checkpoints: they lie 2-4 mm from FreiHAND's labels on the index and middle finger.
"""
