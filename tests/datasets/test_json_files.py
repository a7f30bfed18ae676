"""JSON files: the fast parser reads and refuses as Python's, and arrays come back as they were."""

import numpy as np
import pytest

from s2hand.datasets.json_files import as_array, parse_json, read_json, write_json
from s2hand.errors import DatasetError


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\xc3\xbc"]}', {"a": [1, 2.5, None, True, "ü"]}),
        (b"\xef\xbb\xbf[1]", [1]),
        ("[1]".encode("utf-16"), [1]),
        (b"[-Infinity]", [-np.inf]),
        (b'"\\ud800"', "\ud800"),
    ],
)
def test_all_that_python_reads_is_read(content, value):
    assert parse_json(content, "a.json", remedy="mend it") == value


def test_broken_json_is_named():
    with pytest.raises(DatasetError, match=r"^a\.json is not valid JSON \(Expecting value.*\): mend it$"):
        parse_json(b"[1,", "a.json", remedy="mend it")


WIDE_TEXT = ["9" * 100_000] + ["1"] * 100_000
"""NumPy would give every element of this list the room of the longest: 40 GB."""


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([["1", 2]], "numbers of shape .N, 2., got other values among them"),
        ([[True, 2]], "got other values among them"),
        ([[None, 2]], "got other values among them"),
        ({"a": 1}, "got other values"),
        (None, "shape .N, 2., got .."),
        ("12", "shape .N, 2., got .."),
        ([[1, 2], [3]], "got lists of unequal lengths"),
        ([[1, 2], 3], "got lists of unequal lengths"),
        ([WIDE_TEXT], "got other values"),
        (WIDE_TEXT, "shape .N, 2., got .100001,."),
        ([[10**400, 2]], "finite numbers"),
        ([[1e39, 2]], "finite numbers"),
        ([[float("nan"), 2]], "finite numbers"),
        ([[[1, 2]]], "shape .N, 2., got .1, 1, 2."),
        ([[1, 2, 3]], "shape .N, 2., got .1, 3."),
    ],
)
def test_only_numbers_become_arrays(value, message):
    with pytest.raises(DatasetError, match=f"a.json: expected .*{message}"):
        as_array(value, (None, 2), what="a.json")


def test_numbers_keep_their_precision():
    value = [[0.1, 1 / 3], [1, 2**53]]
    np.testing.assert_array_equal(as_array(value, (None, 2), what="", dtype=np.float64), value)
    np.testing.assert_array_equal(as_array(value, (None, 2), what=""), np.float32(value))
    assert as_array([], (None, 21, 2), what="").shape == (0, 21, 2)


@pytest.mark.parametrize("digits", [4000, 5000])
def test_numbers_of_thousands_of_digits_are_refused(tmp_path, digits):
    (tmp_path / "a.json").write_text("[[" + "9" * digits + ", 1]]")
    with pytest.raises(DatasetError, match=r"a\.json") as caught:
        as_array(read_json(tmp_path / "a.json", remedy="mend it"), (None, 2), what=str(tmp_path / "a.json"))
    assert len(str(caught.value)) < 500


def test_arrays_come_back_bit_for_bit(tmp_path):
    random = np.random.default_rng(0)
    pixels = random.uniform(-50, 4000, (20_000, 2)).astype(np.float32)
    shares = random.uniform(0, 1, 20_000).astype(np.float32) ** 2
    write_json(tmp_path / "new folder" / "a.json", {"pixels": pixels, "shares": shares})
    back = read_json(tmp_path / "new folder" / "a.json", remedy="")
    np.testing.assert_array_equal(np.float32(back["pixels"]), pixels)
    np.testing.assert_array_equal(np.float32(back["shares"]), shares)


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path):
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", [object()])
    assert read_json(tmp_path / "a.json", remedy="") == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
