"""Hand models: MANO's licensed pickle, ``.npz`` archives and the generic hand shipped here."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from s2hand.archives import read_npz
from s2hand.errors import S2HandError, reason_of
from s2hand.hand.mano_pickle import read_mano_pickle
from s2hand.hand_names import FIRST, GENERIC, NEWEST
from s2hand.safe_pickle import plain_array
from s2hand.skeleton import NUM_BETAS, NUM_POSE

NUM_VERTICES = 778
NUM_FACES = 1538
NUM_HAND_JOINTS = 16

MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
"""Parent of each joint in MANO's order: wrist, then three each of index, middle, little, ring, thumb."""

SHIPPED = {
    GENERIC: Path(__file__).with_name("generic_hand.npz"),
    NEWEST: Path(__file__).with_name("generic_hand.npz"),
    FIRST: Path(__file__).with_name("generic_hand_1.npz"),
}
"""Name of a generic hand -> its arrays. The second has the skeleton of MANO's mean hand; in the first, the
thumb began farther out, and the fingertips were shorter."""

REMEDY = 'get MANO_RIGHT.pkl by registering at mano.is.tue.mpg.de, or set hand_model: "generic"'

EXPECTED_SHAPES = {
    "v_template": (NUM_VERTICES, 3),
    "shapedirs": (NUM_VERTICES, 3, NUM_BETAS),
    "posedirs": (NUM_VERTICES, 3, 9 * (NUM_HAND_JOINTS - 1)),
    "lbs_weights": (NUM_VERTICES, NUM_HAND_JOINTS),
    "J_regressor": (NUM_HAND_JOINTS, NUM_VERTICES),
    "parents": (NUM_HAND_JOINTS,),
    "faces": (NUM_FACES, 3),
    "hands_components": (NUM_POSE, NUM_POSE),
    "hands_mean": (NUM_POSE,),
}

INTEGER_ARRAYS = ("parents", "faces")

NAMES_IN_MANO_FILES = {"lbs_weights": "weights", "faces": "f", "parents": "kintree_table"}
"""Our field -> the key in MANO's files, where they differ."""


MAX_ARRAY_BYTES = 1 << 24
"""Largest array of a hand model; posedirs have 2.5 MB."""


LEFT_VOLUME = -0.1
"""Volume that palm and thumb span, over the sides' lengths, below which a hand is a left one; the generic
right hand has 0.41."""

HAND_LIKE = 0.9
"""Least correlation of joints with the generic hand's for a model to be taken for a hand of either side."""

RIGHT_JOINTS = 0.001 * np.array(
    [
        *([96, 6, 6], [11, 2, 39], [-22, -1, 37], [-44, -3, 37], [1, 5, 16], [-30, 2, 14], [-53, 1, 13]),
        *([22, -4, -27], [1, -8, -27], [-18, -10, -29], [11, 2, -9], [-18, -1, -9], [-42, -4, -11]),
        *([75, -9, 35], [49, -17, 51], [31, -20, 71]),
    ]
)
"""(16, 3) metres, joints of the generic hand at rest."""


class HandModelError(S2HandError):
    """A hand model file cannot be used. The message is one line and names the remedy."""


class HandModelNotFoundError(HandModelError, FileNotFoundError):
    """There is no file at the hand model's path."""


@dataclass(frozen=True, eq=False)
class HandModel:
    """The arrays of a right hand in MANO's format: metres, radians, MANO's joint order.

    Attributes:
        v_template: (778, 3) mean shape in the rest pose.
        shapedirs: (778, 3, 10) vertex offsets per unit of each shape coefficient.
        posedirs: (778, 3, 135) corrective offsets, linear in the 15 joint rotations minus the identity.
        lbs_weights: (778, 16) skinning weights.
        J_regressor: (16, 778) dense matrix that gives joints from shaped vertices.
        parents: (16,) int64, -1 for the wrist.
        faces: (1538, 3) int64, counter-clockwise seen from outside.
        hands_components: (45, 45) pose basis, one direction per row.
        hands_mean: (45,) mean pose, 15 axis-angles.
        name: the file that it came from.

    Raises:
        HandModelError: An array has the wrong shape, values that are not finite, or indices out of range.
    """

    v_template: np.ndarray
    shapedirs: np.ndarray
    posedirs: np.ndarray
    lbs_weights: np.ndarray
    J_regressor: np.ndarray
    parents: np.ndarray
    faces: np.ndarray
    hands_components: np.ndarray
    hands_mean: np.ndarray
    name: str = "unnamed"

    def __post_init__(self):
        for key, shape in EXPECTED_SHAPES.items():
            array = self._as_numbers(key)
            if array.shape != shape:
                raise HandModelError(
                    f"hand model {self.name}: {key} has shape {array.shape}, expected {shape}"
                )
            if not np.isfinite(array).all():
                raise HandModelError(f"hand model {self.name}: {key} holds NaN or infinite values")
            # The dataclass is frozen for its users, but its own constructor may still convert the types.
            object.__setattr__(self, key, array.astype(np.int64 if key in INTEGER_ARRAYS else np.float64))
        if self.faces.min() < 0 or self.faces.max() >= NUM_VERTICES:
            raise HandModelError(
                f"hand model {self.name}: faces index vertices outside 0..{NUM_VERTICES - 1}"
            )
        if tuple(self.parents) != MANO_PARENTS:
            raise HandModelError(
                f"hand model {self.name}: parents are {self.parents.tolist()}, expected {list(MANO_PARENTS)}"
            )

    def _as_numbers(self, key: str) -> np.ndarray:
        array = np.asarray(getattr(self, key))
        if array.dtype.kind not in "fiu":
            raise HandModelError(f"hand model {self.name}: {key} is of type {array.dtype}, expected numbers")
        if key in INTEGER_ARRAYS and array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
            raise HandModelError(f"hand model {self.name}: {key} holds fractions, expected whole numbers")
        return array


