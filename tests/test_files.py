"""Files are whole or as they were, and known by their content."""

import errno
import hashlib
import os

import pytest

from s2hand.files import BLOCK_BYTES, inside_folder, sha256_of_file, write_text_whole, written_whole


def write_half(path):
    with written_whole(path) as partial:
        partial.write_bytes(b"half")
        raise KeyboardInterrupt


def test_an_interrupted_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"whole")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    assert path.read_bytes() == b"whole"


def test_text_is_written_with_its_folder(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    for text in ("first", "zwölf\n"):
        write_text_whole(path, text)
    assert path.read_bytes() == "zwölf\n".encode()
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 7])
def test_the_hash_is_that_of_the_whole_file(tmp_path, size):
    content = bytes(index % 251 for index in range(size))
    (tmp_path / "a").write_bytes(content)
    assert sha256_of_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_errors_without_a_name_get_the_files(tmp_path):
    with pytest.raises(OSError) as caught, written_whole(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("a.jpg", "a.jpg"),
        ("trip/ü b.jpg", "trip/ü b.jpg"),
        ("./trip//a.jpg", "trip/a.jpg"),
        ("trip/../a.jpg", "a.jpg"),
        ("...", "..."),
        ("a..b/.hidden", "a..b/.hidden"),
        ("", None),
        (".", None),
        ("trip/..", None),
        ("..", None),
        ("../x.jpg", None),
        ("trip/../../x.jpg", None),
        ("/abs/x.jpg", None),
        ("//x.jpg", None),
        ("a\0.jpg", None),
        ("\ud800.jpg", None),
    ],
)
def test_names_inside_a_folder(name, inside):
    assert inside_folder(name) == inside


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_only_files_are_replaced(tmp_path, make):
    """Renamed over it, a file would take the place of a pipe, and for root even that of /dev/null."""
    path = tmp_path / "out.json"
    make(path)
    with pytest.raises(FileExistsError, match=r"cannot be replaced by one.*out\.json"):
        write_text_whole(path, "{}")
    assert not path.is_file()
    assert list(tmp_path.iterdir()) == [path]
