"""Reads published S2HAND checkpoints (.t7) without running code.

A .t7 is a dict that ``torch.save`` wrote: ``epoch``, ``args`` (an ``argparse.Namespace``), ``optimizer`` and
one state dict per network. Being a pickle it could run code, but torch's restricted unpickler admits only
tensors, plain containers and ``argparse.Namespace``.
"""

from __future__ import annotations

import pickle
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from s2hand.bounded_pickle import NameNotAdmittedError
from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.checkpoints.published_names import PUBLISHED_NETWORKS
from s2hand.torch_files import read_torch_file
from s2hand.torch_pickle import Settings, without_wrapper

IGNORED = ("optimizer",)
"""Entries of a file that are not used here."""


@dataclass(frozen=True)
class PublishedCheckpoint:
    """What a published file holds.

    Attributes:
        path: the file.
        epoch: the epoch after which it was saved, or None.
        args: the settings that it was trained with, as plain JSON values.
        state_dicts: weights by network and published key.
    """

    path: Path
    epoch: int | None
    args: dict
    state_dicts: dict[str, dict[str, Tensor]]


def read_t7(path: Path) -> PublishedCheckpoint:
    """Reads a published .t7, in torch's legacy or zip format.

    Args:
        path: the file.

    Returns:
        Its contents, on the CPU.

    Raises:
        CheckpointError: the file is damaged, of another kind, or would run code.
    """
    content = _unpickle(path)
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise CheckpointError(f"{path}: holds a {kind}, expected a dict of state dicts")
    state_dicts = {
        name: without_wrapper(value)
        for name, value in content.items()
        if isinstance(name, str) and name not in IGNORED and _is_state_dict(value)
    }
    for name in PUBLISHED_NETWORKS:
        if content.get(name) is not None and name not in state_dicts:
            raise CheckpointError(f"{path}: entry '{name}' is not a dict of tensors")
    check_networks(path, state_dicts)
    args = content.get("args")
    args = getattr(args, "state", {}) if isinstance(args, Settings) else args
    epoch = content.get("epoch")
    return PublishedCheckpoint(
        path=path,
        epoch=epoch if isinstance(epoch, int) else None,
        args=_plain(args) if isinstance(args, dict) else {},
        state_dicts=state_dicts,
    )


def check_networks(path: Path, names: Collection[str]) -> None:
    """Refuses a file that holds none of the published networks.

    Args:
        path: the file.
        names: the names of its state dicts.

    Raises:
        CheckpointError: it holds none; the message lists what it holds.
    """
    if not PUBLISHED_NETWORKS.keys() & set(names):
        held = f"only {printable(', '.join(names))}" if names else "no state dict"
        known = ", ".join(PUBLISHED_NETWORKS)
        raise CheckpointError(
            f"{path}: holds {held}, none of the published networks ({known}): is it a checkpoint of S2HAND?"
        )


def printable(text: str) -> str:
    """A name from a file, made fit for a one-line message: without line breaks, and not too long."""
    return text[:200].encode("unicode_escape").decode()


def _unpickle(path: Path) -> object:
    try:
        return read_torch_file(path, leave_out=IGNORED)
    except NameNotAdmittedError as error:
        raise CheckpointError(
            f"{path}: refused, for it asks for '{error.name}' and only plain tensors, NumPy numbers and "
            "argparse.Namespace are admitted: a published checkpoint needs nothing else, so get the file "
            "from its authors"
        ) from None
    except (OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path}: cannot be read as a torch checkpoint ({error}): is the download complete?"
        ) from None


def _is_state_dict(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(key, str) and isinstance(weight, Tensor) for key, weight in value.items())
    )


def _plain(value: object) -> object:
    """Settings as JSON values: tuples and sets become lists; devices, dtypes and the like become their
    names."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(inner) for inner in value), key=str)
    if isinstance(value, Settings):
        return _plain(getattr(value, "state", {}))
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return type(value).__name__
