"""Reads pickles of NumPy arrays without trusting them.

Reading a pickle runs code. Here a pickle may ask only for NumPy's array builders and for what the caller
admits, and it gets stand-ins that check what NumPy itself would take on trust: a forged dtype or shape cannot
reach NumPy's internals, and a forged number of bytes allocates no memory.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import Any

import numpy as np

from s2hand.bounded_pickle import Admitted, BoundedUnpickler, StandIn

PLAIN_DTYPE = re.compile(r"[<>|=]?([biuf](1|2|4|8)|\?)")
"""Booleans, integers, floating-point numbers: no objects, no records."""

MAX_DIMENSIONS = 32
"""NumPy's own limit in version 1."""

MAX_LENGTH = 1 << 31
"""Longest side of an array; an empty array could claim any."""

MAX_ARRAY_DEPTH = 3
"""Deepest nesting of arrays that are made of arrays; MANO's have one level."""


class ArrayStandIn(StandIn):
    """Stands for an object of another library that amounts to an array."""

    def array(self, depth: int) -> np.ndarray:
        """The object's value.

        Args:
            depth: to be given to :func:`plain_array` for the arrays that it is made of.
        """
        raise NotImplementedError


class _Dtype:
    """Stands for numpy.dtype."""

    def __init__(self, spec, align=False, copy=False):
        if not (isinstance(spec, str) and PLAIN_DTYPE.fullmatch(spec)):
            kind = spec[:40] if isinstance(spec, str) else f"a {type(spec).__name__}"
            raise pickle.UnpicklingError(f"arrays of {kind} are not admitted, only numbers")
        self.dtype = np.dtype(spec)

    def __setstate__(self, state):
        if not (isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "=")):
            raise pickle.UnpicklingError("a dtype's state is damaged")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray, empty until its state comes."""

    value: np.ndarray

    def __setstate__(self, state):
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array's state is damaged")
        _, shape, dtype, column_major, data = state
        self.value = _from_bytes(data, dtype, shape, "F" if column_major else "C")


def plain_array(value: object, depth: int = 0) -> np.ndarray:
    """The array that stands in an entry of a pickle, or of a stand-in's state.

    Args:
        value: the entry.
        depth: number of stand-ins that it is a part of.

    Raises:
        pickle.UnpicklingError: it is neither an array nor a flat list of numbers. A nested list may be small
            in the file, where lists can be repeated by reference, and unboundedly large as an array.
    """
    if isinstance(value, ArrayStandIn):
        if depth >= MAX_ARRAY_DEPTH:
            raise pickle.UnpicklingError(f"arrays made of arrays, more than {MAX_ARRAY_DEPTH} deep")
        return value.array(depth + 1)
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, list | tuple) and all(isinstance(item, int | float | np.number) for item in value):
        try:
            return np.array(value, np.float64)
        except OverflowError:
            raise pickle.UnpicklingError("a number is too large") from None
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    raise pickle.UnpicklingError(f"expected an array, got a {type(value).__name__}")


def _from_bytes(data, dtype: _Dtype, shape, order: str) -> np.ndarray:
    """An array over bytes, which arrive as text if Python 2 wrote them."""
    if not isinstance(data, bytes | bytearray | str):
        raise pickle.UnpicklingError(f"an array's content is of type {type(data).__name__}, expected bytes")
    if not (isinstance(dtype, _Dtype) and isinstance(shape, tuple | list) and len(shape) <= MAX_DIMENSIONS):
        raise pickle.UnpicklingError("an array's dtype or shape is damaged")
    if not all(type(length) is int and 0 <= length <= MAX_LENGTH for length in shape):
        raise pickle.UnpicklingError("an array's shape holds something else than lengths")
    if math.prod(shape) * dtype.dtype.itemsize != len(data):
        raise pickle.UnpicklingError(f"an array's shape does not fit its {len(data)} bytes")
    content = data.encode("latin1") if isinstance(data, str) else bytes(data)
    # NumPy makes no array over no bytes.
    flat = np.frombuffer(content, dtype.dtype) if content else np.zeros(0, dtype.dtype)
    return flat.reshape(shape, order=order)


def _reconstruct(kind, shape, typecode) -> _Array:
    return _Array()


def _from_buffer(data, dtype: _Dtype, shape, order: str) -> _Array:
    """Stands for the function by which protocol 5 builds arrays."""
    array = _Array()
    array.value = _from_bytes(data, dtype, shape, order)
    return array


def _scalar(dtype: _Dtype, data) -> np.generic:
    return _from_bytes(data, dtype, (1,), "C")[0]


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, by which Python 3 writes bytes in old protocols; admits one codec."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("a codec other than latin1 is not admitted")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    """Stands for ``bytes()``, by which Python 3 writes an empty bytes object in old protocols."""
    return b""


ADMITTED_NAMES = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
}


STATEFUL = (_Array, _Dtype)
"""What, besides stand-ins, a pickle may give a state."""


def loads_arrays(content: bytes, admitted: Admitted | None = None) -> dict[str, Any]:
    """Reads a pickled dict of arrays, numbers and text.

    Args:
        content: the pickle, of any protocol, written by Python 2 or 3.
        admitted: further names, and the :class:`StandIn` or function that the pickle gets for each.

    Returns:
        The dict. Its arrays are read-only; stand-ins are left to :func:`plain_array`.

    Raises:
        pickle.UnpicklingError: it is damaged, not a dict, or asks for anything else.
    """
    names = {**ADMITTED_NAMES, **(admitted or {})}
    loaded = BoundedUnpickler(io.BytesIO(content), names, takes_state=STATEFUL).read_value()
    if not isinstance(loaded, dict):
        raise pickle.UnpicklingError(f"it holds a {type(loaded).__name__}, expected a dict")
    return {
        key: getattr(value, "value", None) if isinstance(value, _Array) else value
        for key, value in loaded.items()
    }
