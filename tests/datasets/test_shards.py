"""Shards hold what their source holds: every bit of every sample, in the same epoch, by the same number."""

import json
import shutil
import tarfile
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import webdataset
from support.made_up_freihand import write_freihand
from support.made_up_ho3d import write_ho3d
from support.own_photos import folder_dataset

from s2hand.datasets import AugmentationConfig, FreiHandDataset, make_loader
from s2hand.datasets.combined import CombinedDataset
from s2hand.datasets.ho3d import Ho3dDataset
from s2hand.datasets.shards.dataset import ShardDataset, windowed_order
from s2hand.datasets.shards.index import read_index, shard_folders
from s2hand.datasets.shards.writer import write_shards
from s2hand.errors import DatasetError

AUGMENT = AugmentationConfig(rotation_deg=180, brightness=0.2, hue_deg=10)
COMMON = {"augment": AUGMENT, "image_size": 24, "seed": 3}
ALL_LABELS = ("joints", "vertices", "mask", "scale")
MEGABYTES = 0.1
"""Some three samples a tar."""


@pytest.fixture(scope="module")
def source(freihand_folder):
    return FreiHandDataset(freihand_folder, labels=ALL_LABELS, **COMMON)


@pytest.fixture(scope="module")
def folder(source, tmp_path_factory):
    """Shards of it that tests must not change."""
    folder = tmp_path_factory.mktemp("shards")
    summary = write_shards(source, folder, megabytes=MEGABYTES, progress=False)
    assert (summary.samples, summary.reused, summary.unreadable) == (12, 0, 0)
    assert 3 <= summary.shards <= 6
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_equal_samples(dataset, other):
    assert len(dataset) == len(other)
    for index in range(len(dataset)):
        sample, expected = dataset[index], other[index]
        assert sample.keys() == expected.keys()
        for name, value in expected.items():
            assert sample[name].dtype == value.dtype
            np.testing.assert_array_equal(sample[name], value, err_msg=f"{name} of sample {index}")


def test_samples_are_those_of_the_source_in_every_epoch(source, folder):
    shards = ShardDataset(folder, **COMMON)
    for epoch in (0, 7):
        source.set_epoch(epoch)
        shards.set_epoch(epoch)
        assert_equal_samples(shards, source)
    source.set_epoch(0)


def test_crops_that_training_draws_are_drawn_from_shards_too(tmp_path):
    source = Ho3dDataset(write_ho3d(tmp_path / "ho3d"), labels={"joints", "scale"}, **COMMON)
    write_shards(source, tmp_path / "shards", progress=False)
    assert_equal_samples(ShardDataset(tmp_path / "shards", **COMMON), source)
    still = Ho3dDataset(tmp_path / "ho3d", labels={"joints", "scale"}, image_size=24)
    assert_equal_samples(ShardDataset(tmp_path / "shards", image_size=24), still)


def test_own_photos_keep_their_hand_and_their_orientation(photo_folder, tmp_path):
    """Left hands are mirrored and EXIF is obeyed when shards are read, as when photos are."""
    source = folder_dataset(photo_folder / "training", val_share=0, min_joints=0, **COMMON)
    summary = write_shards(source, tmp_path, max_unreadable_share=0.5, progress=False)
    shards = ShardDataset(tmp_path, **COMMON)
    mirrored = set()
    for index in range(len(source)):
        try:
            expected = source[index]
        except DatasetError:
            with pytest.raises(DatasetError):
                shards[index]
            summary = replace(summary, unreadable=summary.unreadable - 1)
            continue
        mirrored.add(bool(expected["mirrored"]))
        for name, value in expected.items():
            np.testing.assert_array_equal(shards[index][name], value, err_msg=name)
    assert mirrored == {True, False}
    assert summary.unreadable == 0


def test_pictures_are_copied_byte_by_byte(source, folder):
    shards = ShardDataset(folder)
    for index in range(len(source)):
        assert shards.record(index).image_path.read_bytes() == source.image_path(index).read_bytes()
        assert shards.image_path(index).parts[-2].startswith("shard-00000")


def test_webdataset_streams_them(source, folder):
    tars = [str(folder / name) for name in read_index(folder).files]
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [f"{index:08d}" for index in range(12)]
    for index, sample in enumerate(samples):
        record = source.record(index)
        np.testing.assert_array_equal(np.array(sample["json"]["K"], np.float32), record.K)
        np.testing.assert_array_equal(
            np.array(sample["json"]["keypoints_2d"], np.float32), record.keypoints_2d
        )
        np.testing.assert_array_equal(np.array(sample["labels.json"]["joints"], np.float32), record.joints)
        assert sample["jpg"].shape == (96, 96, 3)
        assert sample["mask.jpg"].shape[:2] == (96, 96)


