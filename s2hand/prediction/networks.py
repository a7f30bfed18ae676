"""The trained network that a user names: by a file, by a run, or by a folder of a training's stages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from s2hand import checkpoints
from s2hand.checkpoints import StoredNetwork
from s2hand.evaluation.run_records import stage_of


def open_trained(
    path: str | Path, hand_model: str | Path | None = None, device: str = "auto"
) -> StoredNetwork:
    """Opens a network as :func:`s2hand.checkpoints.open` does; of several stages in a folder, the best one.

    Args:
        path: a file of weights, a run's folder, or the folder of ``s2hand demo`` or ``s2hand staged``.
        hand_model: "generic" or the path of a MANO file; None: the one that it was trained with.
        device: see :func:`s2hand.runtime.devices.resolve_device`.

    Returns:
        The network; its notes say which stage was taken.

    Raises:
        S2HandError: a file is missing, damaged or does not fit; the network predicts no hand.
    """
    stage = stage_of(path)
    network = checkpoints.open(stage, hand_model, device)
    if stage == path:
        return network
    return replace(network, notes=(f"{path}: takes its best stage, {stage}", *network.notes))
