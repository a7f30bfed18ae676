"""Published checkpoints as safetensors and JSON: the same weights and settings in files that hold no code."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from s2hand.checkpoints.checkpoint import CheckpointError
from s2hand.checkpoints.published import PublishedCheckpoint, check_networks, read_t7
from s2hand.errors import reason_of
from s2hand.files import written_whole

CONVERTED_FORMAT = "s2hand published checkpoint 1"
SUFFIX = ".safetensors"


def read_published(path: str | Path) -> PublishedCheckpoint:
    """Reads a published .t7, or one that was converted to .safetensors with its .json.

    Args:
        path: the file.

    Returns:
        Its contents under their published names, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    return _read_converted(path) if path.suffix == SUFFIX else read_t7(path)


def convert_published(source: str | Path, destination: str | Path) -> tuple[Path, Path]:
    """Writes a published checkpoint as safetensors and JSON. The optimiser's state is dropped.

    Args:
        source: the .t7.
        destination: path of the .safetensors; the .json comes to lie beside it.

    Returns:
        Both paths. :func:`read_published` of the first gives back the same weights, epoch and args.

    Raises:
        CheckpointError: the source cannot be read, or the destination does not end in .safetensors.
    """
    checkpoint, destination = read_published(source), Path(destination)
    if destination.suffix != SUFFIX:
        raise CheckpointError(f"{destination}: expected a name that ends in {SUFFIX}")
    # Weights may share storage, which safetensors refuses: each gets its own.
    tensors = {
        f"{part}/{key}": weight.detach().clone(memory_format=torch.contiguous_format)
        for part, weights in checkpoint.state_dicts.items()
        for key, weight in weights.items()
    }
    description = {
        "format": CONVERTED_FORMAT,
        "source": checkpoint.path.name,
        "epoch": checkpoint.epoch,
        "args": checkpoint.args,
        "weights": {part: len(weights) for part, weights in checkpoint.state_dicts.items()},
    }
    text = json.dumps(description, indent=1) + "\n"
    json_path = destination.with_suffix(".json")
    with written_whole(destination) as partial, written_whole(json_path) as json_partial:
        json_partial.write_text(text, encoding="utf-8")
        save_file(tensors, partial)
        # safetensors writes for the owner alone; the other file is for all whom the umask admits.
        partial.chmod(json_partial.stat().st_mode)
    return destination, json_path


def _read_converted(path: Path) -> PublishedCheckpoint:
    """Reads what :func:`convert_published` wrote: the .safetensors, and the .json that must lie beside it."""
    json_path = path.with_suffix(".json")
    try:
        description = json.loads(json_path.read_text(encoding="utf-8"))
        counts, epoch, args = (description[key] for key in ("weights", "epoch", "args"))
        if description["format"] != CONVERTED_FORMAT or not isinstance(args, dict):
            raise ValueError(f"format is not '{CONVERTED_FORMAT}'")
    except FileNotFoundError:
        raise CheckpointError(
            f"{path}: its description {json_path.name} is not beside it; put it there, or convert the .t7 "
            "again"
        ) from None
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise CheckpointError(
            f"{json_path}: not a converted checkpoint's description ({reason_of(error)})"
        ) from None
    try:
        tensors = load_file(path)
    except Exception as error:  # safetensors' own error type and OSError share no other base.
        raise CheckpointError(f"{path}: cannot be read as safetensors ({reason_of(error)})") from None
    state_dicts = {}
    for name, weight in tensors.items():
        part, _, key = name.partition("/")
        state_dicts.setdefault(part, {})[key] = weight
    if {part: len(weights) for part, weights in state_dicts.items()} != counts:
        raise CheckpointError(f"{path}: holds other weights than {json_path.name} lists: convert again")
    check_networks(path, state_dicts)
    return PublishedCheckpoint(path, epoch if type(epoch) is int else None, args, state_dicts)
