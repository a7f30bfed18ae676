"""The ``s2hand`` command. Every sub-command is one function call, and an error of the user's is one line."""

from __future__ import annotations

import signal


def main(argv: list[str] | None = None) -> int:
    """Runs a sub-command.

    Args:
        argv: the arguments without the name of the program; default: those of the process.

    Returns:
        The exit code: 0; 1 if `doctor` found a fault; 2 for an error that the user can fix; 3 if `detect`,
        `predict` or `benchmark photos` left out unreadable files; 4 if `detect` found no hand at all; 130
        or 143 after SIGINT or SIGTERM; 141 if the reader of the output has left.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:  # until Ctrl-C can be answered in one line, it ends the process without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from s2hand.cli.dispatch import run

    exit_code = run(argv, catch_interrupts=usual)
    if usual and argv is None:  # Python is about to end
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return exit_code
