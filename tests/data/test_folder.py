"""Own pictures as a dataset: crops, cameras, left hands, what is left out, and what is refused."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from s2hand.data import (
    AugmentationConfig,
    CombinedDataset,
    DatasetError,
    Detections,
    FolderDataset,
    FreiHandDataset,
    TolerantDataset,
    collate_hands,
    read_detections,
)
from s2hand.data.detections import write_versioned_detections
from s2hand.data.intrinsics import StatedCamera
from s2hand.data.photos import read_photo
from s2hand.geometry.mirror import mirror_camera, mirror_keypoints, mirror_points
from s2hand.hand import load_hand_model
from s2hand.rendering import MeshRenderer

SIZE = 96


def project(points, K):
    homogeneous = points @ np.swapaxes(K, -1, -2)
    return homogeneous[..., :2] / homogeneous[..., 2:]


def rewritten(root, change):
    """Replaces a folder's detections by what ``change`` makes of them."""
    path = root / "detections.json"
    write_versioned_detections(path, change(read_detections(path)))
    return root


@pytest.fixture
def own(photo_folder, tmp_path):
    """A copy of the training photos that a test may damage."""
    return shutil.copytree(photo_folder / "training", tmp_path / "photos")


@pytest.fixture
def truth(photo_folder):
    return {entry["name"]: entry for entry in json.loads((photo_folder / "training/truth.json").read_text())}


@pytest.fixture
def everything(photo_folder, truth):
    """All photos with their labels, and with their true cameras."""
    root = photo_folder / "training"
    found = read_detections(root / "detections.json")
    cameras = np.array([truth[name]["K"] for name in found.names])
    return FolderDataset(
        root,
        detections=replace(found, cameras=cameras),
        val_share=0,
        min_joints=0,
        image_size=SIZE,
        labels={"joints", "vertices", "scale"},
        labels_file=root / "truth.json",
    )


def test_samples_and_truth_agree(everything, truth):
    """Projecting a sample's true joints with its K gives its true keypoints, near those detected."""
    for index in range(len(everything)):
        sample, entry = everything[index], truth[everything.name(index)]
        left = entry["hand"] == "left"
        assert everything.hand(index) == entry["hand"]
        assert bool(sample["mirrored"]) == left
        joints = np.array(entry["joints"])
        np.testing.assert_allclose(sample["gt_joints"], mirror_points(joints) if left else joints, atol=1e-6)
        projected = project(sample["gt_joints"].astype(np.float64), sample["K"])
        np.testing.assert_allclose(projected, sample["gt_keypoints_2d"], atol=0.05)
        found = sample["confidence"] > 0.4
        errors = np.linalg.norm(sample["keypoints_2d"] - sample["gt_keypoints_2d"], axis=-1)[found]
        assert np.median(errors) < 0.04 * SIZE


def test_true_keypoints_do_not_depend_on_how_well_the_camera_is_known(everything, photo_folder):
    guessed = FolderDataset(
        photo_folder / "training",
        val_share=0,
        min_joints=0,
        image_size=SIZE,
        labels={"joints"},
        labels_file=photo_folder / "training/truth.json",
    )
    index = guessed.camera_sources.index("default")
    assert abs(guessed[index]["K"] - everything[index]["K"]).max() > 1
    np.testing.assert_array_equal(guessed[index]["gt_keypoints_2d"], everything[index]["gt_keypoints_2d"])


def test_keypoints_are_those_of_the_detections_in_the_crop(everything):
    for index in range(len(everything)):
        sample, record = everything[index], everything.record(index)
        left, top, side = record.crop
        expected = (record.keypoints_2d - (left, top)) * (SIZE / side)
        if record.mirrored:
            expected = mirror_keypoints(expected, SIZE)
        found = record.confidence > 0
        np.testing.assert_allclose(sample["keypoints_2d"][found], expected[found], atol=1e-3)
        assert (sample["keypoints_2d"][~found] == 0).all()


