"""Lines of decoders are dropped, all others reach the terminal."""

import os
import subprocess
import sys
import threading

import pytest

from s2hand.images import quiet_decoders as module
from s2hand.images.quiet_decoders import quiet_decoders

CORRUPT = b"Corrupt JPEG data: premature end of data segment\n"


def test_only_lines_of_decoders_are_dropped(capfd):
    with quiet_decoders():
        os.write(2, CORRUPT + b"s2hand: note: of another thread\n")
        os.write(2, b"LZWDecode: Strip 0.\n\nValueError: x\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "s2hand: note: of another thread\nValueError: x\nafter\n"


def test_contexts_of_several_threads_overlap(capfd):
    inside, leave = threading.Event(), threading.Event()

    def decode():
        with quiet_decoders():
            inside.set()
            leave.wait(60)
            os.write(2, CORRUPT)

    thread = threading.Thread(target=decode)
    thread.start()
    assert inside.wait(60)
    with quiet_decoders():
        os.write(2, CORRUPT + b"kept\n")
    leave.set()
    thread.join()
    assert capfd.readouterr().err == "kept\n"
    assert (module._depth, module._held) == (0, [])


def test_an_error_gives_the_terminal_back(capfd):
    with pytest.raises(KeyboardInterrupt), quiet_decoders():
        raise KeyboardInterrupt
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_closed_streams_and_forks():
    code = """
import os
from s2hand.images.quiet_decoders import quiet_decoders
with quiet_decoders():
    if not os.fork():
        os.write(2, b"of the child\\n")
        os._exit(0)
    os.wait()
os.close(2)
with quiet_decoders():
    print("closed")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("closed\n", "of the child\n")
