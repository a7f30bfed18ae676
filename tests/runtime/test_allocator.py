"""Freed memory stays with the process: a second round of the same blocks costs no page faults."""

import subprocess
import sys

import pytest

FAULTS = """
import os
import resource
from s2hand.runtime.allocator import keep_freed_memory

def faults_of_a_round(size=64 << 20):  # above every threshold of glibc's
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"x") * size
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults_of_a_round()
unset = faults_of_a_round()
kept = keep_freed_memory()
faults_of_a_round()
print(kept, unset, faults_of_a_round(), flush=True)
if os.fork() == 0:
    faults_of_a_round(128 << 20)  # more than the parent has kept
    print(faults_of_a_round(128 << 20), flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_a_second_round_faults_no_more():
    """In a process of its own, as the setting stays; a forked child gives memory back."""
    answer = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    kept, unset, set_, in_child = answer.stdout.split()
    if kept == "False":
        pytest.skip("this C library has no mallopt")
    assert int(unset) > 1000
    assert int(set_) < 100
    assert int(in_child) > 1000


def test_other_systems_are_left_alone(monkeypatch):
    from s2hand.runtime import allocator

    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("no library may be opened"))
    allocator._mallopt.cache_clear()
    assert allocator.keep_freed_memory() is False
    allocator._mallopt.cache_clear()