def test_hands_are_where_the_labels_say(everything):
    """Pictures, turned by EXIF and mirrored or not, have edges along the outline of the true vertices."""
    batch = collate_hands([everything[index] for index in range(len(everything))])
    faces = torch.from_numpy(load_hand_model("generic").faces)
    black = torch.zeros(len(everything), len(faces), 3)
    drawn = MeshRenderer(faces, SIZE)(batch.gt_vertices, batch.K, black)
    outline = (drawn.silhouette > 0) & (drawn.silhouette < 1)
    grey = batch.image.mean(1)
    edges = (grey - grey.roll(1, 1)).abs() + (grey - grey.roll(1, 2)).abs()
    turned = []
    for index, part in enumerate(outline):
        shifted = [edges[index][part.roll(shift, axis)].mean() for shift in (-9, 9) for axis in (0, 1)]
        assert edges[index][part].mean() > 1.1 * torch.stack(shifted).mean()
        with Image.open(everything.image_path(index)) as picture:
            turned.append(picture.getexif().get(ExifTags.Base.Orientation, 1))
    assert set(turned) == {1, 3, 6, 8}


def test_large_photos_give_the_samples_that_smaller_decoding_gives(photo_folder, tmp_path, monkeypatch):
    """Photos eight times as large: decoded to the size that is needed, or whole, samples are the same."""
    source = photo_folder / "training"
    found = read_detections(source / "detections.json")
    large = tmp_path / "large"
    rows = [row for row, name in enumerate(found.names) if name.endswith(".jpg")][:6]
    for row in rows:
        with Image.open(source / found.names[row]) as picture:
            (large / found.names[row]).parent.mkdir(parents=True, exist_ok=True)
            enlarged = picture.resize([8 * side for side in picture.size], Image.Resampling.BICUBIC)
            enlarged.save(large / found.names[row], exif=picture.getexif(), quality=95)
    detections = Detections(
        8 * found.keypoints[rows],
        found.confidence[rows],
        tuple(found.names[row] for row in rows),
        sizes=8 * found.sizes[rows],
        hands=tuple(found.hands[row] for row in rows),
    )
    dataset = FolderDataset(large, detections=detections, val_share=0, min_joints=0, image_size=SIZE)
    sides = []
    quick = [dataset[index] for index in range(len(dataset))]

    def read_whole(path, most):
        sides.append(most)
        return read_photo(path), 1

    monkeypatch.setattr("s2hand.data.base.read_photo_shrunk", read_whole)
    for index, sample in enumerate(quick):
        whole = dataset[index]
        assert np.abs(sample["image"].astype(int) - whole["image"]).mean() < 1.5
        np.testing.assert_array_equal(sample["K"], whole["K"])
        np.testing.assert_array_equal(sample["keypoints_2d"], whole["keypoints_2d"])
    assert min(sides) > 2


@pytest.mark.parametrize("rotation_deg", [0, 180])
def test_a_mirrored_photo_of_the_other_hand_is_the_same_sample(own, tmp_path, rotation_deg):
    """Once in a sample, nothing tells a left hand from the mirror image of a right one."""
    found = read_detections(own / "detections.json")
    mirrored = tmp_path / "mirrored"
    for name in found.names:
        (mirrored / name).parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(np.ascontiguousarray(read_photo(own / name)[:, ::-1]))
        picture.save(mirrored / name, "PNG")  # whatever its ending
    width = found.sizes[:, :1]
    missed = found.confidence == 0
    boxes = found.boxes.copy()
    boxes[:, 0] = width[:, 0] - boxes[:, 0] - boxes[:, 2]
    turned = replace(
        found,
        keypoints=np.where(missed[..., None], 0, mirror_keypoints(found.keypoints, width)),
        hands=tuple("left" if hand == "right" else "right" for hand in found.hands),
        boxes=boxes,
        cameras=mirror_camera(found.cameras, width[:, 0]),
    )
    settings = {
        "stated": StatedCamera(focal_px=200),  # EXIF is lost on the way
        "augment": AugmentationConfig(rotation_deg),
        "val_share": 0,
        "image_size": SIZE,
    }
    samples, others = FolderDataset(own, **settings), FolderDataset(mirrored, detections=turned, **settings)
    assert len(samples) == len(others) > 8
    for index in range(len(samples)):
        sample, other = samples[index], others[index]
        assert sample["mirrored"] != other["mirrored"]
        for field in ("K", "keypoints_2d", "confidence", "photometric_weight"):
            np.testing.assert_allclose(sample[field], other[field], atol=2e-3, err_msg=field)
        difference = np.abs(sample["image"].astype(int) - other["image"])
        assert difference.max() <= 2
        assert difference.mean() < 0.01