def test_labels_are_read_only_if_asked_for(folder, monkeypatch):
    shards = ShardDataset(folder, labels=(), **COMMON)
    opened = []
    member = shards.member
    monkeypatch.setattr(shards, "member", lambda role, index: opened.append(role) or member(role, index))
    assert "gt_joints" not in shards[0]
    assert set(opened) == {"annotations", "image"}
    assert ShardDataset(folder, labels=("joints",), **COMMON)[0].keys() >= {"gt_joints", "gt_keypoints_2d"}


def test_labels_that_are_not_there_are_named(freihand_folder, tmp_path):
    write_shards(FreiHandDataset(freihand_folder), tmp_path, progress=False)
    with tarfile.open(tmp_path / "shard-000000.tar") as tar:
        assert not any(name.endswith(".labels.json") for name in tar.getnames())
    with pytest.raises(DatasetError, match="holds no joints: write the shards again with --labels joints"):
        ShardDataset(tmp_path, labels=("joints",))


def test_writing_twice_gives_the_same_bytes(source, folder, tmp_path):
    write_shards(source, tmp_path, megabytes=MEGABYTES, progress=False)
    assert contents(tmp_path) == contents(folder)


def test_writing_goes_on_where_it_stopped(source, folder, tmp_path, monkeypatch):
    """Killed within the third tar: the first two stay, and the end result is the same."""
    first_two = sum(read_index(folder).counts[:2])
    record = source.record

    def interrupted(index, random):
        if index == first_two + 1:
            raise KeyboardInterrupt
        return record(index, random)

    with monkeypatch.context() as patch:
        patch.setattr(source, "record", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_shards(source, tmp_path, megabytes=MEGABYTES, progress=False)
    assert sorted(path.name for path in tmp_path.glob("shard-*")) == ["shard-000000.tar", "shard-000001.tar"]
    with pytest.raises(DatasetError, match=r"no file .*index\.json: write the shards"):
        ShardDataset(tmp_path)
    assert write_shards(source, tmp_path, megabytes=MEGABYTES, progress=False).reused == 2
    assert contents(tmp_path) == contents(folder)


def test_other_shards_are_replaced_only_when_told_to(source, tmp_path, freihand_folder):
    write_shards(source, tmp_path, megabytes=MEGABYTES, progress=False)
    before = contents(tmp_path)
    other = FreiHandDataset(freihand_folder, controlled_size=4)
    count = read_index(tmp_path).counts[0]
    first_tar = FreiHandDataset(freihand_folder, labels=ALL_LABELS, controlled_size=count)
    for dataset, megabytes in ((other, MEGABYTES), (source, 1.0), (first_tar, MEGABYTES)):
        with pytest.raises(DatasetError, match=r"other data or settings.*--overwrite"):
            write_shards(dataset, tmp_path, megabytes=megabytes, progress=False)
    assert contents(tmp_path) == before
    write_shards(first_tar, tmp_path / "grown", megabytes=1.0, progress=False)
    with pytest.raises(DatasetError, match="other data"):  # its tar has room for the next samples
        write_shards(source, tmp_path / "grown", megabytes=1.0, progress=False)
    shutil.rmtree(tmp_path / "grown")
    write_shards(other, tmp_path, overwrite=True, progress=False)
    assert len(ShardDataset(tmp_path)) == 4
    assert sorted(contents(tmp_path)) == ["index.json", "shard-000000.tar"]


def flip_byte(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0x40]))


