"""Reads MANO's licensed pickle: arrays, a sparse matrix, and objects of chumpy, which can no longer be
installed.

The objects are read without SciPy's or chumpy's own code: plain stand-ins take their attributes, and the
values follow from those. Every other name that a pickle may ask for is refused.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from s2hand.safe_pickle import StandIn, loads_arrays, plain_array

MAX_PICKLE_BYTES = 1 << 26
"""MANO's files have 4 MB; a much larger file is something else."""

MAX_ELEMENTS = 1 << 22
"""Largest size of a sparse matrix as an array, as a few bytes can claim any shape. MANO's has 16 x 778."""


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


class _SparseColumns(StandIn):
    """Stands for scipy.sparse.csc_matrix."""

    def array(self) -> np.ndarray:
        parts = [plain_array(self.state[name]) for name in ("data", "indices", "indptr")]
        rows, columns = self.state["_shape"] if "_shape" in self.state else self.state["shape"]
        if not 0 < rows * columns <= MAX_ELEMENTS:
            raise pickle.UnpicklingError(f"a sparse matrix of {rows} x {columns}")
        matrix = scipy.sparse.csc_matrix(tuple(parts), shape=(rows, columns))
        matrix.check_format(full_check=True)
        return matrix.toarray()


class _ChumpyArray(StandIn):
    """Stands for chumpy.ch.Ch, whose value is ``x``."""

    def array(self) -> np.ndarray:
        return plain_array(self.state["x"])


class _ChumpySelect(StandIn):
    """Stands for chumpy.reordering.Select: entries ``idxs`` of the flattened ``a``."""

    def array(self) -> np.ndarray:
        source, places = plain_array(self.state["a"]), plain_array(self.state["idxs"])
        return source.ravel()[places].reshape(self.state["preferred_shape"])


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
    ("__builtin__", "set"): set,
    ("builtins", "set"): set,
    ("copy_reg", "_reconstructor"): _reconstruct_object,
    ("copyreg", "_reconstructor"): _reconstruct_object,
    ("__builtin__", "object"): object,
    ("builtins", "object"): object,
}
