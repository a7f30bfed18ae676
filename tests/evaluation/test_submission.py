"""Submission files: orders, frames, the way back, and what is refused."""

import json
import zipfile

import numpy as np
import pytest

from s2hand.errors import S2HandError
from s2hand.evaluation import submission
from s2hand.evaluation.submission import read_submission, write_submission
from s2hand.skeleton import HO3D_TO_FREIHAND


@pytest.fixture
def hands():
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(4, 21, 3)).astype(np.float32)
    return joints, rng.normal(size=(4, 778, 3)).astype(np.float32)


@pytest.mark.parametrize("dataset", ["freihand", "ho3d"])
def test_round_trip(tmp_path, hands, dataset):
    archive = write_submission(tmp_path / "new" / "pred.json", *hands, dataset=dataset)
    assert archive == tmp_path / "new" / "pred.zip"
    for path in (archive, tmp_path / "new" / "pred.json"):
        for written, expected in zip(read_submission(path, dataset), hands, strict=True):
            np.testing.assert_allclose(written, expected, rtol=0, atol=1e-9)
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["pred.json", "pred.zip"]


def test_freihand_keeps_order_and_frame(tmp_path, hands):
    write_submission(tmp_path / "pred.json", *hands)
    joints, vertices = json.loads((tmp_path / "pred.json").read_text())
    np.testing.assert_allclose(joints, hands[0], atol=1e-9)
    np.testing.assert_allclose(vertices, hands[1], atol=1e-9)


def test_ho3d_has_its_order_and_opengl_axes_in_joints_and_vertices(tmp_path, hands):
    archive = write_submission(tmp_path / "pred.json", *hands, dataset="ho3d")
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["pred.json"]
        joints, vertices = (np.array(part) for part in json.loads(opened.read("pred.json")))
    for freihand_joint, ho3d_joint in enumerate(HO3D_TO_FREIHAND):
        expected = hands[0][:, freihand_joint] * [1, -1, -1]
        np.testing.assert_allclose(joints[:, ho3d_joint], expected, atol=1e-9)
    np.testing.assert_allclose(vertices, hands[1] * [1, -1, -1], atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j, v: (j[:, :20], v), "joints have shape"),
        (lambda j, v: (j, v[:3]), "vertices have shape"),
        (lambda j, v: (j[:0], v[:0]), "joints have shape"),
        (lambda j, v: (np.where(j == j[2, 3, 1], np.nan, j), v), "joints of hand 2 are not finite"),
        (lambda j, v: (j, np.where(v == v[1, 3, 1], np.inf, v)), "vertices of hand 1 are not finite"),
    ],
)
def test_what_no_server_takes_is_not_written(tmp_path, hands, change, message):
    with pytest.raises(S2HandError, match=message):
        write_submission(tmp_path / "pred.json", *change(*hands))
    assert list(tmp_path.iterdir()) == []


def test_unknown_dataset(tmp_path, hands):
    with pytest.raises(S2HandError, match="unknown dataset 'rhd'; expected one of freihand, ho3d"):
        write_submission(tmp_path / "pred.json", *hands, dataset="rhd")


@pytest.mark.parametrize("writer", ["_write_json", "_write_zip"])
def test_a_disk_that_garbles_is_noticed(tmp_path, hands, monkeypatch, writer):
    write = getattr(submission, writer)

    def garbled(path, *given):
        result = write(path, *given)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return result

    monkeypatch.setattr(submission, writer, garbled)
    with pytest.raises(OSError, match="read back differently"):
        write_submission(tmp_path / "pred.json", *hands)


def test_what_was_written_is_not_parsed_again(tmp_path, hands, monkeypatch):
    monkeypatch.setattr(json, "loads", None)
    assert write_submission(tmp_path / "pred.json", *hands).is_file()


def test_an_interrupted_write_leaves_the_old_file(tmp_path, hands, monkeypatch):
    write_submission(tmp_path / "pred.json", *hands)
    before = (tmp_path / "pred.json").read_bytes()

    def fail(path, joints, vertices):
        path.write_text("[[")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(submission, "_write_json", fail)
    with pytest.raises(OSError, match="No space left"):
        write_submission(tmp_path / "pred.json", hands[0] + 1, hands[1])
    assert (tmp_path / "pred.json").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pred.json", "pred.zip"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not valid JSON"),
        ("[[", "not valid JSON"),
        ("\ud800", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("{}", "holds dict; expected"),
        ("[1]", "holds a list of 1; expected"),
        ('["a", "b"]', "joints: expected numbers"),
        ('[[[["1", "2", "3"]]], [[[1, 2, 3]]]]', "joints: expected numbers .* got other values"),
        ("[[[[1e400, 2, 3]]], [[[1, 2, 3]]]]", "joints: expected finite numbers"),
        ("[[[[" + "9" * 4000 + ", 2, 3]]], [[[1, 2, 3]]]]", "joints: expected finite numbers"),
        ("[[[[" + "9" * 5000 + ", 2, 3]]], [[[1, 2, 3]]]]", "pred.json"),
        ("[[[[1, 2, 3]]], [[[1, 2]]]]", "vertices: expected shape"),
        ("[[[[1, 2, 3], [1, 2]]], [[[1, 2, 3]]]]", "got lists of unequal lengths"),
        ("[[[[1, 2, 3]]], [[[1, 2, 3]]]]", "joints have shape"),
        ("[null, null]", "joints: expected shape"),
    ],
)
def test_malformed_files(tmp_path, content, message):
    path = tmp_path / "pred.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(S2HandError, match=message):
        read_submission(path)


def test_malformed_archives(tmp_path):
    with pytest.raises(S2HandError, match="no such file"):
        read_submission(tmp_path / "none.zip")
    (tmp_path / "torn.zip").write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(S2HandError, match="not a sound zip file"):
        read_submission(tmp_path / "torn.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("results.json", "[]")
    with pytest.raises(S2HandError, match=r"expected pred\.json"):
        read_submission(tmp_path / "other.zip")


def test_archives_of_other_methods_and_bombs_are_not_unpacked(tmp_path):
    path = tmp_path / "pred.zip"
    for method, message in (
        (zipfile.ZIP_BZIP2, "neither stored nor deflated"),
        (zipfile.ZIP_DEFLATED, "unpacks from"),
    ):
        with zipfile.ZipFile(path, "w", method) as archive, archive.open("pred.json", "w") as member:
            for _ in range(65):
                member.write(b" " * (1 << 20))
        with pytest.raises(S2HandError, match=message) as error:
            submission.load_arrays(path)
        assert "\n" not in str(error.value)
