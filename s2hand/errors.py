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
