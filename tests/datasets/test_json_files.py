"""JSON files: the fast parser reads and refuses as Python's, and arrays come back as they were."""

import gc
from contextlib import suppress

import numpy as np
import pytest

from s2hand.datasets.json_files import parse_json, read_json, write_json
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


@pytest.mark.parametrize("content", [b"[[1]]", b"[1,"])
@pytest.mark.parametrize("enabled", [True, False])
def test_parsing_leaves_the_garbage_collector_as_it_was(content, enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with suppress(DatasetError):
            parse_json(content, "a.json", remedy="mend it")
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


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