def test_mirroring_back_gives_the_left_hands_truth(everything, truth):
    """What predictions go through on their way out: X changes its sign, in the photo's own camera."""
    for index in range(len(everything)):
        sample, entry = everything[index], truth[everything.name(index)]
        if not sample["mirrored"]:
            continue
        joints, vertices = (mirror_points(sample[name]) for name in ("gt_joints", "gt_vertices"))
        np.testing.assert_allclose(joints, entry["joints"], atol=1e-6)
        np.testing.assert_allclose(vertices, entry["vertices"], atol=1e-6)
        np.testing.assert_allclose(
            project(joints.astype(np.float64), np.array(entry["K"])), entry["keypoints"], atol=0.05
        )
        assert sample["gt_scale"] == pytest.approx(np.linalg.norm(joints[9] - joints[10]), rel=1e-4)


def test_hands_without_enough_joints_are_left_out_and_counted(own):
    def weaken(found):
        confidence = np.full_like(found.confidence, 0.9)
        confidence[3, 5:] = 0.05
        confidence[4, 10:] = 0.3
        return replace(found, confidence=confidence)

    rewritten(own, weaken)
    total = len(read_detections(own / "detections.json"))
    dataset = FolderDataset(own, val_share=0)
    assert (len(dataset), dataset.num_left_out) == (total - 1, 1)
    assert 3 not in dataset.rows
    stricter = FolderDataset(own, val_share=0, min_confidence=0.35)
    assert not {3, 4} & set(stricter.rows)
    assert f"2 of {total} left out for fewer than 11 joints above 0.35" in stricter.summary()
    assert len(FolderDataset(own, val_share=0, min_joints=5)) == total
    with pytest.raises(
        DatasetError, match=r"none of its .* lower folder_min_joints or folder_min_confidence"
    ):
        FolderDataset(own, min_joints=21, min_confidence=0.95)


def test_crops_come_from_boxes_or_else_from_keypoints(own):
    found = read_detections(own / "detections.json")
    dataset = FolderDataset(own, val_share=0, min_joints=0, margin=0.5)
    with_box = ~np.isnan(found.boxes[:, 0])
    assert 0 < with_box.sum() < len(found)
    for index in range(len(dataset)):
        left, top, side = dataset.record(index).crop
        if with_box[index]:
            x, y, width, height = found.boxes[index]
        else:
            keypoints = found.keypoints[index][found.confidence[index] > 0.1]
            (x, y), (width, height) = keypoints.min(0), np.ptp(keypoints, 0)
        assert side == pytest.approx(2 * max(width, height), rel=1e-5)
        centre = left + side / 2, top + side / 2
        np.testing.assert_allclose(centre, (x + width / 2, y + height / 2), rtol=1e-5)


