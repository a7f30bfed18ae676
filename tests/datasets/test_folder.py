"""Own pictures as a dataset: samples agree with the truth, with crops, and with their mirror images."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from support.own_photos import folder_dataset

from s2hand.datasets import (
    AugmentationConfig,
    CombinedDataset,
    Detections,
    FreiHandDataset,
    collate_hands,
    read_detections,
)
from s2hand.errors import DatasetError
from s2hand.geometry.mirror import mirror_camera, mirror_keypoints, mirror_points
from s2hand.hand import load_hand_model
from s2hand.images.photos import read_photo
from s2hand.images.square_view import look_at_square
from s2hand.rendering import MeshRenderer

SIZE = 96


def project(points, K):
    homogeneous = points @ np.swapaxes(K, -1, -2)
    return homogeneous[..., :2] / homogeneous[..., 2:]


def seen(points, record):
    """Where points of a photo are in its sample: by OpenCV through the homography of the looking camera."""
    _, _, homography = look_at_square(record.crop, record.K, SIZE)
    pixels = cv2.perspectiveTransform(points[None].astype(np.float64), homography)[0]
    return mirror_keypoints(pixels, SIZE) if record.mirrored else pixels


@pytest.fixture
def everything(photo_folder, truth):
    """All photos with their labels, and with their true cameras."""
    root = photo_folder / "training"
    found = read_detections(root / "detections.json")
    cameras = np.array([truth[name]["K"] for name in found.names])
    return folder_dataset(
        root,
        detections=replace(found, cameras=cameras),
        val_share=0,
        min_joints=0,
        image_size=SIZE,
        labels={"joints", "vertices", "scale"},
        labels_file=root / "truth.json",
    )


def test_3d_landmarks_turn_and_mirror_with_the_image(photo_folder, truth):
    """True joints, as each photo shows its hand, are those of the samples, which are turned at random."""
    root = photo_folder / "training"
    settings = {"val_share": 0, "min_joints": 0, "image_size": SIZE}
    found = read_detections(root / "detections.json")
    cameras = np.array([truth[name]["K"] for name in found.names])
    found = replace(found, cameras=cameras)
    plain = folder_dataset(root, detections=found, **settings)
    joints = np.array([truth[name]["joints"] for name in found.names])
    towards = np.array([look_at_square(plain.record(i).crop, cameras[i], SIZE)[1] for i in range(len(plain))])
    with_world = replace(found, world=((joints - joints[:, [9]]) @ towards.swapaxes(1, 2)).astype(np.float32))
    dataset = folder_dataset(
        root,
        detections=with_world,
        labels={"joints", "world"},
        labels_file=root / "truth.json",
        augment=AugmentationConfig(rotation_deg=180),
        **settings,
    )
    assert set(found.hands) == {"left", "right"}
    for index in range(len(dataset)):
        sample = dataset[index]
        np.testing.assert_allclose(
            sample["world_joints"], sample["gt_joints"] - sample["gt_joints"][9], atol=1e-5
        )
        np.testing.assert_array_equal(sample["world_confidence"], found.confidence[index])
    assert "world_joints" not in folder_dataset(root, detections=with_world, **settings)[0]
    with pytest.raises(DatasetError, match=r"has no 3D landmarks .*world_bones needs"):
        folder_dataset(root, detections=found, labels={"world"}, **settings)


def test_samples_and_truth_agree(everything, truth):
    """Projecting a sample's true joints with its K gives its true keypoints, near those detected."""
    for index in range(len(everything)):
        sample, entry = everything[index], truth[everything.name(index)]
        left = entry["hand"] == "left"
        assert everything.hand(index) == entry["hand"]
        assert bool(sample["mirrored"]) == left
        projected = project(sample["gt_joints"].astype(np.float64), sample["K"])
        np.testing.assert_allclose(projected, sample["gt_keypoints_2d"], atol=0.05)
        found = sample["confidence"] > 0.4
        errors = np.linalg.norm(sample["keypoints_2d"] - sample["gt_keypoints_2d"], axis=-1)[found]
        assert np.median(errors) < 0.04 * SIZE


