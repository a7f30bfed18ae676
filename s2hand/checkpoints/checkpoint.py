"""This project's own checkpoints: tensors and plain values only, written atomically, verified when read.

A checkpoint is one ``torch.save`` archive that holds a dictionary of tensors, numbers and strings. It is read
by :mod:`s2hand.torch_files`, which never runs code and compares the checksum of every record.
"""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from s2hand.errors import S2HandError
from s2hand.files import written_whole
from s2hand.torch_files import read_torch_file

FORMAT = "s2hand-checkpoint-1"
LAST = "checkpoint_last.pt"
BEST = "checkpoint_best.pt"

KINDS = {
    **{name: (dict,) for name in ("model", "average", "optimizer", "scaler", "progress")},
    **{"config": (str,), "rng": (list, dict)},
}
"""Entries of a checkpoint, and their types where they are there."""


class CheckpointError(S2HandError):
    """A checkpoint cannot be written, is damaged, or does not fit."""


def write_checkpoint(path: Path | str, state: dict[str, Any]) -> None:
    """Writes ``state`` so that ``path`` holds either the old or the whole new file, never a part.

    Args:
        path: the file; its folder is made if missing.
        state: nested dictionaries and lists of tensors, numbers, strings and None.

    Raises:
        CheckpointError: nothing could be written (a full disk, say); the previous file is untouched.
    """
    try:
        with written_whole(path, durable=True, alone=True) as partial, partial.open("wb") as file:
            torch.save({"format": FORMAT, **state}, file)
    except (OSError, RuntimeError) as error:
        # Torch reports a failed write by a RuntimeError about positions, raised while handling the cause.
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        reason = getattr(cause, "strerror", None) or cause
        raise CheckpointError(
            f"{path}: cannot be written ({reason}); free space or choose another base_out_path. "
            "Earlier checkpoints are untouched."
        ) from error


def read_checkpoint(path: Path | str) -> dict[str, Any]:
    """Reads a checkpoint of this project.

    Args:
        path: the file, or a run folder, where the newest sound checkpoint is taken.

    Returns:
        The dictionary given to :func:`write_checkpoint`, with its ``format``; tensors on the CPU.

    Raises:
        CheckpointError: it is missing, damaged, or not a checkpoint of this project.
    """
    path = Path(path)
    if path.is_dir():
        return newest_sound(path)[1]
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give a file, or a run folder that holds {LAST}")
    try:
        state = read_torch_file(path)
    except (OSError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({error}); use an earlier one, or for a published .t7 file "
            "give it with that ending"
        ) from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a checkpoint of this project (expected format {FORMAT!r})")
    for entry, kinds in KINDS.items():
        if not isinstance(state.get(entry), (*kinds, type(None))):
            found, expected = type(state[entry]).__name__, kinds[0].__name__
            raise CheckpointError(
                f"{path}: its {entry} is of type {found}, expected {expected}; use an earlier checkpoint"
            )
    return state


def newest_sound(folder: Path, say: Callable[[str], None] = lambda line: None) -> tuple[Path, dict[str, Any]]:
    """Reads the newest undamaged checkpoint of a run folder.

    Args:
        folder: the run folder.
        say: takes a line on each damaged one that is passed over.

    Returns:
        The file, and the dictionary that it holds.

    Raises:
        CheckpointError: there is none.
    """
    newest_first = reversed(_numbered(folder))
    candidates = [path for path in (folder / LAST, *newest_first, folder / BEST) if path.is_file()]
    for path in candidates:
        try:
            return path, read_checkpoint(path)
        except CheckpointError as error:
            say(f"passed over {error}")
    found = f"all {len(candidates)} there are damaged" if candidates else "there is none"
    raise CheckpointError(f"{folder}: no usable checkpoint ({found}); train first, or name another folder")


def _numbered(folder: Path) -> list[Path]:
    """The checkpoints of whole epochs in their order; names grow longer after epoch 9999."""
    return sorted(folder.glob("checkpoint_[0-9]*.pt"), key=lambda path: (len(path.name), path.name))


class CheckpointKeeper:
    """Keeps a run's checkpoints: the last, the best, and the newest few numbered by epoch.

    Args:
        folder: the run folder.
        keep: number of numbered checkpoints that stay.
        say: takes a line on each damaged one.
    """

    def __init__(
        self, folder: Path | str, keep: int = 3, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.folder = Path(folder)
        self.keep, self.say = keep, say

    def save(self, state: dict[str, Any], epoch: int | None = None, best: bool = False) -> Path:
        """Writes ``checkpoint_last.pt`` and, when given, its numbered and best copies.

        Args:
            state: see :func:`write_checkpoint`.
            epoch: number of epochs done; None within an epoch, when the checkpoint gets no number.
            best: also keep it as ``checkpoint_best.pt``.
        """
        last = self.folder / LAST
        write_checkpoint(last, state)
        if best:
            _link(last, self.folder / BEST)
        if epoch is not None:
            _link(last, self.folder / f"checkpoint_{epoch:04d}.pt")
            # A run killed before a copy had its name goes on from the last checkpoint, past that copy.
            unfinished = self.folder.glob(".checkpoint_*.partial.pt")
            for old in (*_numbered(self.folder)[: -self.keep or None], *unfinished):
                old.unlink()
        return last

    def load_newest(self) -> dict[str, Any] | None:
        """The newest sound checkpoint of the run, or None if it has not begun.

        Raises:
            CheckpointError: there are checkpoints, but all of them are damaged.
        """
        if not any(self.folder.glob("checkpoint_*.pt")):
            return None
        return newest_sound(self.folder, self.say)[1]


def _link(source: Path, target: Path) -> None:
    """Gives ``source`` a second name, or copies it if the file system has no hard links."""
    with written_whole(target, durable=True, alone=True) as partial:
        try:
            os.link(source, partial)
        except OSError:
            shutil.copyfile(source, partial)