@pytest.mark.parametrize("role", ["annotations", "image", "labels", "mask"])
def test_damaged_members_are_named_and_tolerated(source, tmp_path, role, capsys):
    write_shards(source, tmp_path, megabytes=MEGABYTES, progress=False)
    member = ShardDataset(tmp_path).member(role, 5)
    flip_byte(member.tar, member.offset + member.size // 2)
    shards = ShardDataset(tmp_path, **COMMON)
    with pytest.raises(DatasetError, match=rf"{member.tar.name}: {member.name} is damaged"):
        shards[5]
    tolerant = CombinedDataset([shards], 0.1)
    assert int(tolerant[5]["index"]) == 6
    assert f"sample 5 left out: {member} is damaged" in capsys.readouterr().err


def test_tars_that_are_missing_or_cut_short_are_found_at_once(source, tmp_path):
    write_shards(source, tmp_path, megabytes=MEGABYTES, progress=False)
    tar = tmp_path / "shard-000001.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:-2000])
    with pytest.raises(DatasetError, match=r"shard-000001\.tar is cut short"):
        ShardDataset(tmp_path)
    tar.unlink()
    with pytest.raises(DatasetError, match=r"no file .*shard-000001\.tar"):
        ShardDataset(tmp_path)
    index = json.loads((tmp_path / "index.json").read_text())
    index["shards"][1]["file"] = "x" * 300  # longer than a name can be
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(DatasetError, match=r"index\.json is damaged .* is not the name of a file"):
        ShardDataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.update(format="x"), "expected the format"),
        (lambda index: index["shards"][0].pop("members"), "is damaged .KeyError: 'members'"),
        (lambda index: index["shards"][0].update(samples=99), "expected 99 members"),
        (lambda index: index["shards"][0].update(file="../x.tar"), "not the name of a file"),
        (lambda index: index["shards"][0].update(file="/x.tar"), "not the name of a file"),
        (lambda index: index["shards"][0].update(file="\0"), "not the name of a file"),
        (lambda index: index["shards"][0].update(file="\ud800.tar"), "not the name of a file"),
        (lambda index: index["shards"][0].update(samples="4"), "must be whole numbers"),
        (lambda index: index["shards"][0].update(bytes=1.5), "must be whole numbers"),
        (
            lambda index: index["shards"][0]["members"]["image"]["size"].__setitem__(0, 2**62),
            "outside of its tar",
        ),
        (lambda index: index["shards"][0]["members"]["mask"]["crc32"].__setitem__(0, "1"), "must be whole"),
        (lambda index: index["shards"][0]["members"]["mask"]["crc32"].__setitem__(0, 2**70), "whole numbers"),
        (
            lambda index: index["shards"][0]["members"]["image"]["suffix"].__setitem__(0, "." * 99),
            "at most 32",
        ),
        (lambda index: index["shards"].clear(), "is damaged"),
        (
            lambda index: index["shards"][0]["members"]["image"]["offset"].__setitem__(0, -1),
            "must be whole numbers from 0",
        ),
        (lambda index: index["shards"][0]["members"]["image"].update(size="abc"), "is damaged"),
    ],
)
def test_damaged_indices_are_one_line(folder, tmp_path, change, message):
    index = json.loads((folder / "index.json").read_text())
    change(index)
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(DatasetError, match=message) as caught:
        read_index(tmp_path)
    assert "\n" not in str(caught.value)


