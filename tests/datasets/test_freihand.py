import json
import shutil

import cv2
import numpy as np
import pytest
from support.made_up_freihand import NUM_ROWS, STORED_SIZE, made_up_rows, write_freihand

from s2hand.datasets import AugmentationConfig, Detections, FreiHandDataset, collate_hands, write_detections
from s2hand.errors import DatasetError


@pytest.fixture
def own_folder(freihand_folder, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(freihand_folder, tmp_path / "copy")


def test_samples_match_the_files(freihand_folder):
    joints, K, keypoints, confidence = made_up_rows()
    dataset = FreiHandDataset(
        freihand_folder, labels={"joints", "vertices", "mask", "scale"}, image_size=STORED_SIZE
    )
    assert len(dataset) == 2 * NUM_ROWS
    for index in (0, 3, NUM_ROWS + 3):
        row, sample = index % NUM_ROWS, dataset[index]
        stored = cv2.imread(str(freihand_folder / f"training/rgb/{index:08d}.jpg"))[..., ::-1]
        np.testing.assert_array_equal(sample["image"], stored)
        np.testing.assert_allclose(sample["K"], K[row], rtol=1e-6)
        np.testing.assert_allclose(sample["keypoints_2d"], keypoints[row], rtol=1e-5)
        np.testing.assert_allclose(sample["confidence"], confidence[row])
        np.testing.assert_allclose(sample["gt_joints"], joints[row], rtol=1e-5, atol=1e-7)
        assert sample["gt_vertices"].shape == (778, 3)
        assert sample["gt_scale"] == pytest.approx(np.linalg.norm(joints[row, 9] - joints[row, 10]), rel=1e-5)
        seen = joints[row] @ K[row].T
        np.testing.assert_allclose(sample["gt_keypoints_2d"], seen[:, :2] / seen[:, 2:], rtol=1e-4)
        assert sample["index"] == index


def test_a_missed_joint_stays_at_the_corner(freihand_folder):
    dataset = FreiHandDataset(freihand_folder, augment=AugmentationConfig(rotation_deg=90), image_size=48)
    assert dataset[0]["keypoints_2d"][3].tolist() == [0, 0]
    assert dataset[0]["confidence"][3] == 0
    assert dataset[0]["photometric_weight"] == 0


def test_photometric_weight_depends_on_the_version(freihand_folder):
    confidence = made_up_rows()[3]
    dataset = FreiHandDataset(freihand_folder)
    assert dataset[2]["photometric_weight"] == pytest.approx(1.1 * confidence[2].mean())
    assert dataset[NUM_ROWS + 2]["photometric_weight"] == pytest.approx(0.1 * confidence[2].mean())


def test_resizing_scales_camera_and_keypoints(freihand_folder):
    stored = FreiHandDataset(freihand_folder, labels={"joints"}, image_size=STORED_SIZE)[1]
    small = FreiHandDataset(freihand_folder, labels={"joints"}, image_size=STORED_SIZE // 3)[1]
    assert small["image"].shape == (32, 32, 3)
    np.testing.assert_allclose(small["K"][:2] * 3, stored["K"][:2], rtol=1e-5)
    for name in ("keypoints_2d", "gt_keypoints_2d"):
        np.testing.assert_allclose(small[name] * 3, stored[name], rtol=1e-5)
    np.testing.assert_allclose(small["gt_joints"], stored["gt_joints"])


def test_rotation_keeps_all_parts_together(freihand_folder):
    """Dots painted at the keypoints lie at the turned keypoints of the turned picture."""
    augment = AugmentationConfig(rotation_deg=180)
    labels = {"joints", "vertices", "mask"}
    dataset = FreiHandDataset(freihand_folder, labels=labels, augment=augment, image_size=STORED_SIZE)
    still = FreiHandDataset(freihand_folder, labels=labels, image_size=STORED_SIZE)
    turned, upright = dataset[1], still[1]
    projected = turned["gt_joints"] @ turned["K"].T
    np.testing.assert_allclose(
        projected[:, :2] / projected[:, 2:], turned["gt_keypoints_2d"], rtol=1e-4, atol=1e-3
    )
    centre = STORED_SIZE / 2
    arms = [part["keypoints_2d"] - centre for part in (turned, upright)]
    np.testing.assert_allclose(*(np.linalg.norm(arm, axis=-1) for arm in arms), rtol=1e-4)
    inside = np.abs(arms[1]).max(-1) < centre / 2
    assert inside.sum() >= 5
    for point, source in zip(turned["keypoints_2d"][inside], upright["keypoints_2d"][inside], strict=True):
        colours = [
            cv2.getRectSubPix(part["image"], (1, 1), tuple(map(float, at - 0.5))).ravel().astype(int)
            for part, at in ((turned, point), (upright, source))
        ]
        np.testing.assert_allclose(*colours, atol=6)
    assert turned["mask"].mean() == pytest.approx(upright["mask"].mean(), rel=0.1)


def test_randomness_depends_on_seed_epoch_and_index(freihand_folder):
    augment = AugmentationConfig(rotation_deg=180, brightness=0.3)

    def sample(seed, epoch, index):
        dataset = FreiHandDataset(freihand_folder, augment=augment, image_size=32, seed=seed)
        dataset.set_epoch(epoch)
        return dataset[index]["image"]

    np.testing.assert_array_equal(sample(1, 2, 3), sample(1, 2, 3))
    assert (sample(1, 2, 3) != sample(2, 2, 3)).any()
    assert (sample(1, 2, 3) != sample(1, 3, 3)).any()


def test_labels_are_not_opened_unless_asked_for(own_folder):
    for name in ("xyz", "verts", "scale"):
        (own_folder / f"training_{name}.json").write_text("never parsed")
    shutil.rmtree(own_folder / "training/mask")
    sample = FreiHandDataset(own_folder)[0]
    fields = ["K", "confidence", "image", "index", "keypoints_2d", "mirrored", "photometric_weight"]
    assert sorted(sample) == [*fields, "to_photo"]
    with pytest.raises(DatasetError, match=r"training_xyz\.json is not valid JSON"):
        FreiHandDataset(own_folder, labels={"joints"})


def test_versions_rows_and_size_choose_samples(freihand_folder):
    dataset = FreiHandDataset(freihand_folder, versions=[1], rows=range(2, 6), controlled_size=3)
    names = [dataset.image_path(index).name for index in range(len(dataset))]
    assert names == [f"{NUM_ROWS + row:08d}.jpg" for row in (2, 3, 4)]
    with pytest.raises(IndexError):
        dataset[3]
    both = FreiHandDataset(freihand_folder, rows=slice(4), controlled_size=5)
    names = [both.image_path(index).stem for index in range(len(both))]
    assert [int(name) for name in names] == [0, 1, 2, 3, NUM_ROWS]
    assert len(FreiHandDataset(freihand_folder, rows=slice(4, None), controlled_size=99)) == 4
    with pytest.raises(DatasetError, match=r"versions \[2\] are not on disk"):
        FreiHandDataset(freihand_folder, versions=[0, 2])
    with pytest.raises(DatasetError, match=r"rows must be among 0\.\.5"):
        FreiHandDataset(freihand_folder, rows=range(7))
    with pytest.raises(DatasetError, match=r"rows must be among 0\.\.5 and not empty"):
        FreiHandDataset(freihand_folder, rows=slice(6, None))


def test_evaluation_works_without_detections(freihand_folder):
    dataset = FreiHandDataset(freihand_folder, "evaluation", labels={"joints"})
    batch = collate_hands([dataset[0], dataset[5]])
    assert batch.keypoints_2d is None
    assert batch.gt_joints.shape == (2, 21, 3)
    assert batch.image.shape == (2, 3, 224, 224)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root), r'no folder .*copy: set "my_key" to the folder of FreiHAND'),
        (lambda root: (root / "training_K.json").unlink(), r'no file .*training_K\.json: set "my_key"'),
        (lambda root: (root / "training_K.json").write_text("[]"), "holds no samples"),
        (
            lambda root: (root / "training_K.json").write_text("[[[1, 2], [3, 4]]]"),
            r"training_K\.json: expected shape \(N, 3, 3\), got \(1, 2, 2\)",
        ),
        (lambda root: shutil.rmtree(root / "training"), r"no .*00000000\.jpg"),
        (lambda root: shutil.rmtree(root / "openpose_v2"), r"no file .*detect_all\.json"),
        (
            lambda root: write_detections(
                root / "openpose_v2/training/detect_all.json",
                Detections(np.zeros((4, 21, 2), np.float32), np.zeros((4, 21), np.float32)),
            ),
            r"detect_all\.json: expected one row for each of the 6 rows .* got 4",
        ),
        (
            lambda root: (root / "training_xyz.json").write_text(json.dumps(np.zeros((5, 21, 3)).tolist())),
            r"training_xyz\.json: 5 rows, but 6 in training_K",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_in_one_line(own_folder, damage, message):
    damage(own_folder)
    with pytest.raises(DatasetError, match=message) as caught:
        FreiHandDataset(own_folder, labels={"joints"}, key="my_key")
    assert "\n" not in str(caught.value)


def test_damaged_pictures_are_named_when_read(own_folder):
    dataset = FreiHandDataset(own_folder)
    picture = own_folder / "training/rgb/00000001.jpg"
    picture.write_bytes(picture.read_bytes()[:-300])
    with pytest.raises(DatasetError, match=r"00000001\.jpg is damaged or cut short"):
        dataset[1]
    picture.unlink()
    with pytest.raises(DatasetError, match=r"cannot read .*00000001\.jpg"):
        dataset[1]
    cv2.imwrite(str(picture), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(DatasetError, match=r"00000001\.jpg: expected a square crop, got 30 x 20 px"):
        dataset[1]


def test_both_archives_may_lie_in_folders_of_their_own(own_folder):
    """FreiHAND_pub_v2.zip and FreiHAND_pub_v2_eval.zip, each unpacked into a folder of its name."""
    expected = FreiHandDataset(own_folder, "evaluation", labels=None)[1]
    beside = own_folder.with_name(own_folder.name + "_eval")
    beside.mkdir()
    for path in (own_folder / "evaluation", *own_folder.glob("evaluation_*.json")):
        path.rename(beside / path.name)
    found = FreiHandDataset(own_folder, "evaluation", labels=None)
    assert found.labels == {"joints", "vertices"}
    for name, value in expected.items():
        np.testing.assert_array_equal(found[1][name], value, err_msg=name)
    assert FreiHandDataset(beside, "evaluation").image_path(0) == found.image_path(0)
    assert FreiHandDataset(own_folder).image_path(0).is_file()
    shutil.rmtree(beside)
    with pytest.raises(
        DatasetError, match=r"none in .*copy_eval: unpack FreiHAND_pub_v2_eval\.zip into"
    ) as caught:
        FreiHandDataset(own_folder, "evaluation")
    assert "\n" not in str(caught.value)


def test_number_of_rows_is_the_datasets_own(tmp_path):
    dataset = FreiHandDataset(write_freihand(tmp_path, num_rows=3, versions=4, size=24))
    assert dataset.versions == (0, 1, 2, 3)
    np.testing.assert_array_equal(dataset[10]["confidence"], dataset[1]["confidence"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "test"}, "split must be training or evaluation"),
        ({"labels": {"joint"}}, "the labels of FreiHAND are joints.* no joint"),
    ],
)
def test_unknown_names_are_refused(freihand_folder, arguments, message):
    with pytest.raises(DatasetError, match=message):
        FreiHandDataset(freihand_folder, **arguments)
