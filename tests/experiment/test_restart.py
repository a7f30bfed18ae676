"""A run that is killed again and again ends as if nothing had happened."""

import faulthandler
import os
import random
import signal
import time

import pytest
import torch

from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.experiment import run
from s2hand.training.step import GradientStep

KILLS = 24
EPOCHS = 18
MOMENTS = 12
"""A life ends after up to so many events: steps of the optimiser, and stages of writing a checkpoint."""

EVENTS = ((GradientStep, "run"), (torch, "save"), (os, "fsync"), (os, "replace"), (os, "link"))


def silent(line: str) -> None:
    """Takes what a run says."""


def live(config, moment: int | None) -> int:
    """Runs in a forked process, and kills that one a little after the event number ``moment``.

    Returns:
        What os.waitpid tells about its end.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            faulthandler.dump_traceback_later(120, exit=True)
            os.close(reader)
            for owner, name in EVENTS:
                _announce(owner, name, writer)
            run(config, silent)
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb", buffering=0) as events:
        count = 0
        while events.read(1):
            count += 1
            if count == moment:
                time.sleep(random.random() * 0.005)
                os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _announce(owner, name: str, pipe: int) -> None:
    inner = getattr(owner, name)

    def announced(*args, **kwargs):
        os.write(pipe, b".")
        return inner(*args, **kwargs)

    setattr(owner, name, announced)


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bits(small_config, tmp_path):
    """SIGKILL, at least twenty times in one training: within steps, and within writing checkpoints."""
    random.seed(6)
    changes = {"total_epochs": EPOCHS, "eval_interval": EPOCHS, "ema_decay": 0.9, "train_batch": 8}
    changes |= {"hourglass_depth": 1, "hourglass_features": 8, "keep_checkpoints": 2}
    folder, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    config = small_config("kp", **changes, base_out_path=str(folder))
    ends = [live(config, random.randint(1, MOMENTS)) for _ in range(KILLS)]
    killed = ends.count(signal.SIGKILL)
    assert killed >= 20, ends
    assert set(ends) <= {signal.SIGKILL, 0}
    assert read_checkpoint(folder)["progress"]["epoch"] > 3, "the lives were too short to get anywhere"
    assert live(config, None) == 0
    run(small_config("kp", **changes, base_out_path=str(undisturbed)), silent)
    one, other = read_checkpoint(undisturbed), read_checkpoint(folder)
    assert one["progress"] == other["progress"]
    for key in ("model", "average"):
        assert one[key].keys() == other[key].keys()
        for name, value in one[key].items():
            assert value.equal(other[key][name]), name
    for number, state in one["optimizer"]["state"].items():
        for name, value in state.items():
            assert value.equal(other["optimizer"]["state"][number][name])
    leftovers = [path.name for path in folder.glob("*.pt")]
    assert len(leftovers) == 4, leftovers  # last, best, and two numbered
