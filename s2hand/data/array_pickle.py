"""Reads pickles of NumPy arrays without trusting them.

Pickles run code when read. Here a pickle may ask for NumPy's array builders only, and gets stand-ins that
check what NumPy itself would take on trust: a forged dtype or shape cannot reach NumPy's internals.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

PLAIN_KINDS = "biuf"
"""Booleans, integers, floating-point numbers: no objects, no records."""


class _Dtype:
    """Stands for numpy.dtype."""

    def __init__(self, spec, align=False, copy=False):
        self.dtype = np.dtype(spec if isinstance(spec, str) else "O")
        if self.dtype.kind not in PLAIN_KINDS:
            raise pickle.UnpicklingError(f"arrays of {spec!r} are not admitted, only numbers")

    def __setstate__(self, state):
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray, empty until its state comes."""

    value: np.ndarray

    def __setstate__(self, state):
        _, shape, dtype, column_major, data = state
        self.value = _from_bytes(data, dtype, shape, "F" if column_major else "C")


def _from_bytes(data, dtype: _Dtype, shape, order: str) -> np.ndarray:
    """An own array of the bytes; Python 2's arrive as text."""
    content = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(content, bytes):  # bytes(n) of a forged number n would allocate n bytes
        raise pickle.UnpicklingError(f"an array's content is of type {type(data).__name__}, expected bytes")
    return np.frombuffer(content, dtype.dtype).reshape(shape, order=order).copy()


def _reconstruct(kind, shape, typecode) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, data) -> np.generic:
    return _from_bytes(data, dtype, (1,), "C")[0]


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """``_codecs.encode``, by which Python 3 writes bytes into old protocols; one codec only."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"codec {encoding!r} is not admitted")
    return text.encode("latin1")


def _empty_bytes() -> bytes:
    """``bytes()``, by which Python 3 writes no bytes into old protocols."""
    return b""


ADMITTED_NAMES = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _latin1_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
}


class _ArrayUnpickler(pickle._Unpickler):
    """Refuses every other name.

    It builds on the unpickler written in Python: the one in C allocates as many memo places as a forged
    number asks for, up to 32 GB. Protocol 5's byte arrays are left out for the same reason.
    """

    dispatch = {  # noqa: RUF012 (overrides the base class's own)
        code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]
    }

    def find_class(self, module: str, name: str):
        admitted = ADMITTED_NAMES.get((module.replace("numpy._core.", "numpy.core."), name))
        if admitted is None:
            wanted = f"{module}.{name}".encode("unicode_escape").decode()
            raise pickle.UnpicklingError(f"it asks for {wanted}, which is not admitted")
        return admitted


def loads_arrays(content: bytes) -> dict[str, Any]:
    """Reads a pickled dict of arrays, numbers and text.

    Args:
        content: the pickle, of protocol 0 to 4, written by Python 2 or 3.

    Raises:
        pickle.UnpicklingError: it is damaged, no dict, or asks for anything else.
    """
    try:
        loaded = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise pickle.UnpicklingError(f"it is damaged: {reason}") from None
    if not isinstance(loaded, dict):
        raise pickle.UnpicklingError(f"it holds a {type(loaded).__name__}, expected a dict")
    return {
        key: getattr(value, "value", None) if isinstance(value, _Array) else value
        for key, value in loaded.items()
    }