def rewritten(folder, role, index, content):
    """The shards with one member's content replaced, and a checksum that fits."""
    listing = json.loads((folder / "index.json").read_text())
    members = listing["shards"][0]["members"][role]
    tar = folder / listing["shards"][0]["file"]
    members["offset"][index] = tar.stat().st_size
    members["size"][index], members["crc32"][index] = len(content), zlib.crc32(content)
    with tar.open("ab") as file:
        file.write(content)
    listing["shards"][0]["bytes"] = tar.stat().st_size
    (folder / "index.json").write_text(json.dumps(listing))
    return ShardDataset(folder, **COMMON)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K": None}, "K: expected shape"),
        ({"K": [[1, 0], [0, 1]]}, r"K: expected shape \(3, 3\)"),
        ({"K": [[float("nan")] * 3] * 3}, "K: expected finite numbers"),
        ({"K": [[0, 0, 0]] * 3}, "K must be"),
        ({"K": [["1", 0, 0], [0, 1, 0], [0, 0, 1]]}, "K: expected numbers"),
        ({"keypoints_2d": [[1, 2]] * 20}, r"keypoints_2d: expected shape \(21, 2\)"),
        ({"keypoints_2d": [[1e40, 2]] * 21}, "keypoints_2d: expected finite numbers"),
        ({"confidence": [1] * 22}, "confidence: expected shape"),
        ({"photometric_weight": float("inf")}, "photometric_weight: expected finite"),
        ({"photometric_weight": "1"}, "photometric_weight: expected numbers"),
        ({"crop": [0, 0, -5]}, "crop: expected left, top and side"),
        ({"crop": [0, 0]}, "crop: expected shape"),
        ({"crop": [1e300, 0, 5]}, "crop: expected left, top and side"),
        ({"size": [0, 5]}, "size: expected width and height"),
        ({"size": 7}, "size: expected width and height"),
        ({"size": [10**9, 5]}, "size: expected width and height"),
        ({"mirrored": "no"}, "mirrored: expected true or false"),
        ({"K": [[1e300, 0, 5], [0, 1e300, 5], [0, 0, 1]]}, "K: expected (pixels or metres|finite numbers)"),
        ({"keypoints_2d": [[1e20, 5.0]] * 21}, r"keypoints_2d: expected pixels or metres of at most 1e\+08"),
        ({"photometric_weight": 1e300}, "photometric_weight: expected pixels or metres of at most"),
        ({"mirrored": [[[]]]}, "mirrored: expected true or false, got a value of type list"),
        ({"joints": [[0, 0, 1]] * 21}, "joints: expected the type"),
        ({"dtypes": {}}, "expected the type float32 or float64, got None"),
        ({"dtypes": {"K": "object"}}, "expected the type float32 or float64, got 'object'"),
        ({"dtypes": {"K": "datetime64[ns]"}}, "expected the type"),
        ({"dtypes": {"K": ["float32"]}}, "expected the type"),
        ({"dtypes": 5}, "is not a sample's JSON"),
        ({"image_path": "/etc/passwd"}, "which this version does not know"),
    ],
)
def test_a_right_checksum_makes_no_sound_sample(folder, tmp_path, changes, message):
    """Every value is looked at; one line names shard and sample, and the next sample is not harmed."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    values = json.loads(ShardDataset(copy).member("annotations", 1).read_bytes())
    shards = rewritten(copy, "annotations", 1, json.dumps(values | changes).encode())
    with pytest.raises(DatasetError, match=message) as caught:
        shards[1]
    assert "shard-000000.tar: 00000001.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert shards[0]["K"].shape == (3, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"dtypes":{}}', "lacks K, confidence, keypoints_2d, photometric_weight"),
        (b"[" * 100_000, "is not valid JSON"),
        (b'{"K":' + b"[" * 5000 + b"]" * 5000 + b',"dtypes":{}}', "is not valid JSON"),
        (b'{"K":[[' + b"9" * 5000 + b"]]}", "is not valid JSON"),
        (b"[1]", "is not a sample's JSON"),
        (b"\xff\xfe", "is not valid JSON"),
    ],
)
def test_what_is_no_sample_is_refused_behind_a_right_checksum(folder, tmp_path, content, message):
    shards = rewritten(shutil.copytree(folder, tmp_path / "copy"), "annotations", 0, content)
    with pytest.raises(DatasetError, match=rf"shard-000000\.tar: 00000000\.json.* {message}"):
        shards[0]


def test_labels_that_a_member_lacks_are_named(folder, tmp_path):
    content = b'{"scale":1.0,"dtypes":{}}'
    shards = rewritten(shutil.copytree(folder, tmp_path / "copy"), "labels", 0, content)
    with pytest.raises(DatasetError, match=r"00000000\.labels\.json lacks joints, vertices"):
        shards[0]
    assert ShardDataset(shards.root, labels=("scale",), **COMMON)[0]["gt_scale"] == 1


@pytest.mark.parametrize("names", ["x", [], ["../elsewhere"], ["/abs"], ["a\0"], ["\ud800"], [5]])
def test_lists_of_folders_stay_inside(tmp_path, names):
    (tmp_path / "sets.json").write_text(json.dumps(names))
    with pytest.raises(DatasetError, match=r"sets\.json: expected a list of the names of folders"):
        shard_folders(tmp_path)


def test_unreadable_pictures_keep_their_numbers(tmp_path, capsys):
    root = write_freihand(tmp_path / "freihand")
    (root / "training/rgb/00000003.jpg").write_bytes(b"\xff\xd8 cut")
    (root / "training/rgb/00000004.jpg").unlink()
    source = FreiHandDataset(root)
    with pytest.raises(DatasetError, match=r"1 of 12 samples have an image that cannot be read.*sample 3"):
        write_shards(source, tmp_path / "strict", megabytes=0.001, progress=False)
    for unreadable_then in (2, 2):  # written, then found there
        summary = write_shards(source, tmp_path / "s", max_unreadable_share=0.2, progress=False)
        assert summary.unreadable == unreadable_then
    assert "sample 3 cannot be read: " in capsys.readouterr().err
    shards = ShardDataset(tmp_path / "s", image_size=24)
    assert int(shards[5]["index"]) == 5
    assert shards.image_path(3).name == "00000003.jpg"
    for index in (3, 4):
        with pytest.raises(DatasetError, match=rf"0000000{index}\.jpg is not an image"):
            shards[index]


def test_samples_without_a_record_keep_their_numbers(source, tmp_path, monkeypatch, capsys):
    record = source.record

    def failing(index, random=None):
        if index in (0, 5):
            raise DatasetError(f"no square about hand {index}")
        return record(index, random)

    monkeypatch.setattr(source, "record", failing)
    for reused in (0, 1):
        summary = write_shards(source, tmp_path, max_unreadable_share=0.2, progress=False)
        assert (summary.unreadable, summary.reused) == (2, reused)
    assert "sample 5 cannot be read: no square about hand 5" in capsys.readouterr().err
    shards = ShardDataset(tmp_path, **COMMON)
    assert shards.labels == set(ALL_LABELS)
    with pytest.raises(DatasetError, match="sample 5 has no annotations: it could not be read"):
        shards[5]
    np.testing.assert_array_equal(shards[6]["image"], source[6]["image"])


def epoch_batches(loader, start_batch=0):
    loader.set_epoch(2, start_batch)
    return [(batch.index, batch.image) for batch in loader]


@pytest.mark.parametrize("window", [None, 2])
def test_workers_ranks_and_resumption_are_exact(source, folder, window):
    """As of any dataset: nothing twice, nothing lost, the same from two workers and from the middle."""
    shards = ShardDataset(folder, window=window, **COMMON)
    settings = {"shuffle": True, "seed": 5}
    alone = epoch_batches(make_loader(shards, 4, **settings))
    loader = make_loader(shards, 4, num_workers=2, **settings)
    shared, rest = epoch_batches(loader), epoch_batches(loader, 2)
    loader.close()
    for other, expected in ((shared, alone), (rest, alone[2:])):
        assert len(other) == len(expected)
        for (indices, images), (expected_indices, expected_images) in zip(other, expected, strict=True):
            assert torch.equal(indices, expected_indices)
            assert torch.equal(images, expected_images)
    ranks = [epoch_batches(make_loader(shards, 2, rank=r, world_size=2, **settings)) for r in range(2)]
    seen = [set(torch.cat([indices for indices, _ in batches]).tolist()) for batches in ranks]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(12))
    if window is None:
        expected = epoch_batches(make_loader(source, 4, **settings))
        for (indices, images), (expected_indices, expected_images) in zip(alone, expected, strict=True):
            assert torch.equal(indices, expected_indices)
            assert torch.equal(images, expected_images)
        source.set_epoch(0)


def test_a_window_keeps_to_a_few_tars_at_a_time():
    counts = [5, 1, 7, 3, 4]
    block_of = np.repeat(np.arange(5), counts)
    orders = [windowed_order(counts, 2, np.random.default_rng(seed)) for seed in range(20)]
    for order in orders:
        assert sorted(order) == list(range(20))
        visited = block_of[order]
        spans = [np.flatnonzero(visited == block)[[0, -1]] for block in range(5)]
        # At no place are more than two tars begun and not finished.
        assert max(sum(a <= place <= b for a, b in spans) for place in range(20)) <= 2
    assert len({tuple(order) for order in orders}) == 20
    everything = [windowed_order([2, 2], 2, np.random.default_rng(seed)) for seed in range(600)]
    _, frequencies = np.unique(everything, axis=0, return_counts=True)
    assert len(frequencies) == 24  # all orders of four
    assert frequencies.min() > 600 / 24 / 3


def test_limits_and_mixtures(folder, source):
    assert len(ShardDataset(folder, controlled_size=5)) == 5
    assert sorted(ShardDataset(folder, controlled_size=5, window=1).draw_order(np.random.default_rng(0))) == [
        *range(5)
    ]
    both = CombinedDataset([ShardDataset(folder, window=1, **COMMON), source])
    order = both.draw_order(np.random.default_rng(0))
    assert sorted(order) == list(range(24))
    assert 3 < (order[:12] < 12).sum() < 9


def test_a_tar_is_one_that_tar_reads(folder, source):
    with tarfile.open(folder / "shard-000000.tar") as tar:
        assert {(member.mtime, member.uid, member.mode) for member in tar} == {(0, 0, 0o644)}
        picture = tar.extractfile("00000000.jpg").read()
    decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (96, 96, 3)
    assert picture == source.image_path(0).read_bytes()


def test_shards_say_what_they_were_written_from(tmp_path, freihand_folder):
    dataset = FreiHandDataset(freihand_folder, image_size=32)
    write_shards(dataset, tmp_path, source="FreiHand", progress=False)
    assert read_index(tmp_path).source == "FreiHand"
    index = json.loads((tmp_path / "index.json").read_text())
    for source in (3, "a\nb", "x" * 5000, ["FreiHand"]):
        (tmp_path / "index.json").write_text(json.dumps(index | {"source": source}))
        with pytest.raises(DatasetError, match="is not the name of a dataset"):
            read_index(tmp_path)
    del index["source"]  # as older versions wrote them
    (tmp_path / "index.json").write_text(json.dumps(index))
    assert read_index(tmp_path).source is None
