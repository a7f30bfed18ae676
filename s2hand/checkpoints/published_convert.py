"""Published checkpoints as safetensors and JSON: the same weights and settings in files that hold no code."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from s2hand.checkpoints.published_reader import PublishedCheckpoint, PublishedCheckpointError, check_networks
from s2hand.files import write_text_whole, written_whole

CONVERTED_FORMAT = "s2hand published checkpoint 1"
SUFFIX = ".safetensors"


def write_converted(checkpoint: PublishedCheckpoint, destination: Path) -> tuple[Path, Path]:
    """Writes weights to ``destination`` and epoch, args and counts to the .json beside it.

    Args:
        checkpoint: as read.
        destination: a path that ends in .safetensors.

    Returns:
        the paths of weights and description.

    Raises:
        PublishedCheckpointError: if the destination is called otherwise.
    """
    if destination.suffix != SUFFIX:
        raise PublishedCheckpointError(f"{destination}: expected a name that ends in {SUFFIX}")
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
    with written_whole(destination) as partial:
        save_file(tensors, partial)
    write_text_whole(json_path, text)
    return destination, json_path


def read_converted(path: Path) -> PublishedCheckpoint:
    """Reads what :func:`write_converted` wrote.

    Args:
        path: the .safetensors; its .json must lie beside it.

    Returns:
        the checkpoint; weights keep their order within a network only as safetensors keeps it.

    Raises:
        PublishedCheckpointError: if either file is missing, damaged, or they do not belong together.
    """
    json_path = path.with_suffix(".json")
    try:
        description = json.loads(json_path.read_text(encoding="utf-8"))
        counts, epoch, args = (description[key] for key in ("weights", "epoch", "args"))
        if description["format"] != CONVERTED_FORMAT or not isinstance(args, dict):
            raise ValueError(f"format is not '{CONVERTED_FORMAT}'")
    except FileNotFoundError:
        raise PublishedCheckpointError(
            f"{path}: its description {json_path.name} is not beside it; put it there, or convert the .t7 "
            "again"
        ) from None
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise PublishedCheckpointError(
            f"{json_path}: not a converted checkpoint's description ({error})"
        ) from None
    try:
        tensors = load_file(path)
    except Exception as error:  # safetensors' own error type and OSError share no other base.
        raise PublishedCheckpointError(f"{path}: cannot be read as safetensors ({error})") from None
    state_dicts = {}
    for name, weight in tensors.items():
        part, _, key = name.partition("/")
        state_dicts.setdefault(part, {})[key] = weight
    if {part: len(weights) for part, weights in state_dicts.items()} != counts:
        raise PublishedCheckpointError(
            f"{path}: holds other weights than {json_path.name} lists: convert again"
        )
    check_networks(path, state_dicts)
    return PublishedCheckpoint(path, epoch, args, state_dicts)
