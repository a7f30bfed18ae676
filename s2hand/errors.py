"""The root of the project's own errors, and the one that every reader of data raises."""


class S2HandError(ValueError):
    """What the user can put right: the message is one line that says what, where and how.

    The command line prints the line alone and exits with code 2; every other exception is a fault of the
    program and keeps its traceback.
    """

    told = False
    """Whether another process of the run has told the user already; the command line then stays silent."""


class DatasetError(S2HandError):
    """Data on disk is missing or not what it should be; one line names file, expectation and remedy."""


class NetworkError(S2HandError, ValueError):
    """A network's parts or sizes are impossible or contradict each other."""


SHOWN_CHARACTERS = 80
"""Longest text that a message shows of a value."""

LARGEST_SHOWN = 1 << 64
"""Numbers beyond this are shown by their size."""


def shown(value: object) -> str:
    """A value that a file holds in place of the expected one, for a message.

    The ``repr`` of what a file holds may take endless work, more levels than Python allows, or thousands of
    digits, so only numbers and the beginning of a text are shown; anything else is named by its type.
    """
    if isinstance(value, str | bytes):
        return f"{value[:SHOWN_CHARACTERS]!r}{'...' if len(value) > SHOWN_CHARACTERS else ''}"
    if value is None or isinstance(value, bool | float):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < LARGEST_SHOWN else f"a number of {value.bit_length()} bits"
    return f"a value of type {type(value).__name__}"


LONGEST_REASON = 200
"""Characters of another library's message that ours quotes."""


def reason_of(error: BaseException) -> str:
    """What another library says is wrong with a file, on one line and in short; its type if it says nothing.

    Such messages may quote the file, and that at any length.
    """
    return " ".join(str(error)[: 2 * LONGEST_REASON].split())[:LONGEST_REASON] or type(error).__name__


def one_line(text: str) -> str:
    """A text on one line; what a terminal would obey or cannot show, as in names of files, is escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in " ".join(text.split())
    )
