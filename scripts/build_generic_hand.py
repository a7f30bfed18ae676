"""Builds the generic hand that s2hand ships: MANO's arrays for a hand that anybody may use.

    python scripts/build_generic_hand.py [--output FILE.npz] [--figures FOLDER]

The source is a rigged hand under the MIT licence (assets/). Its rig is brought to MANO's frame, joints and
proportions, its wrist opened and its surface simplified to 778 vertices. The shape basis is made of changes
of bone lengths and thicknesses, the pose basis of sampled poses. The result is the same on every run.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from generic_hand import proportions, remesh
from generic_hand.correctives import fit_pose_correctives
from generic_hand.flesh import settle_flesh
from generic_hand.glb import read_rigged_mesh
from generic_hand.proportions import INDEX, LITTLE, MIDDLE, RING
from generic_hand.rig import THUMB, HandRig, fit_joint_regressor, rig_from_file, transfer
from generic_hand.surface import subdivide

from s2hand.hand import HandModel, sample_poses, save_hand_model
from s2hand.hand.assets import MANO_PARENTS, NUM_VERTICES, SHIPPED
from s2hand.hand.pose_sampling import JOINT_RANGES_DEG
from s2hand.hand_names import GENERIC

SOURCE = Path(__file__).resolve().parents[1] / "assets" / "generic_hand_right.glb"

SCALE = 0.94
"""Brings the source to the size of MANO's mean hand."""

FIRST_JOINTS_MM = {
    INDEX: (-84.5, -4.8, 32.4),
    MIDDLE: (-94.3, -1.5, 9.4),
    LITTLE: (-73.9, -10.8, -33.4),
    RING: (-84.6, -4.5, -15.4),
    THUMB: (-20.4, -15.0, 29.1),
}
BONES_MM = {
    INDEX: (33.0, 22.2, 25.2),
    MIDDLE: (31.7, 23.3, 26.5),
    LITTLE: (21.1, 19.0, 20.3),
    RING: (28.8, 24.8, 25.7),
    THUMB: (30.8, 27.1, 35.4),
}
"""The skeleton of MANO's mean hand: places of the fingers' first joints from the wrist, its palm turned to
lie like this one's, and lengths of bones, the last ones up to the fingertips' vertices. MANO has knuckles
farther out, and the thumb's joints farther in, than anatomy has; datasets are labelled with MANO, so a hand
of other proportions would be wrong by the difference."""

PALM_WIDENING = 0.1
"""Brings the knuckles' skin nearer to their joints."""

INSETS_MM, THUMB_INSETS_MM = (2.0, 4.0), (3.0, 5.0)
"""By how much the second and third joint of a finger lie nearer to the palm than their skin, as in photos the
landmarks on the skin lie farther out than these joints when the hand is fitted to them."""

FINGER_THICKENING, THUMB_THICKENING = 0.12, 0.14
"""The source's fingers are slender; without shortening their width too, they come to the usual build."""

TURNS_DEG = (
    (INDEX, 0, (0.0, -1.5, 0.0)),
    (LITTLE, 0, (0.0, 3.5, 0.0)),
    (LITTLE, 1, (0.0, 5.0, 0.0)),
    (RING, 0, (0.0, 3.0, 0.0)),
    (RING, 1, (0.0, 1.5, 0.0)),
    (THUMB, 0, (-14.0, 0.0, 0.0)),
)
"""Finger, its joint, axis-angle. Brings the fingers' bones closer to -x, since joints bend about global
axes, like MANO's; and lays the thumb flatter, where its range of opposition begins."""

WRIST_CUT = np.array([0.944, 0.329, 0.0])
"""Outward normal of the flat end behind the wrist."""

WRIST_EDGES = 16
FINGER_IMPORTANCE = 3.5
"""How much denser than the palm the fingers are meshed, where the skin bends most."""

RELAX_ROUNDS = 8
WEIGHT_SMOOTHING_ROUNDS = 2
POSE_SAMPLES = 20_000
POSE_SEED = 0

TIP_REACH = 0.015
"""Metres beyond the last joint's end: the nearest vertex to that point is the fingertip."""

TIP_IDS = {
    THUMB: (744,),
    INDEX: (333, 320),
    MIDDLE: (444, 443),
    RING: (555,),
    LITTLE: (672,),
}
"""Vertex numbers that MANO users know as fingertips, the official one first."""


