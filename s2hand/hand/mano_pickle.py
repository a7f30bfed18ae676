"""Reads MANO's licensed pickle: arrays, a sparse matrix, and objects of chumpy, which can no longer be
installed.

The objects are read without SciPy's or chumpy's own code: plain stand-ins take their attributes, and the
values follow from those. Every other name that a pickle may ask for is refused.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from s2hand.bounded_pickle import StandIn, plain_set
from s2hand.safe_pickle import ArrayStandIn, loads_arrays, plain_array

MAX_PICKLE_BYTES = 1 << 26
"""MANO's files have 4 MB; a much larger file is something else."""

MAX_ELEMENTS = 1 << 22
"""Most elements of a sparse or selected array, as a few bytes can claim any shape. MANO's have 12,448 and
23,340."""


def read_mano_pickle(path: Path) -> dict[str, Any]:
    """Reads the entries of a MANO file.

    Args:
        path: the .pkl.

    Returns:
        The dict; :func:`s2hand.safe_pickle.plain_array` gives an entry's array.

    Raises:
        pickle.UnpicklingError: it is damaged, too large, not a dict, or asks for a name that is not admitted.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_PICKLE_BYTES + 1)
    if len(content) > MAX_PICKLE_BYTES:
        raise pickle.UnpicklingError(f"it has more than {MAX_PICKLE_BYTES >> 20} MiB")
    return loads_arrays(content, _ADMITTED_NAMES)


class _SparseColumns(ArrayStandIn):
    """Stands for scipy.sparse.csc_matrix."""

    def array(self, depth: int) -> np.ndarray:
        parts = [plain_array(self.state[name], depth) for name in ("data", "indices", "indptr")]
        shape = self.state["_shape"] if "_shape" in self.state else self.state["shape"]
        matrix = scipy.sparse.csc_matrix(tuple(parts), shape=_checked_shape(shape, 2))
        matrix.check_format(full_check=True)
        return matrix.toarray()


class _ChumpyArray(ArrayStandIn):
    """Stands for chumpy.ch.Ch, whose value is ``x``."""

    def array(self, depth: int) -> np.ndarray:
        return plain_array(self.state["x"], depth)


class _ChumpySelect(ArrayStandIn):
    """Stands for chumpy.reordering.Select: entries ``idxs`` of the flattened ``a``."""

    def array(self, depth: int) -> np.ndarray:
        source, places = (plain_array(self.state[name], depth) for name in ("a", "idxs"))
        if len(places.ravel()) > MAX_ELEMENTS:
            raise pickle.UnpicklingError(f"a selection of more than {MAX_ELEMENTS:,} entries")
        return source.ravel()[places].reshape(_checked_shape(self.state["preferred_shape"]))


def _checked_shape(shape: object, dimensions: int | None = None) -> tuple[int, ...]:
    """A shape from a pickle: lengths, and not too many elements."""
    if not isinstance(shape, tuple | list) or not all(type(length) is int and length > 0 for length in shape):
        raise pickle.UnpicklingError("a shape holds something else than lengths")
    if (dimensions or len(shape)) != len(shape) or math.prod(shape) > MAX_ELEMENTS:
        raise pickle.UnpicklingError(f"a shape of {len(shape)} dimensions or too many elements")
    return tuple(shape)


def _reconstruct_object(kind: type, base: type, state: object) -> object:
    """Stands for copyreg._reconstructor, which protocols 0 and 1 use for objects; builds stand-ins only."""
    if not (isinstance(kind, type) and issubclass(kind, StandIn)) or base is not object or state is not None:
        raise pickle.UnpicklingError("it asks to build an object that is not admitted")
    return kind.__new__(kind)


_ADMITTED_NAMES = {
    ("scipy.sparse.csc", "csc_matrix"): _SparseColumns,
    ("scipy.sparse._csc", "csc_matrix"): _SparseColumns,
    ("chumpy.ch", "Ch"): _ChumpyArray,
    ("chumpy.reordering", "Select"): _ChumpySelect,
    # Every chumpy object keeps a set of what has changed, which Python 2 pickles by name.
    ("__builtin__", "set"): plain_set,
    ("builtins", "set"): plain_set,
    ("copy_reg", "_reconstructor"): _reconstruct_object,
    ("copyreg", "_reconstructor"): _reconstruct_object,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
}
