"""The standard streams: closed ones, ones without a reader, and names that are not valid text."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys


def open_closed_streams() -> None:
    """Connects closed standard streams (``>&-``) to the null device.

    Otherwise the next file that is opened gets the number of the closed stream, and receives what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 -- it takes the lowest free number


def print_anything() -> None:
    """Lets the streams escape what they cannot encode, such as names that are not valid UTF-8."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def tell_loading(what: str) -> None:
    """Says on a terminal what is loaded, as importing and reading it can take seconds."""
    if sys.stderr.isatty():
        print(f"s2hand: loading {what}", file=sys.stderr, flush=True)


def reader_left() -> bool:
    """Whether the reader of stdout or stderr has left, as `head` does."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # streams without a file, as in tests
            poll = select.poll()
            poll.register(stream.fileno(), select.POLLOUT)
            if any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
                return True
    return False


def silence_output() -> None:
    """Drops what is still buffered for stdout and stderr, which would fail again when Python ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(null, stream.fileno())
    os.close(null)
