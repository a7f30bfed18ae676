"""Damaged files of every kind end in a clear error or load: no reader runs code, hangs, crashes or strays."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fuzzing.mutate import damage_bytes, damage_json, damage_pickle
from fuzzing.targets import TARGETS

CASES = int(os.environ.get("S2HAND_FUZZ_CASES", 80))
"""Of each kind of file; set the variable to 1000 for a thorough run, S2HAND_FUZZ_SEED to another number."""

SEED = os.environ.get("S2HAND_FUZZ_SEED", "0")


WATCH_CHECK = """
import os, pathlib, subprocess, sys, tempfile, time
from fuzzing import fuzz
from fuzzing.targets import Target

def misbehave(watch):
    folder = pathlib.Path(tempfile.mkdtemp()) / "case"
    folder.mkdir()
    readers = [
        lambda path: None,
        lambda path: pathlib.Path(folder.parent / "elsewhere").write_text(""),
        lambda path: os.system("true"),
        lambda path: subprocess.run(["true"]),
        lambda path: time.sleep(5),
        lambda path: [number for number in iter(int, 1)],
        lambda path: 1 / 0,
        lambda path: (path.parent / "canary").touch(),
    ]
    usual = fuzz.SECONDS_PER_CASE, fuzz.WAITED_SECONDS_PER_CASE
    fuzz.SECONDS_PER_CASE = fuzz.WAITED_SECONDS_PER_CASE = 0.2
    cases = [fuzz.run_case(Target("file", None, read, ()), folder, b"x", watch) for read in readers]
    fuzz.SECONDS_PER_CASE, fuzz.WAITED_SECONDS_PER_CASE = usual
    print("watch:", *(outcome.split()[0] for outcome in cases))

misbehave(fuzz.Watch())
sys.exit(fuzz.main())
"""


@pytest.mark.slow
def test_readers_survive_damaged_files():
    """In a process of its own, as a crash of the interpreter is among the things that must not happen."""
    tests = Path(__file__).parent
    command = [sys.executable, "-c", WATCH_CHECK, "--cases", str(CASES), "--seed", SEED]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    # The watch itself sees who writes elsewhere, starts a process, hangs, fails oddly or leaves a file.
    watched, *lines = done.stdout.splitlines()
    assert watched == "watch: loaded did did did took took raised left"
    assert [line.partition(":")[0] for line in lines] == list(TARGETS)
    for line in lines:
        counts = {outcome: int(count) for count, outcome in re.findall(r"(\d+) (loaded|refused)", line)}
        assert sum(counts.values()) == CASES, line
        assert counts["refused"] > CASES / 3, line


@pytest.mark.parametrize("mutate", [damage_bytes, damage_json, damage_pickle])
def test_damage_is_reproducible_and_real(mutate):
    sound = b'{"a": [1, 2, {"b": "c"}], "d": null}' * (1 if mutate is damage_json else 5)
    damaged = [mutate(sound, np.random.default_rng(seed)) for seed in range(50)]
    assert damaged == [mutate(sound, np.random.default_rng(seed)) for seed in range(50)]
    assert sum(content != sound for content in damaged) > 40
