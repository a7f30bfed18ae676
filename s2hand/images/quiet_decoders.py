"""Keeps the lines that decoders of images and videos print themselves off the terminal.

The C libraries within OpenCV and Pillow write to file descriptor 2 when an image is damaged, and sometimes
when it is sound. What is wrong with an image is told by our own errors, in one line. While a decoder runs,
the descriptor leads to memory; what other threads write meanwhile is passed on afterwards.
"""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

STDERR = 2

DECODER_LINE = re.compile(
    rb"\s*$|Corrupt JPEG data|Premature end of JPEG|Unsupported marker type|Invalid SOS parameters|"
    rb"Inconsistent progression sequence|Unknown Adobe color|Warning: unknown JFIF|Application transferred|"
    rb"libpng |\[ ?(WARN|ERROR|INFO):|\[[\w,. -]+ @ 0x|: |"
    rb"(_?TIFF|LZW|ZIP|PackBits|ZSTD|LZMA|LERC|WebP|Fax|CCITT|O?JPEG|Log|Pixar|Predictor|Thunder|NeXT|Dump)"
    rb"\w*: "
)
"""How the lines of libjpeg (jerror.h), libpng, OpenCV's own log, FFmpeg and libtiff (its functions' names)
begin."""

_lock = threading.Lock()
_held: list[tuple[int, int]] = []
"""What the outermost context holds: the terminal's descriptor and that of the memory in its place."""
_depth = 0


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """A context in which decoders print nothing; safe with threads, which share one descriptor."""
    _hold()
    try:
        yield
    finally:
        _release()


def _hold() -> None:
    global _depth
    with _lock:
        _depth += 1
        if _depth > 1:
            return
        with suppress(OSError):  # stderr is closed, or there is no room: then nothing is held back
            terminal = os.dup(STDERR)
            try:
                memory = _memory()
                os.dup2(memory, STDERR)
            except OSError:
                os.close(terminal)
                raise
            _held.append((terminal, memory))


def _release() -> None:
    global _depth
    with _lock:
        _depth -= 1
        if _depth or not _held:
            return
        terminal, memory = _held.pop()
        try:
            os.dup2(terminal, STDERR)
            _pass_on(memory)
        finally:
            os.close(terminal)
            os.close(memory)


def _memory() -> int:
    """The descriptor of an empty file that has no name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("stderr")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _pass_on(memory: int) -> None:
    """Writes what did not come from a decoder."""
    size = os.lseek(memory, 0, os.SEEK_END)
    if not size:
        return
    os.lseek(memory, 0, os.SEEK_SET)
    lines = os.read(memory, size).splitlines(keepends=True)
    others = b"".join(line for line in lines if not DECODER_LINE.match(line))
    with suppress(OSError):  # whoever wrote them has been told of success, as with a buffered stream
        if others:
            os.write(STDERR, others)


def _forget_in_child() -> None:
    """A process that was forked while a decoder ran gets the terminal back."""
    global _lock, _depth
    _lock, _depth = threading.Lock(), 0
    while _held:
        terminal, memory = _held.pop()
        os.dup2(terminal, STDERR)
        os.close(terminal)
        os.close(memory)


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forget_in_child)
