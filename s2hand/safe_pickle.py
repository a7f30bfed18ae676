"""Reads pickles of NumPy arrays without trusting them.

Reading a pickle runs code. Here a pickle may ask only for NumPy's array builders and for what the caller
admits, and it gets stand-ins that check what NumPy itself would take on trust: a forged dtype or shape cannot
reach NumPy's internals, and a forged number of bytes allocates no memory.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

PLAIN_KINDS = "biuf"
"""Booleans, integers, floating-point numbers: no objects, no records."""

Admitted = Mapping[tuple[str, str], Callable]
"""(module, name) -> what a pickle that asks for this name gets instead."""


class StandIn:
    """Stands for an object of another library: takes its attributes, and does nothing with them."""

    state: dict[str, Any]

    def __setstate__(self, state):
        if not isinstance(state, dict):
            raise pickle.UnpicklingError(
                f"{type(self).__name__} has a {type(state).__name__} as its state, expected a dict"
            )
        self.state = state

    def array(self) -> np.ndarray:
        """The object's value."""
        raise NotImplementedError


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


def plain_array(value: object) -> np.ndarray:
    """The array that stands in an entry of a pickle, or of a stand-in's state.

    Raises:
        pickle.UnpicklingError: it is neither an array nor a flat list of numbers. A nested list may be small
            in the file, where lists can be repeated by reference, and unboundedly large as an array.
    """
    if isinstance(value, StandIn):
        return value.array()
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, list | tuple) and all(isinstance(item, int | float | np.number) for item in value):
        return np.array(value, np.float64)
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    raise pickle.UnpicklingError(f"expected an array, got a {type(value).__name__}")


def _from_bytes(data, dtype: _Dtype, shape, order: str) -> np.ndarray:
    """An array over bytes, which arrive as text if Python 2 wrote them."""
    content = data.encode("latin1") if isinstance(data, str) else data
    # bytes(n) of a forged number n would allocate n bytes.
    if not isinstance(content, bytes | bytearray):
        raise pickle.UnpicklingError(f"an array's content is of type {type(data).__name__}, expected bytes")
    return np.frombuffer(bytes(content), dtype.dtype).reshape(shape, order=order)


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
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"codec {encoding!r} is not admitted")
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


class _ArrayUnpickler(pickle._Unpickler):
    """Refuses every name that is not admitted.

    It builds on the unpickler written in Python, because the one in C allocates as many memo places as a
    forged number asks for, up to 32 GB.
    """

    def __init__(self, content: bytes, admitted: Admitted):
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.admitted = {**ADMITTED_NAMES, **admitted}

    def find_class(self, module: str, name: str):
        admitted = self.admitted.get((module.replace("numpy._core.", "numpy.core."), name))
        if admitted is None:
            wanted = f"{module}.{name}".encode("unicode_escape").decode()
            raise pickle.UnpicklingError(f"it asks for {wanted}, which is not admitted")
        return admitted

    def load_build(self):
        """Admits state for stand-ins alone: set on a function or class, it would outlive the file."""
        if not isinstance(self.stack[-2], StandIn | _Array | _Dtype):
            raise pickle.UnpicklingError(f"state for a {type(self.stack[-2]).__name__} is not admitted")
        super().load_build()

    def load_bytearray8(self):
        """Reads before it allocates; the base class allocates whatever the opcode claims to hold."""
        length = int.from_bytes(self.read(8), "little")
        content = self.read(length)
        if len(content) < length:
            raise pickle.UnpicklingError(f"a byte array of {length} bytes is cut off")
        self.append(bytearray(content))

    dispatch = {  # noqa: RUF012 (overrides the base class's own)
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }


def loads_arrays(
    content: bytes, admitted: Mapping[tuple[str, str], Callable] | None = None
) -> dict[str, Any]:
    """Reads a pickled dict of arrays, numbers and text.

    Args:
        content: the pickle, of any protocol, written by Python 2 or 3.
        admitted: further names, and the :class:`StandIn` or function that the pickle gets for each.

    Returns:
        The dict. Its arrays are read-only; stand-ins are left to :func:`plain_array`.

    Raises:
        pickle.UnpicklingError: it is damaged, not a dict, or asks for anything else.
    """
    try:
        loaded = _ArrayUnpickler(content, admitted or {}).load()
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