def test_true_keypoints_are_those_in_the_photo_however_well_the_camera_is_known(photo_folder, truth):
    guessed = folder_dataset(
        photo_folder / "training",
        val_share=0,
        min_joints=0,
        image_size=SIZE,
        labels={"joints"},
        labels_file=photo_folder / "training/truth.json",
    )
    index = guessed.camera_sources.index("default")
    sample, record, entry = guessed[index], guessed.record(index), truth[guessed.name(index)]
    assert abs(record.K - entry["K"]).max() > 1
    expected = seen(np.array(entry["keypoints"]), record)
    np.testing.assert_allclose(sample["gt_keypoints_2d"], expected, atol=1e-3)


def test_keypoints_are_those_of_the_detections_in_the_view(everything):
    for index in range(len(everything)):
        sample, record = everything[index], everything.record(index)
        expected = seen(record.keypoints_2d, record)
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
    dataset = folder_dataset(large, detections=detections, val_share=0, min_joints=0, image_size=SIZE)
    sides = []
    quick = [dataset[index] for index in range(len(dataset))]

    def read_whole(path, most):
        sides.append(most)
        return read_photo(path), 1

    monkeypatch.setattr("s2hand.datasets.base.read_photo_shrunk", read_whole)
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
        "focal": 200.0,  # EXIF is lost on the way
        "augment": AugmentationConfig(rotation_deg),
        "val_share": 0,
        "image_size": SIZE,
    }
    samples, others = folder_dataset(own, **settings), folder_dataset(mirrored, detections=turned, **settings)
    assert len(samples) == len(others) > 8
    for index in range(len(samples)):
        sample, other = samples[index], others[index]
        assert sample["mirrored"] != other["mirrored"]
        for field in ("K", "keypoints_2d", "confidence", "photometric_weight"):
            np.testing.assert_allclose(sample[field], other[field], atol=2e-3, err_msg=field)
        apart = np.abs(sample["image"].astype(int) - other["image"])
        assert apart.max() <= 1  # some versions of the decoder round a pixel the other way
        assert (apart > 0).mean() < 1e-3
        np.testing.assert_allclose(sample["to_photo"], other["to_photo"], atol=1e-6)


@pytest.mark.parametrize("augment", [None, AugmentationConfig(180)])
def test_turning_and_mirroring_back_gives_the_truth(everything, truth, augment):
    """What predictions go through on their way out, to the photo's own camera and the hand that it shows."""
    everything.augment = augment
    for index in range(len(everything)):
        sample, entry = everything[index], truth[everything.name(index)]
        back = sample["to_photo"].T
        np.testing.assert_allclose(back.T @ back, np.eye(3), atol=1e-6)
        assert np.linalg.det(back) == pytest.approx(1, abs=1e-5)
        joints, vertices = (sample[name] @ back for name in ("gt_joints", "gt_vertices"))
        if sample["mirrored"]:
            joints, vertices = mirror_points(joints), mirror_points(vertices)
        np.testing.assert_allclose(joints, entry["joints"], atol=1e-6)
        np.testing.assert_allclose(vertices, entry["vertices"], atol=1e-6)
        np.testing.assert_allclose(
            project(joints.astype(np.float64), np.array(entry["K"])), entry["keypoints"], atol=0.05
        )
        assert sample["gt_scale"] == pytest.approx(np.linalg.norm(joints[9] - joints[10]), rel=1e-4)


def test_crops_come_from_boxes_or_else_from_keypoints(own):
    found = read_detections(own / "detections.json")
    dataset = folder_dataset(own, val_share=0, min_joints=0, margin=0.5)
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


def test_photos_and_freihand_make_one_batch(photo_folder, freihand_folder):
    photos = folder_dataset(photo_folder / "training", image_size=SIZE, val_share=0)
    both = CombinedDataset([FreiHandDataset(freihand_folder, image_size=SIZE), photos])
    last = len(both) - len(photos)
    batch = collate_hands([both[0], both[last], both[last + 1]])
    assert batch.mirrored.tolist() == [False, photos.hand(0) == "left", photos.hand(1) == "left"]
    assert batch.image.shape == (3, 3, SIZE, SIZE)
    assert torch.equal(batch.to_photo[0], torch.eye(3))
    assert (batch.to_photo[1:, 2, 2] < 0.9999).all()  # photos' hands are off the optical axis
