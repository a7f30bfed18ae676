"""Which hands of own pictures are used: what is left out, how splits part them, what is refused."""

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.own_photos import folder_dataset

from s2hand.datasets import CombinedDataset, Detections, read_detections
from s2hand.errors import DatasetError


def test_hands_without_enough_joints_are_left_out_and_counted(own, rewrite_detections):
    def weaken(found):
        confidence = np.full_like(found.confidence, 0.9)
        confidence[3, 5:] = 0.05
        confidence[4, 10:] = 0.3
        return replace(found, confidence=confidence)

    rewrite_detections(weaken)
    total = len(read_detections(own / "detections.json"))
    dataset = folder_dataset(own, val_share=0)
    assert (len(dataset), dataset.num_left_out) == (total - 1, 1)
    assert 3 not in dataset.rows
    stricter = folder_dataset(own, val_share=0, min_confidence=0.35)
    assert not {3, 4} & set(stricter.rows)
    assert f"2 of {total} left out for fewer than 11 joints above 0.35" in stricter.summary()
    assert len(folder_dataset(own, val_share=0, min_joints=5)) == total
    with pytest.raises(
        DatasetError, match=r"none of its .* lower folder_min_joints or folder_min_confidence"
    ):
        folder_dataset(own, min_joints=21, min_confidence=0.95)


def test_splits_depend_on_names_alone(own):
    def names(split, share, **settings):
        dataset = folder_dataset(own, split, val_share=share, min_joints=0, **settings)
        return {dataset.name(index) for index in range(len(dataset))}

    everything = names("training", 0)
    assert names("evaluation", 0) == everything
    assert names("evaluation", 1) == everything
    for share in (1e-9, 0.2, 0.5, 0.999999):  # neither split is ever empty
        training, evaluation = names("training", share), names("evaluation", share)
        assert training | evaluation == everything
        assert not training & evaluation
        assert training
        assert evaluation
    half = names("evaluation", 0.5)
    assert names("evaluation", 0.2) <= half
    found = read_detections(own / "detections.json")
    fewer = Detections(found.keypoints[:9], found.confidence[:9], found.names[:9])
    assert names("evaluation", 0.5, detections=fewer) == half & set(found.names[:9])
    with pytest.raises(DatasetError, match="no photo is left for training with a folder_val_share of 1"):
        names("training", 1)


def test_both_hands_of_a_picture_are_in_one_split(own):
    found = read_detections(own / "detections.json")
    twice = Detections(
        np.repeat(found.keypoints, 2, 0),
        np.repeat(found.confidence, 2, 0),
        sum(zip(found.names, found.names, strict=True), ()),
    )
    for share in (1e-9, 0.4):
        dataset = folder_dataset(own, "evaluation", detections=twice, val_share=share, min_joints=0)
        assert len(dataset) % 2 == 0


def test_unreadable_pictures_are_named_and_passed_over(own, capsys):
    found = read_detections(own / "detections.json")
    (own / found.names[2]).write_bytes(b"")
    (own / found.names[3]).write_text("text")
    (own / found.names[5]).write_bytes((own / found.names[5]).read_bytes()[:-500])
    dataset = folder_dataset(own, val_share=0, min_joints=0)
    for index, message in ((2, "is empty"), (3, "is not an image"), (5, "is damaged or cut short")):
        with pytest.raises(DatasetError, match=f"{found.names[index]} {message}"):
            dataset[index]
    tolerant = CombinedDataset([dataset], 0.3)
    assert [int(tolerant[index]["index"]) for index in range(2, 7)] == [4, 4, 4, 6, 6]
    lines = capsys.readouterr().err.splitlines()
    assert [line[:17] for line in lines] == [f"sample {number} left out" for number in (2, 3, 5)]


def test_a_picture_of_another_size_than_detected_on_is_refused(own):
    dataset = folder_dataset(own, val_share=0)
    path = dataset.image_path(0)
    Image.open(path).resize((33, 44)).save(path)
    with pytest.raises(
        DatasetError, match=r"000000\.jpg has 33 x 44 px, but its keypoints were detected at .*"
    ):
        dataset[0]


