"""The one error of this package and the checks that raise it."""

from pathlib import Path

from s2hand.errors import S2HandError


class DatasetError(S2HandError):
    """Data on disk is missing or not what it should be; one line names file, expectation and remedy."""


def require_folder(path: str | Path, *, key: str, expected: str) -> Path:
    """Returns ``path`` if it is a folder.

    Args:
        path: the dataset's folder.
        key: the config key that names it.
        expected: what should lie there, for the message.

    Raises:
        DatasetError: it is not a folder; the message says which key to set.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise DatasetError(f'no folder {folder}: set "{key}" to {expected}')
    return folder


def require_file(path: str | Path, *, remedy: str) -> Path:
    """Returns ``path`` if it is a file.

    Raises:
        DatasetError: it is not a file; the message ends with ``remedy``.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise DatasetError(f"no file {file}: {remedy}")
    return file
