"""Predicted hands as files: meshes, skeletons and motion for other programs, numbers as JSON and .npz.

Everything is in metres. Two frames occur: the **camera frame** (x right, y down, z forward) in .json, .npz,
.obj and .ply, and **glTF's** (x right, y up, z backward) in .glb, as its standard demands, and in .bvh. One
becomes the other by changing the signs of y and z.
"""

from s2hand.export.bvh import write_bvh
from s2hand.export.gltf import write_glb
from s2hand.export.hand import CAMERA_FRAME, GLTF_FRAME, Hand, HandSize, color_atlas, to_gltf_frame
from s2hand.export.meshes import write_obj, write_ply
from s2hand.export.motion import HandMotion
from s2hand.export.numbers import FRAMES, MODEL_NOTE, UNITS, hand_as_dict, write_hand_json, write_hand_npz
from s2hand.export.rig import Rig
from s2hand.export.robot import write_robot_json
from s2hand.export.skinned import write_skinned_glb

__all__ = [
    "CAMERA_FRAME",
    "FRAMES",
    "GLTF_FRAME",
    "MODEL_NOTE",
    "UNITS",
    "Hand",
    "HandMotion",
    "HandSize",
    "Rig",
    "color_atlas",
    "hand_as_dict",
    "to_gltf_frame",
    "write_bvh",
    "write_glb",
    "write_hand_json",
    "write_hand_npz",
    "write_obj",
    "write_ply",
    "write_robot_json",
    "write_skinned_glb",
]
