"""Checkpoints: whole or not at all, and never believed when damaged."""

import errno
import io
import os
import signal
from pathlib import Path

import pytest
import torch

from s2hand.checkpoints import checkpoint
from s2hand.checkpoints.checkpoint import (
    BEST,
    LAST,
    CheckpointError,
    CheckpointKeeper,
    newest_sound,
    read_checkpoint,
    write_checkpoint,
)


def state(value: float) -> dict:
    return {"model": {"weight": torch.full((64, 64), float(value))}, "progress": {"epoch": 3, "best": None}}


def test_what_is_written_comes_back(tmp_path):
    write_checkpoint(tmp_path / "a.pt", state(1.5))
    found = read_checkpoint(tmp_path / "a.pt")
    assert found["model"]["weight"].eq(1.5).all()
    assert found["progress"] == {"epoch": 3, "best": None}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(tmp_path, share):
    path = tmp_path / "a.pt"
    write_checkpoint(path, state(1))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        read_checkpoint(path)


def test_a_flipped_bit_in_the_weights_is_noticed(tmp_path):
    path = tmp_path / "a.pt"
    write_checkpoint(path, state(1))
    content = bytearray(path.read_bytes())
    content[content.index(torch.ones(16).numpy().tobytes()) + 40] ^= 4
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        read_checkpoint(path)


class Malicious:
    def __reduce__(self):
        return (open, ("/tmp/s2hand-must-not-exist", "w"))


def test_pickled_code_and_foreign_files_are_refused(tmp_path):
    torch.save({"format": "s2hand-checkpoint-1", "model": Malicious()}, tmp_path / "code.pt")
    torch.save({"model": {}}, tmp_path / "foreign.pt")
    for name in ("code.pt", "foreign.pt", "missing.pt"):
        with pytest.raises(CheckpointError, match=name):
            read_checkpoint(tmp_path / name)


def test_the_newest_sound_checkpoint_of_a_run_is_used(tmp_path):
    said = []
    keeper = CheckpointKeeper(tmp_path, keep=2, say=said.append)
    assert keeper.load_newest() is None
    for epoch in (1, 2, 3):
        keeper.save(state(epoch), epoch)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("checkpoint_0002.pt", "checkpoint_0003.pt", LAST)
    ]
    # A new file replaces the last one: the numbered copies share its content, not its fate.
    write_checkpoint(tmp_path / LAST, state(4))
    (tmp_path / LAST).write_bytes(b"PK damaged")
    assert newest_sound(tmp_path)[0].name == "checkpoint_0003.pt"
    assert keeper.load_newest()["model"]["weight"][0, 0] == 3
    assert [line.split(": ")[0] for line in said] == [f"passed over {tmp_path / LAST}"]
    for path in tmp_path.glob("*.pt"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="damaged"):
        keeper.load_newest()
    write_checkpoint(tmp_path / BEST, state(2))
    assert keeper.load_newest()["model"]["weight"][0, 0] == 2


def test_epochs_of_five_digits_come_last(tmp_path):
    keeper = CheckpointKeeper(tmp_path, keep=2)
    for epoch in (9998, 9999, 10000):
        keeper.save(state(epoch), epoch)
    (tmp_path / LAST).unlink()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["checkpoint_10000.pt", "checkpoint_9999.pt"]
    assert newest_sound(tmp_path)[0].name == "checkpoint_10000.pt"


def test_a_full_disk_costs_only_the_new_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    write_checkpoint(path, state(1))

    class FullDisk(io.FileIO):
        def write(self, content):
            if self.tell() + len(content) > 1000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda file, mode: FullDisk(file, mode))
        with pytest.raises(
            CheckpointError, match=r"a\.pt: cannot be written \(No space left on device\); free"
        ):
            write_checkpoint(path, state(2))
    assert [file.name for file in tmp_path.iterdir()] == ["a.pt"]
    assert read_checkpoint(path)["model"]["weight"][0, 0] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_what_a_kill_leaves_is_gone_after_the_next_save(tmp_path, monkeypatch):
    keeper = CheckpointKeeper(tmp_path)
    keeper.save(state(1), 1, best=True)
    before = sorted(file.name for file in tmp_path.iterdir())

    def killed(content, file):
        file.write(b"half")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(2):
        if (child := os.fork()) == 0:
            monkeypatch.setattr(checkpoint.torch, "save", killed)
            keeper.save(state(2), 1, best=True)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
    left = [file for file in tmp_path.iterdir() if file.name not in before]
    assert len(left) == 1  # not one for every kill
    assert keeper.load_newest()["model"]["weight"][0, 0] == 1
    keeper.save(state(3), 1, best=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_copy_that_a_kill_left_without_its_name_is_gone_too(tmp_path, monkeypatch):
    """The run goes on behind that epoch, so nobody writes this file again."""
    keeper = CheckpointKeeper(tmp_path)
    keeper.save(state(1), 1)
    replace = os.replace

    def killed_at_the_copy(source, target):
        if Path(target).name == "checkpoint_0002.pt":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "replace", killed_at_the_copy)
        keeper.save(state(2), 2)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert (tmp_path / ".checkpoint_0002.partial.pt").exists()
    keeper.save(state(3), 3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["checkpoint_0001.pt", "checkpoint_0003.pt", LAST]