class TestCameras:
    """Each source, in its order; the principal point is the picture's middle unless K says otherwise."""

    def cameras(self, own, **settings):
        dataset = FolderDataset(own, val_share=0, min_joints=0, **settings)
        return dataset, np.stack([dataset.record(index).K for index in range(len(dataset))])

    def test_sources_are_counted(self, own, truth):
        dataset, K = self.cameras(own)
        found = read_detections(own / "detections.json")
        for index, source in enumerate(dataset.camera_sources):
            width, height = found.sizes[index]
            if source == "detections file":
                np.testing.assert_allclose(K[index], truth[dataset.name(index)]["K"], rtol=1e-5)
                continue
            assert K[index, :2, 2].tolist() == [width / 2, height / 2]
            assert K[index, 0, 0] == K[index, 1, 1]
            if source == "default":
                assert K[index, 0, 0] == max(width, height)
            else:
                assert K[index, 0, 0] == pytest.approx(truth[dataset.name(index)]["K"][0][0], rel=0.03)
        assert "cameras: 5 detections file, 5 EXIF, 4 default" in dataset.summary()

    def test_a_stated_focal_length_comes_before_exif(self, own, monkeypatch):
        def refuse(*_):
            raise AssertionError("no header need be read")

        monkeypatch.setattr("s2hand.data.photo_index.read_photo_header", refuse)
        dataset, K = self.cameras(own, stated=StatedCamera(focal_px=777))
        assert set(dataset.camera_sources) == {"detections file", "config"}
        stated = [source == "config" for source in dataset.camera_sources]
        assert (K[stated][:, 0, 0] == 777).all()
        sizes = read_detections(own / "detections.json").sizes
        np.testing.assert_allclose(K[stated][:, :2, 2], sizes[stated] / 2)

    def test_a_stated_camera_holds_for_all(self, own):
        stated = np.array([[300.0, 0, 70], [0, 310, 60], [0, 0, 1]])
        dataset, K = self.cameras(own, stated=StatedCamera(K=stated))
        chosen = [source == "config" for source in dataset.camera_sources]
        assert (K[chosen] == stated).all()
        assert not all(chosen)

    def test_sizes_are_read_from_the_pictures_if_the_detections_lack_them(self, own):
        found = read_detections(own / "detections.json")
        expected = self.cameras(own)[1]
        bare = Detections(found.keypoints, found.confidence, found.names)
        dataset, K = self.cameras(own, detections=bare)
        others = [source != "detections file" for source in self.cameras(own)[0].camera_sources]
        np.testing.assert_array_equal(K[others], expected[others])
        assert set(dataset.camera_sources) == {"EXIF", "default"}
        assert dataset.hand(1) == "right"

    def test_what_is_no_camera_is_refused(self, own):
        def break_one(found):
            cameras = found.cameras.copy()
            cameras[0] = np.zeros((3, 3))
            return replace(found, cameras=cameras)

        with pytest.raises(
            DatasetError, match=r"detections\.json, album0/000000\.jpg: the picture's K must be"
        ):
            FolderDataset(rewritten(own, break_one))
        with pytest.raises(DatasetError, match="the stated focal length must be positive"):
            StatedCamera(focal_px=-1)
        with pytest.raises(DatasetError, match="keep one of them"):
            StatedCamera(focal_px=1, K=np.eye(3))
        with pytest.raises(DatasetError, match="the stated K must be"):
            StatedCamera(K=np.eye(3)[:2])


def test_headers_of_many_pictures_are_kept(own, tmp_path, monkeypatch):
    monkeypatch.setattr("s2hand.data.photo_index.CACHE_FROM", 1)
    first = FolderDataset(own, val_share=0)
    stored = list((own.parent / ".s2hand_cache").glob("photos.*.headers.npy"))
    assert len(stored) == 1

    def refuse(*_):
        raise AssertionError("headers were kept")

    with monkeypatch.context() as patch:
        patch.setattr("s2hand.data.photo_index.read_photo_header", refuse)
        again = FolderDataset(own, val_share=0)
    assert again.camera_sources == first.camera_sources
    np.testing.assert_array_equal(again.record(1).K, first.record(1).K)
    replaced = first.name(first.camera_sources.index("default"))
    picture = Image.open(own / replaced)
    picture.resize((50, 50)).save(own / replaced)  # a replaced picture is looked at again
    changed = FolderDataset(own, val_share=0, detections=replace(first.detections, sizes=None))
    assert changed.record(first.camera_sources.index("default")).K[0, 0] == 50


def test_splits_depend_on_names_alone(own):
    def names(split, share, **settings):
        dataset = FolderDataset(own, split, val_share=share, min_joints=0, **settings)
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
    with pytest.raises(DatasetError, match="no picture is left for training with a folder_val_share of 1"):
        names("training", 1)


