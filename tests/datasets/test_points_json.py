import json

import numpy as np
import pytest

from s2hand.datasets import points_json
from s2hand.datasets.points_json import read_points
from s2hand.errors import DatasetError


@pytest.fixture
def points():
    return np.random.default_rng(0).uniform(-1, 1, (50, 7, 3)).round(4).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(points_json, "CACHED_FROM_BYTES", 0)
    monkeypatch.setattr(points_json, "BLOCK_BYTES", 700)


def write(path, points, **style):
    path.write_text(json.dumps(points.round(4).tolist(), **style))
    return path


def test_small_files_are_parsed_at_once(tmp_path, points):
    np.testing.assert_allclose(read_points(write(tmp_path / "p.json", points)), points, atol=1e-6)
    assert [file.name for file in tmp_path.iterdir()] == ["p.json"]


@pytest.mark.parametrize("style", [{}, {"separators": (",", ":")}, {"indent": 1}])
@pytest.mark.parametrize("block", [1, 64, 700, 1 << 20])
def test_large_files_are_mapped(tmp_path, points, style, block, small_blocks, monkeypatch):
    monkeypatch.setattr(points_json, "BLOCK_BYTES", block)
    path = write(tmp_path / "p.json", points[:6] if block == 1 else points, **style)
    mapped = read_points(path)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, np.asarray(json.loads(path.read_text()), np.float32))


def test_conversion_is_done_once_and_again_after_a_change(tmp_path, points, small_blocks, monkeypatch):
    path = write(tmp_path / "p.json", points)
    first = np.array(read_points(path))
    with monkeypatch.context() as patched:
        patched.setattr(points_json, "parse_json", lambda *_, **__: pytest.fail("parsed again"))
        np.testing.assert_array_equal(read_points(path), first)
    write(path, points[:20] + 1)
    assert read_points(path).shape == (20, 7, 3)
    assert len(list((tmp_path / ".s2hand_cache").iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[[1,2,3]],[[1,2,3]],[[1,2", "not valid JSON"),
        ("[[[1,2,3]],[[1,2,3],[4,5,6]]]", "expected"),
        ("[[[1,2,3]],[[1,2]]]", "expected"),
        ("[[[1,2,3]],[[1,2,NaN]]]", "finite numbers"),
        ('{"a": [[1,2,3]], "b": 1}', "expected|not valid"),
        ("[[[1,2,3]]] [[[4,5,6]]]", "not valid JSON"),
    ],
)
@pytest.mark.parametrize("block", [12, 1 << 20])
def test_broken_files_are_named_and_leave_no_cache(
    tmp_path, content, message, block, small_blocks, monkeypatch
):
    monkeypatch.setattr(points_json, "BLOCK_BYTES", block)
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(DatasetError, match=message) as caught:
        read_points(tmp_path / "p.json")
    assert "p.json" in str(caught.value)
    assert list((tmp_path / ".s2hand_cache").iterdir()) == []
