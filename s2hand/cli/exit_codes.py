"""The exit codes of the ``s2hand`` command, beside 0."""

FAULT_FOUND = 1
"""Of `doctor` when a check failed."""

USAGE_ERROR = 2
"""An error that the user can fix, the same as argparse's."""

UNREADABLE = 3
"""Results are whole but for images that could not be used, each of which is named."""

NOTHING_FOUND = 4
"""Of a detection that could read all images and found no hand in any."""

DOUBTFUL = 4
"""With --strict, of a prediction with hands in doubt, or with photos without hands."""

INTERRUPTED = 130
"""After Ctrl-C, as shells report it."""

BROKEN_PIPE = 141
"""The reader of the output has left, as shells report it."""