def build_hand() -> HandModel:
    """Builds the generic hand from its source."""
    rig = simplify(reproportion(rig_from_file(read_rigged_mesh(SOURCE), SCALE)))
    rig = settle_flesh(number_fingertips(rig))
    components, mean = pose_basis()
    return HandModel(
        v_template=_float32(rig.vertices),
        shapedirs=_float32(proportions.shape_basis(rig)),
        posedirs=_float32(fit_pose_correctives(rig, MANO_PARENTS, JOINT_RANGES_DEG).round(8)),
        lbs_weights=_float32(rig.weights),
        J_regressor=_float32(fit_joint_regressor(rig, MANO_PARENTS)),
        parents=np.array(MANO_PARENTS),
        faces=rig.faces,
        hands_components=components,
        hands_mean=mean,
        name="generic",
    )


def reproportion(rig: HandRig) -> HandRig:
    """Gives the source MANO's proportions: its skeleton, and sturdier fingers, closer together."""
    for finger, segment, angles_deg in TURNS_DEG:
        rig = proportions.turn_finger(rig, finger, segment, angles_deg)
    rig = proportions.widen_palm(rig, PALM_WIDENING)
    rig = proportions.thicken_fingers(rig, FINGER_THICKENING, THUMB_THICKENING)
    for finger, bones in BONES_MM.items():
        first = rig.joints[0] + np.array(FIRST_JOINTS_MM[finger]) / 1000
        lengths = tuple(length / 1000 for length in bones)
        insets = tuple(inset / 1000 for inset in (THUMB_INSETS_MM if finger == THUMB else INSETS_MM))
        rig = proportions.move_joints(rig, finger, first, lengths, insets)
    return rig


def simplify(rig: HandRig) -> HandRig:
    """Opens the wrist and remeshes the hand with 778 vertices, denser on the fingers."""
    faces = remesh.open_wrist(rig.vertices, rig.faces, WRIST_CUT)
    vertices, faces, weights = subdivide(rig.vertices, faces, rig.weights)
    dense = replace(rig, vertices=vertices, faces=faces, weights=weights)
    importance = 1 + (FINGER_IMPORTANCE - 1) * (1 - weights[:, 0]) ** 2
    simplifier = remesh.Simplifier(vertices, faces, importance)
    simplifier.simplify_boundary(WRIST_EDGES)
    simplifier.simplify(NUM_VERTICES)
    coarse = remesh.relax(*simplifier.mesh(), (vertices, faces), RELAX_ROUNDS)
    return transfer(dense, *coarse, WEIGHT_SMOOTHING_ROUNDS)


def number_fingertips(rig: HandRig) -> HandRig:
    """Renumbers the vertices so that the fingertips have MANO's numbers."""
    order = np.full(len(rig.vertices), -1)
    for finger, ids in TIP_IDS.items():
        beyond = rig.tips[finger] + TIP_REACH * rig.bone(finger, 2)[1]
        distance = np.linalg.norm(rig.vertices - beyond, axis=1)
        # A neighbouring finger may reach farther than this one.
        distance[rig.membership(finger, 2) < 0.5] = np.inf
        nearest = np.argsort(distance, kind="stable")
        order[list(ids)] = nearest[: len(ids)]
    order[order < 0] = np.setdiff1d(np.arange(len(order)), order)
    new_number = np.argsort(order)
    return replace(rig, vertices=rig.vertices[order], weights=rig.weights[order], faces=new_number[rig.faces])


def pose_basis() -> tuple[np.ndarray, np.ndarray]:
    """Principal directions (45, 45) of sampled poses, rows by falling variance, and the mean pose (45,).

    A direction's sign is such that it bends the fingers more than it stretches them.
    """
    poses = sample_poses(POSE_SEED, POSE_SAMPLES)
    mean = poses.mean(0)
    _, _, components = np.linalg.svd(poses - mean, full_matrices=False)
    bend = components[:, 2::3].sum(1, keepdims=True)
    return components * np.where(bend < 0, -1, 1), mean


def _float32(values: np.ndarray) -> np.ndarray:
    """Rounded to float32: what the network computes in, and half the file."""
    return values.astype(np.float32).astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=SHIPPED[GENERIC], help="where the .npz goes")
    parser.add_argument("--figures", type=Path, help="folder for rendered figures of the hand")
    arguments = parser.parse_args()
    model = build_hand()
    save_hand_model(model, arguments.output)
    print(f"wrote {arguments.output}")
    if arguments.figures:
        from generic_hand.figures import write_figures

        for path in write_figures(model, arguments.figures):
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