def test_detections_that_do_not_fit_are_refused(own, tmp_path):
    found = read_detections(own / "detections.json")
    with pytest.raises(DatasetError, match="the given detections has no photo names"):
        folder_dataset(own, detections=replace(found, names=None))
    with pytest.raises(DatasetError, match="must be relative to the photos' folder"):
        folder_dataset(own / "album0", detections=own / "detections.json")
    with pytest.raises(DatasetError, match=r"no file .*detections\.json: write it with `s2hand detect`"):
        folder_dataset(own / "album0")
    with pytest.raises(DatasetError, match='set "folder_base_path" to a folder of photos'):
        folder_dataset(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../x.jpg", "{}/a.jpg", "a/../../x.jpg", "", "a\0.jpg", "\ud800.jpg"])
def test_names_that_lead_out_of_the_folder_are_refused(own, name):
    found = read_detections(own / "detections.json")
    (own.parent / "x.jpg").write_bytes((own / found.names[0]).read_bytes())
    for row in (0, 5):
        names = list(found.names)
        names[row] = name.format(own)
        with pytest.raises(DatasetError, match=r"is not the name of a photo inside .*photos: names must be"):
            folder_dataset(own, detections=replace(found, names=tuple(names)), val_share=0)


def test_labels_are_matched_by_name_and_order(own, truth):
    with pytest.raises(DatasetError, match=r'has no joints: leave out the losses .* or set "folder_labels"'):
        folder_dataset(own, labels={"joints"})
    with pytest.raises(DatasetError, match="it has no mask"):
        folder_dataset(own, labels={"mask"})
    entries = list(truth.values())
    path = own / "some.json"
    path.write_text(json.dumps(entries[::-1]))
    dataset = folder_dataset(own, labels={"joints"}, labels_file=path, val_share=0)
    np.testing.assert_allclose(dataset.record(2).joints, truth[dataset.name(2)]["joints"], rtol=1e-6)
    assert dataset.record(2).vertices is None
    path.write_text(json.dumps(entries[1:]))
    with pytest.raises(DatasetError, match=r"some\.json: no label for hand 0 of album0/000000\.jpg"):
        folder_dataset(own, labels={"joints"}, labels_file=path)
    path.write_text(json.dumps([{**entry, "joints": [[0, 0, 0]]} for entry in entries]))
    with pytest.raises(DatasetError, match=r"some\.json, joints: expected shape"):
        folder_dataset(own, labels={"joints"}, labels_file=path)


@pytest.mark.parametrize("which", [0, 1])
def test_a_photo_that_was_removed_is_counted_whichever_it_is(own, rewrite_detections, which):
    rewrite_detections(lambda found: replace(found, cameras=None))  # so that all headers are looked at
    found = read_detections(own / "detections.json")
    removed = list(dict.fromkeys(found.names))[which]
    (own / removed).unlink()
    dataset = folder_dataset(own, val_share=0, min_joints=0)
    gone = found.names.count(removed)
    assert len(dataset) == len(found)
    assert f"{gone} unreadable" in dataset.summary()
    index = [dataset.name(index) for index in range(len(dataset))].index(removed)
    with pytest.raises(DatasetError, match=r"cannot read .*is the folder complete"):
        dataset[index]


def test_names_are_found_however_letters_are_composed(own, rewrite_detections):
    first = read_detections(own / "detections.json").names[0]
    composed = str(Path(first).with_stem("Hände"))
    (own / first).rename(own / unicodedata.normalize("NFD", composed))

    def rename(found):
        return replace(found, names=tuple(composed if name == first else name for name in found.names))

    rewrite_detections(rename)
    dataset = folder_dataset(own, val_share=0, min_joints=0)
    assert "unreadable" not in dataset.summary()
    assert dataset[0]["image"].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda found: {"keypoints": found.keypoints / found.sizes[:, None]},
            "look like shares of the image",
        ),
        (lambda found: {"keypoints": found.keypoints + 5000}, "px outside of an image"),
        (lambda found: {"confidence": 100 * found.confidence}, "they look like per cent"),
        (lambda found: {"boxes": found.boxes / np.tile(found.sizes, 2)}, "looks like shares of the image"),
    ],
    ids=["keypoints in [0, 1]", "far outside", "per cent", "boxes in [0, 1]"],
)
def test_numbers_that_are_no_pixels_are_refused(own, rewrite_detections, change, message):
    rewrite_detections(lambda found: replace(found, **change(found)))
    with pytest.raises(DatasetError, match=message):
        folder_dataset(own, val_share=0)


def test_keypoints_at_one_place_make_no_sample_though_there_is_a_box(own, rewrite_detections):
    def collapse(found):
        keypoints, confidence = found.keypoints.copy(), found.confidence.copy()
        keypoints[2], confidence[2] = (80, 80), 0.9
        boxes = np.tile(np.float32([[40, 40, 80, 80]]), (len(found), 1))
        return replace(found, keypoints=keypoints, confidence=confidence, boxes=boxes)

    rewrite_detections(collapse)
    dataset = folder_dataset(own, val_share=0, min_joints=0)
    assert dataset[1]["image"].any()
    with pytest.raises(DatasetError, match=r"its 21 keypoints more certain than .* are all at one place"):
        dataset[2]


RHD = [0, *(4 * finger + 4 - joint for finger in range(5) for joint in range(4))]
"""The wrist, then each finger from tip to base."""


def test_joints_in_another_order_are_doubted(own, rewrite_detections):
    assert "WARNING" not in folder_dataset(own, val_share=0).summary()
    rewrite_detections(
        lambda found: replace(found, keypoints=found.keypoints[:, RHD], confidence=found.confidence[:, RHD])
    )
    _, warning = folder_dataset(own, val_share=0).summary().splitlines()
    assert warning.startswith(f"WARNING: {own / 'detections.json'}: joints are expected as wrist, then thumb")
    assert "look like wrist, then thumb to little finger from tip to base" in warning