def is_left_hand(model: HandModel) -> bool:
    """Whether a hand model is the mirror image of a right hand.

    It is one if its joints lie as a hand's do, up to rotation, scale and reflection, and the thumb's base is
    on the other side of the plane through the palm, by the sign of a determinant.
    """
    joints = model.J_regressor @ model.v_template
    wrist, index, middle, little, thumb = joints[[0, 1, 4, 7, 13]]
    sides = np.stack([middle - wrist, little - index, thumb - wrist])
    volume = np.linalg.det(sides)
    if volume >= LEFT_VOLUME * np.linalg.norm(sides, axis=1).prod():
        return False
    centred, hand = joints - joints.mean(0), RIGHT_JOINTS - RIGHT_JOINTS.mean(0)
    overlap = np.linalg.svd(centred.T @ hand, compute_uv=False).sum()
    return bool(overlap > HAND_LIKE * np.linalg.norm(centred) * np.linalg.norm(hand))


def load_hand_model(source: str | Path) -> HandModel:
    """Reads a hand model.

    Args:
        source: ``"generic"`` for the hand shipped here (``"generic-1"``: the first one, which earlier
            networks were trained with), or the path of a MANO ``.pkl`` or ``.npz``.

    Raises:
        HandModelNotFoundError: There is no such file; also a ``FileNotFoundError``.
        HandModelError: The file is damaged, is no hand model, or asks for code that is not admitted.
    """
    shipped = SHIPPED.get(str(source))
    path = shipped or Path(source).expanduser()
    if not path.is_file():
        raise HandModelNotFoundError(f"no hand model file {path}: {REMEDY}")
    readers = {".pkl": _read_pickle, ".npz": _read_npz}
    if path.suffix not in readers:
        raise HandModelError(f"hand model {path}: expected a .pkl or .npz file; {REMEDY}")
    arrays = readers[path.suffix](path)
    name = str(path) if shipped is None else FIRST if str(source) == FIRST else GENERIC
    model = _model_from_arrays(arrays, name)
    if is_left_hand(model):
        raise HandModelError(
            f"hand model {path}: a left hand, or a mirrored one; the network predicts right hands, and left "
            "ones are mirrored for it, so name MANO_RIGHT.pkl"
        )
    return model


def save_hand_model(model: HandModel, path: str | Path) -> None:
    """Writes ``model`` as a compressed ``.npz`` of plain arrays, without pickles.

    Raises:
        HandModelError: ``path`` does not end in ``.npz``, so it could not be read back.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise HandModelError(f"cannot save a hand model as {path}: expected a name that ends in .npz")
    np.savez_compressed(path, **{field.name: getattr(model, field.name) for field in fields(model)})


def _model_from_arrays(content: dict, name: str) -> HandModel:
    """Takes the model's arrays from a file's ``content``, which has our names or MANO's."""
    arrays = {}
    for key in EXPECTED_SHAPES:
        file_key = key if key in content else NAMES_IN_MANO_FILES.get(key, key)
        if file_key not in content:
            raise HandModelError(f"hand model {name}: no entry {file_key!r}; is this a MANO file? {REMEDY}")
        try:
            arrays[key] = plain_array(content[file_key])
        except Exception as error:  # a sparse or selected array in a pickle may hold anything
            raise HandModelError(
                f"hand model {name}: entry {file_key!r} is damaged ({reason_of(error)}); {REMEDY}"
            ) from error
    if arrays["parents"].shape == (2, NUM_HAND_JOINTS):
        # kintree_table: parents in its first row, joints in its second; the root's parent is an unsigned -1.
        arrays["parents"] = np.concatenate([[-1], arrays["parents"][0, 1:].astype(np.int64)])
    return HandModel(**arrays, name=name)


def _read_npz(path: Path) -> dict:
    try:
        return read_npz(path, (*EXPECTED_SHAPES, *NAMES_IN_MANO_FILES.values()), MAX_ARRAY_BYTES)
    except Exception as error:  # zipfile, zlib and NumPy each raise their own errors
        raise HandModelError(
            f"hand model {path}: not a readable .npz of plain arrays ({reason_of(error)})"
        ) from error


def _read_pickle(path: Path) -> dict:
    try:
        return read_mano_pickle(path)
    except (OSError, pickle.UnpicklingError) as error:
        raise HandModelError(
            f"hand model {path}: not a readable pickle ({reason_of(error)}); {REMEDY}"
        ) from None