def test_both_hands_of_a_picture_are_in_one_split(own):
    found = read_detections(own / "detections.json")
    twice = Detections(
        np.repeat(found.keypoints, 2, 0),
        np.repeat(found.confidence, 2, 0),
        sum(zip(found.names, found.names, strict=True), ()),
    )
    for share in (1e-9, 0.4):
        dataset = FolderDataset(own, "evaluation", detections=twice, val_share=share, min_joints=0)
        assert len(dataset) % 2 == 0


def test_unreadable_pictures_are_named_and_passed_over(own, capsys):
    found = read_detections(own / "detections.json")
    (own / found.names[2]).write_bytes(b"")
    (own / found.names[3]).write_text("text")
    (own / found.names[5]).write_bytes((own / found.names[5]).read_bytes()[:-500])
    dataset = FolderDataset(own, val_share=0, min_joints=0)
    for index, message in ((2, "is empty"), (3, "is not a picture"), (5, "is damaged or cut short")):
        with pytest.raises(DatasetError, match=f"{found.names[index]} {message}"):
            dataset[index]
    tolerant = TolerantDataset(dataset, 0.3)
    assert [int(tolerant[index]["index"]) for index in range(2, 7)] == [4, 4, 4, 6, 6]
    lines = capsys.readouterr().err.splitlines()
    assert [line[:17] for line in lines] == [f"sample {number} left out" for number in (2, 3, 5)]


def test_a_picture_of_another_size_than_detected_on_is_refused(own):
    dataset = FolderDataset(own, val_share=0)
    path = dataset.image_path(0)
    Image.open(path).resize((33, 44)).save(path)
    with pytest.raises(DatasetError, match=r"000000\.jpg has 33 x 44 px, but its keypoints are of .* again"):
        dataset[0]


def test_detections_that_do_not_fit_are_refused(own, tmp_path):
    found = read_detections(own / "detections.json")
    with pytest.raises(DatasetError, match="the given detections has no picture names"):
        FolderDataset(own, detections=replace(found, names=None))
    with pytest.raises(DatasetError, match="must be relative to the pictures' folder"):
        FolderDataset(own / "album0", detections=own / "detections.json")
    with pytest.raises(DatasetError, match=r"no file .*detections\.json: write it with `s2hand detect`"):
        FolderDataset(own / "album0")
    with pytest.raises(DatasetError, match='set "folder_base_path" to a folder of pictures'):
        FolderDataset(tmp_path / "nowhere")


def test_labels_are_matched_by_name_and_order(own, truth):
    with pytest.raises(DatasetError, match=r'has no joints: leave out the losses .* or set "folder_labels"'):
        FolderDataset(own, labels={"joints"})
    with pytest.raises(DatasetError, match="it has no mask"):
        FolderDataset(own, labels={"mask"})
    entries = list(truth.values())
    path = own / "some.json"
    path.write_text(json.dumps(entries[::-1]))
    dataset = FolderDataset(own, labels={"joints"}, labels_file=path, val_share=0)
    np.testing.assert_allclose(dataset.record(2).joints, truth[dataset.name(2)]["joints"], rtol=1e-6)
    assert dataset.record(2).vertices is None
    path.write_text(json.dumps(entries[1:]))
    with pytest.raises(DatasetError, match=r"some\.json: no label for hand 0 of album0/000000\.jpg"):
        FolderDataset(own, labels={"joints"}, labels_file=path)
    path.write_text(json.dumps([{**entry, "joints": [[0, 0, 0]]} for entry in entries]))
    with pytest.raises(DatasetError, match=r"some\.json, joints: expected shape"):
        FolderDataset(own, labels={"joints"}, labels_file=path)


def test_photos_and_freihand_make_one_batch(photo_folder, freihand_folder):
    photos = FolderDataset(photo_folder / "training", image_size=SIZE, val_share=0)
    both = CombinedDataset([FreiHandDataset(freihand_folder, image_size=SIZE), photos])
    last = len(both) - len(photos)
    batch = collate_hands([both[0], both[last], both[last + 1]])
    assert batch.mirrored.tolist() == [False, photos.hand(0) == "left", photos.hand(1) == "left"]
    assert batch.image.shape == (3, 3, SIZE, SIZE)
