"""Files that an earlier layout of the code wrote are read with the same results.

``tests/fixtures/before_the_house/record.py`` wrote them, and says with which code. What is only read is
compared to the bit. Where the present code computes (a training epoch, a prediction, a resampled image), sums
depend on the machine's kernels, and the comparison has a tolerance.
"""

import hashlib
import json
import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest

from s2hand import checkpoints
from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.cli import main
from s2hand.config import load_config
from s2hand.datasets import ShardDataset, read_detections
from s2hand.evaluation.compare import compare_runs

FOLDER = Path(__file__).parent / "fixtures/before_the_house"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
TEXTS = {"image", "hand", "focal_source", "looked_at", "refined"}
METRES = 1e-5
PIXELS = 2e-3


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    """The checkpoint of a whole network with averaged weights."""
    path = tmp_path_factory.mktemp("older") / "hands.pt"
    path.write_bytes(lzma.decompress((FOLDER / "hands.pt.xz").read_bytes()))
    return path


def digest(value) -> str:
    """SHA-256 of an array's type, shape and bytes."""
    array = np.ascontiguousarray(value)
    head = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()


def digests(tensors: dict) -> str:
    """One SHA-256 for a network's weights, whatever their names."""
    return hashlib.sha256("".join(sorted(digest(value) for value in tensors.values())).encode()).hexdigest()


def test_checkpoint_with_its_average(hands):
    assert digests(read_checkpoint(hands)["model"]) == EXPECTED["raw_hands"]
    network = checkpoints.open(hands, device="cpu")
    assert digests(network.model.state_dict()) == EXPECTED["hands"] != EXPECTED["raw_hands"]


def test_run_folder():
    state = read_checkpoint(FOLDER / "run/checkpoint_last.pt")
    assert {name: digests(state[name]) for name in ("model", "average")} == EXPECTED["run"]
    curves = compare_runs([FOLDER / "run"]).runs[0].curves
    expected = EXPECTED["figures"].items()
    assert curves == {name: {epoch: value for epoch, value in points} for name, points in expected}
    config = load_config(FOLDER / "run/config.json", {"folder_base_path": str(FOLDER / "photos")})
    assert (config.total_epochs, config.ema_decay, config.losses) == (2, 0.5, ("hm_integral",))


def test_run_goes_on(tmp_path, monkeypatch):
    shutil.copytree(FOLDER / "run", tmp_path / "run")
    shutil.copytree(FOLDER / "photos", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(FOLDER / "run.json"), "--set", "total_epochs=3"]) == 0
    records = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    written = {record["kind"]: record for record in records if record["epoch"] == 3}
    assert [record["epoch"] for record in records] == [1, 1, 2, 2, 3, 3]
    for kind, name in (("train", "hm_integral"), ("evaluation", "heatmap_to_detector_px")):
        assert written[kind][name] == pytest.approx(EXPECTED["third_epoch"][kind][name], rel=1e-4)


def test_detections():
    found = read_detections(FOLDER / "photos/detections.json")
    expected = EXPECTED["detections"]
    assert [*found.names] == expected["names"]
    assert [*found.hands] == expected["hands"]
    assert vars(found.detector) == expected["detector"]
    assert [*found.unreadable] == expected["unreadable"]
    for name in ("keypoints", "confidence", "sizes", "boxes", "cameras"):
        assert digest(getattr(found, name)) == expected[name], name


def test_shards():
    shards = ShardDataset(FOLDER / "shards/training", image_size=32)
    assert len(shards) == len(EXPECTED["shards"]) == 2
    assert len(ShardDataset(FOLDER / "shards/evaluation")) == 2
    with np.load(FOLDER / "samples.npz") as samples:
        for index, record in enumerate(EXPECTED["shards"]):
            stored = shards.record(index)
            assert {name: digest(getattr(stored, name)) for name in record} == record
            for name, value in shards[index].items():
                tolerance = 1 if name == "image" else 1e-4
                expected = samples[f"{name}_{index}"]
                assert value.dtype == expected.dtype
                np.testing.assert_allclose(value * 1.0, expected * 1.0, atol=tolerance, err_msg=name)


def test_predictions(hands, tmp_path):
    found = [
        "--detections",
        str(FOLDER / "photos/detections.json"),
        "--device",
        "cpu",
        "--formats",
        "json,npz",
    ]
    assert main(["predict", str(hands), str(FOLDER / "photos"), "--out", str(tmp_path), *found]) == 0
    for name in ("album0/000000", "album0/000001"):
        earlier = json.loads((FOLDER / f"predicted/{name}.json").read_text())
        now = json.loads((tmp_path / f"{name}.json").read_text())
        assert now.keys() >= earlier.keys()
        assert {key: now[key] for key in TEXTS} == {key: earlier[key] for key in TEXTS}
        with np.load(FOLDER / f"predicted/{name}.npz") as old, np.load(tmp_path / f"{name}.npz") as new:
            assert {*new} >= {*old}
            for key in {*old} - TEXTS - {"about"}:
                tolerance = PIXELS if key in ("K", "keypoints_2d") else METRES
                np.testing.assert_allclose(new[key], old[key], atol=tolerance, rtol=1e-4, err_msg=key)
            for key in TEXTS:
                assert new[key] == old[key], key
