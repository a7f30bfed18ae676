"""The exit codes of the ``s2hand`` command, beside 0."""

FAULT_FOUND = 1
"""A check of `s2hand doctor` failed."""

USAGE_ERROR = 2
"""An error that the user can fix, the same as argparse's."""

UNREADABLE = 3
"""Results are whole but for images that could not be used, which are named."""

NOTHING_FOUND = 4
"""A detection could read all images and found no hand in any."""

DOUBTFUL = 4
"""With --strict: a prediction has hands in doubt, or photos without hands."""

INTERRUPTED = 130
"""After Ctrl-C, as shells report it."""

BROKEN_PIPE = 141
"""The reader of the output has left, as shells report it."""
