"""metrics.jsonl outlives its writer."""

import json
import multiprocessing
import os
import signal
import time
from itertools import pairwise

from s2hand.evaluation.run_records import read_records, read_run
from s2hand.training.reporting import RunRecorder


def record_forever(folder):
    recorder = RunRecorder(folder, tensorboard=False)
    for epoch in range(1, 1_000_000):
        recorder.record("train", {f"loss_{number}": epoch for number in range(50)}, epoch=epoch, step=epoch)


def test_every_record_is_on_disk_when_record_returns(tmp_path):
    recorder = RunRecorder(tmp_path, tensorboard=False)
    for epoch in (1, 2):
        recorder.record("train", {"total": 0.5, "texture": float("nan")}, epoch=epoch, step=epoch)
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
        assert len(lines) == epoch
        assert json.loads(lines[-1])["texture"] is None


def test_a_kill_loses_no_record_and_spoils_none(tmp_path):
    """Killed at five moments, each time begun anew: whole lines only, without a gap."""
    for kill in range(1, 6):
        process = multiprocessing.get_context("fork").Process(target=record_forever, args=(tmp_path,))
        process.start()
        deadline = time.monotonic() + 10
        size = (tmp_path / "metrics.jsonl").stat().st_size if kill > 1 else 0
        while time.monotonic() < deadline:
            if (tmp_path / "metrics.jsonl").is_file() and (tmp_path / "metrics.jsonl").stat().st_size > size:
                break
        time.sleep(0.001 * kill)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    records = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_bytes().splitlines()]
    epochs = [record["epoch"] for record in records]
    assert epochs.count(1) == 5
    assert all(after == 1 or after == before + 1 for before, after in pairwise(epochs))
    assert all(len(record) == 54 for record in records)


def test_a_torn_line_does_not_swallow_the_next_record(tmp_path):
    """As a full disk leaves it."""
    recorder = RunRecorder(tmp_path, tensorboard=False)
    recorder.record("train", {"total": 1.0}, epoch=1, step=1)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"kind": "train", "epoch": 2, "st')
    recorder.record("train", {"total": 3.0}, epoch=3, step=3)
    assert [record["epoch"] for record in read_records(tmp_path, [])] == [1, 3]
    run = read_run(tmp_path, "a")
    assert run.curves["train/total"] == {1: 1.0, 3: 3.0}
    assert "metrics.jsonl: line 2 is damaged and left out" in run.notes
