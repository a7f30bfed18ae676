"""Predicted hands as files: meshes for other programs, numbers as JSON and .npz.

Everything is in metres. Two frames occur: the **camera frame** (x right, y down, z forward) in .json, .npz,
.obj and .ply, and **glTF's** (x right, y up, z backward) in .glb, as its standard demands. One becomes the
other by changing the signs of y and z.
"""

from s2hand.export.gltf import write_glb
from s2hand.export.hand import CAMERA_FRAME, GLTF_FRAME, Hand, HandSize, color_atlas, to_gltf_frame
from s2hand.export.meshes import write_obj, write_ply
from s2hand.export.numbers import FRAMES, MODEL_NOTE, UNITS, hand_as_dict, write_hand_json, write_hand_npz

__all__ = [
    "CAMERA_FRAME",
    "FRAMES",
    "GLTF_FRAME",
    "MODEL_NOTE",
    "UNITS",
    "Hand",
    "HandSize",
    "color_atlas",
    "hand_as_dict",
    "to_gltf_frame",
    "write_glb",
    "write_hand_json",
    "write_hand_npz",
    "write_obj",
    "write_ply",
]
