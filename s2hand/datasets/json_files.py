"""JSON files of numbers, read with checks and written whole or not at all."""

import json
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import DTypeLike

from s2hand.errors import DatasetError
from s2hand.files import require_file, written_whole


def read_json(path: str | Path, *, remedy: str) -> Any:
    """Parses a JSON file.

    Args:
        path: the file.
        remedy: what to do if it is missing or broken, for the message.

    Raises:
        DatasetError: the file is missing, not text or not JSON.
    """
    return parse_json(require_file(path, remedy=remedy).read_bytes(), path, remedy=remedy)


def parse_json(content: bytes, path: str | Path, *, remedy: str) -> Any:
    """Parses JSON that was read from ``path``.

    Raises:
        DatasetError: it is not text or not JSON.
    """
    try:
        return orjson.loads(content)
    except ValueError:  # beside errors, all that only Python reads: NaN, a byte order mark, half a character
        pass
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        reason = str(error).partition("; use sys.")[0] or type(error).__name__
        raise DatasetError(f"{path} is not valid JSON ({reason}): {remedy}") from None


def as_array(
    value: Any, shape: tuple[int | None, ...], *, what: str, dtype: DTypeLike = np.float32
) -> np.ndarray:
    """Turns nested lists into an array of a known shape.

    Args:
        value: nested lists of finite numbers.
        shape: expected shape; None allows any length.
        what: names file and entry in messages.
        dtype: floating point type of the result.

    Returns:
        Array of ``shape`` and ``dtype``.

    Raises:
        DatasetError: the lists are ragged, hold other things than finite numbers, or have another shape.
    """
    expected = "(" + ", ".join("N" if length is None else str(length) for length in shape) + ")"
    if not isinstance(value, np.ndarray):
        _check_numbers(value, len(shape), f"{what}: expected numbers of shape {expected}")
    try:
        array = np.asarray(value, None if isinstance(value, np.ndarray) else np.float64)
    except OverflowError:
        raise DatasetError(f"{what}: expected finite numbers, got one of more than 308 digits") from None
    except TypeError:
        raise DatasetError(f"{what}: expected numbers of shape {expected}, got other values") from None
    except ValueError:
        raise DatasetError(
            f"{what}: expected numbers of shape {expected}, got lists of unequal lengths"
        ) from None
    if array.size == 0 and shape[0] in (None, 0):
        array = np.zeros([length or 0 for length in shape])
    if array.dtype.kind not in "iuf":
        raise DatasetError(f"{what}: expected numbers of shape {expected}, got other values among them")
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise DatasetError(f"{what}: expected shape {expected}, got {array.shape}")
    # Values beyond the type's range turn into infinity here and are refused below.
    with np.errstate(over="ignore"):
        array = array.astype(dtype)
    if not np.isfinite(array).all():
        raise DatasetError(f"{what}: expected finite numbers, got NaN or infinity")
    return array


def _check_numbers(value: Any, depth: int, expected: str) -> None:
    """Refuses nested lists with anything but numbers in them, before NumPy makes an array of texts of them.

    NumPy would take "1" for 1, and give every element the room of the longest text.
    """
    level = [value]
    for _ in range(depth):
        # A number among lists is a matter of shape, which NumPy tells.
        level = list(chain.from_iterable(item for item in level if isinstance(item, list)))
    if not set(map(type, level)) <= {int, float, list}:
        raise DatasetError(f"{expected}, got other values among them")


def write_json(path: str | Path, value: Any) -> None:
    """Writes compact JSON whole or not at all.

    Args:
        path: the file; its folder is made if missing.
        value: plain types, or C-contiguous arrays, whose float32 numbers take half the digits of lists'.
    """
    with written_whole(path) as partial:
        partial.write_bytes(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))
