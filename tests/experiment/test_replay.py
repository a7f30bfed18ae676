"""Batches that older versions saved are replayed, too."""

import json

import pytest
from support.stopped_runs import stopped_by_nan

from s2hand.checkpoints.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from s2hand.experiment.replay import replay_losses
from s2hand.training.nonfinite import FILE_NAME


@pytest.fixture
def stopped_run(small_config):
    """The folder of a run that a loss stopped, and the losses of its batch."""
    config = small_config("shape")
    return config.run_dir, stopped_by_nan(config)


def rewrite(folder, **changes):
    """Gives the config in a saved batch other keys; None removes one."""
    state = read_checkpoint(folder / FILE_NAME)
    values = json.loads(state["config"]) | changes
    state["config"] = json.dumps({key: value for key, value in values.items() if key not in changes or value})
    write_checkpoint(folder / FILE_NAME, state)


def test_older_names_of_keys_are_translated(stopped_run):
    folder, expected = stopped_run
    rewrite(folder, attention=None, use_2d_as_attention=False, lambda_tsa_poses=None, lambda_pose=0.1)
    rewrite(folder, print_freq=10, demo_freq=5)
    losses = replay_losses(folder)
    for name in ("tsa_poses", "open_2dj", "mscale"):
        assert losses[name].item() == expected[name].item()


def test_unknown_keys_are_named_in_one_line(stopped_run):
    folder, _ = stopped_run
    rewrite(folder, telepathy=3)
    with pytest.raises(CheckpointError, match=r"unknown or unfit keys \(telepathy\)"):
        replay_losses(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": "a.jpg"}, "its files is of type str, expected list"),
        ({"epoch": True}, "its epoch is of type bool, expected int"),
        ({"batch": {"image": 3, "K": 4, "index": 5}}, "its batch is not one of images"),
        ({"batch": {}}, "its batch is not one of images"),
        ({"batch": {"telepathy": None}}, "its batch is not one of images"),
    ],
)
def test_damaged_entries_are_named_in_one_line(stopped_run, changes, message):
    folder, _ = stopped_run
    write_checkpoint(folder / FILE_NAME, read_checkpoint(folder / FILE_NAME) | changes)
    with pytest.raises(CheckpointError, match=f"damaged, {message}"):
        replay_losses(folder)
