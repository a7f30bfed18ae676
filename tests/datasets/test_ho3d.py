import os
import pickle
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from support.made_up_ho3d import K, frames_of, made_up_joints, project, write_ho3d

from s2hand.datasets import AugmentationConfig, collate_hands, ho3d_meta
from s2hand.datasets.ho3d import Ho3dDataset, hand_crop
from s2hand.errors import DatasetError


@pytest.fixture(scope="module", params=["v2", "v3"])
def ho3d_folder(request, tmp_path_factory):
    return write_ho3d(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def own_folder(tmp_path):
    """A dataset that a test may damage."""
    return write_ho3d(tmp_path / "ho3d")


def assert_discs_lie_at(sample, points):
    """The joints' green discs, somewhat blurred by the resampling, are where the points say."""
    inside = ((points > 2) & (points < len(sample["image"]) - 2)).all(-1)
    assert inside.all()
    for column, row in np.floor(points).astype(int):
        red, green, _ = sample["image"][row, column].astype(int)
        assert green > 150
        assert green - red > 100


@pytest.mark.parametrize("split", ["train", "evaluation"])
def test_everything_leaves_in_freihands_conventions(ho3d_folder, split):
    dataset = Ho3dDataset(ho3d_folder, split, labels={"joints", "scale"})
    assert len(dataset) == len(frames_of(split))
    for index, frame in enumerate(frames_of(split)):
        sample, joints = dataset[index], made_up_joints(frame)
        np.testing.assert_allclose(sample["gt_joints"], joints, atol=1e-6)
        assert sample["gt_scale"] == pytest.approx(np.linalg.norm(joints[9] - joints[10]), rel=1e-4)
        seen = sample["gt_joints"] @ sample["K"].T
        seen = seen[:, :2] / seen[:, 2:]
        np.testing.assert_allclose(seen, sample["gt_keypoints_2d"], atol=1e-2)
        np.testing.assert_allclose(seen, sample["keypoints_2d"], atol=1e-2)
        assert sample["photometric_weight"] == pytest.approx(0.8)
        assert_discs_lie_at(sample, seen)


def test_jittered_crops_keep_everything_together(ho3d_folder):
    dataset = Ho3dDataset(ho3d_folder, labels={"joints"}, augment=AugmentationConfig(rotation_deg=30), seed=5)
    sample = dataset[1]
    seen = sample["gt_joints"] @ sample["K"].T
    seen = seen[:, :2] / seen[:, 2:]
    np.testing.assert_allclose(seen, sample["gt_keypoints_2d"], atol=1e-2)
    assert_discs_lie_at(sample, seen)
    dataset.set_epoch(1)
    assert not np.allclose(dataset[1]["K"][0, 0], sample["K"][0, 0], rtol=1e-4)
    assert dataset.crops_vary


def test_upright_crops_have_no_jitter(ho3d_folder):
    """Nor have those of hands of which hardly a joint was found, which show what the list says."""
    still = AugmentationConfig(rotation_deg=0, brightness=0, contrast=0, saturation=0)
    dataset = Ho3dDataset(ho3d_folder, augment=still, crop_upright=True)
    dataset._detections = {name: _without_joints(found) for name, found in dataset._detections.items()}
    before = dataset[1]["K"]
    dataset.set_epoch(1)
    np.testing.assert_array_equal(dataset[1]["K"], before)
    assert not dataset.crops_vary


def _without_joints(detections):
    return replace(detections, confidence=np.zeros_like(detections.confidence))


BOX = np.array([200.0, 200, 300, 260])
"""100 x 60 px about (250, 230), padded to 120 x 80."""


class Jitter:
    """Draws what it was told instead of random numbers."""

    def __init__(self, shift, framing):
        self.shift, self.framing = np.array(shift), framing

    def normal(self, mean, deviation, count):
        assert (mean, deviation, count) == (0, 5, 2)
        return self.shift

    def uniform(self, low, high):
        assert (low, high) == (0.8, 0.9)
        return self.framing


@pytest.mark.parametrize(
    ("box", "shift", "framing", "side"),
    [
        (BOX, (0, 0), 0.85, 4 * 60 / 0.85),
        (BOX, (7, 0), 0.8, 4 * 67 / 0.8),  # the far border is 67 px away
        (BOX, (-7, 3), 0.8, 4 * 67 / 0.8),
        (BOX, (0, 25), 0.9, 4 * 65 / 0.9),  # farther up or down than sideways
        (np.array([0.0, 0, 1, 1]), (0, 0), 0.8, 50 / 0.8),
        (np.array([0.0, 0, 600, 1]), (3, 0), 0.9, 640 / 0.9),
    ],
)
def test_crops_of_training_by_hand(box, shift, framing, side):
    """The side is four times the largest distance along x or y from jittered centre to padded border."""
    left, top, found = hand_crop(box, Jitter(shift, framing))
    assert found == pytest.approx(side)
    middle = (box[:2] + box[2:]) / 2 + shift
    assert (left + found / 2, top + found / 2) == pytest.approx(tuple(middle))


@pytest.mark.parametrize(
    "extent", [(100, 60), (60, 62), (3, 1), (1, 3), (150, 290), (295, 296), (600, 1), (40, 0)]
)
def test_crops_of_evaluation_have_the_mean_of_training(extent):
    box = np.array([200.0, 200, 200 + extent[0], 200 + extent[1]])
    random = np.random.default_rng(0)
    sides = np.array([hand_crop(box, random)[2] for _ in range(40_000)])
    left, top, side = hand_crop(box, None)
    assert side == pytest.approx(sides.mean(), rel=1e-3)
    assert (left + side / 2, top + side / 2) == pytest.approx((200 + extent[0] / 2, 200 + extent[1] / 2))


def test_crop_jitter_has_the_published_spread():
    random = np.random.default_rng(0)
    crops = np.array([hand_crop(BOX, random) for _ in range(3000)])
    centres = crops[:, :2] + crops[:, 2:] / 2
    np.testing.assert_allclose(centres.mean(0), [250, 230], atol=0.5)
    np.testing.assert_allclose(centres.std(0), 5, rtol=0.05)
    # 3 to 8 % larger than twice the longer side of the padded box would be.
    assert 1.03 < crops[:, 2].mean() / (240 / 0.85) < 1.08


def test_evaluation_takes_the_labels_that_are_there(own_folder):
    everything = {"joints", "vertices", "scale"}
    dataset = Ho3dDataset(own_folder, "evaluation", labels=everything)
    assert dataset.labels == everything
    batch = collate_hands([dataset[index] for index in range(3)])
    np.testing.assert_allclose(batch.gt_vertices[:, 0], batch.gt_joints[:, 0], atol=1e-6)
    (own_folder / "evaluation_xyz.json").unlink()
    shutil.rmtree(own_folder / "openpose")
    dataset = Ho3dDataset(own_folder, "evaluation", labels=everything)
    assert dataset.labels == {"vertices"}
    assert sorted(dataset[0]) == ["K", "gt_vertices", "image", "index", "mirrored", "to_photo"]


def test_training_without_labels_gives_none(ho3d_folder):
    assert not [name for name in Ho3dDataset(ho3d_folder)[0] if name.startswith("gt_")]


def test_controlled_size_takes_the_first_frames(ho3d_folder):
    dataset = Ho3dDataset(ho3d_folder, controlled_size=2)
    assert [dataset.image_path(index).stem for index in range(len(dataset))] == ["0000", "0003"]


def test_second_start_reads_no_pickle(own_folder, monkeypatch):
    first = Ho3dDataset(own_folder, labels={"joints"})[4]
    with monkeypatch.context() as patched:
        patched.setattr(ho3d_meta, "read_meta", lambda path: pytest.fail(f"read {path} again"))
        again = Ho3dDataset(own_folder, labels={"joints"})[4]
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])


def test_the_index_follows_its_files(own_folder):
    Ho3dDataset(own_folder)
    meta = own_folder / "train/MC1/meta"
    content = pickle.loads((meta / "0003.pkl").read_bytes())
    content["camMat"] = 2 * K
    (meta / "0003.pkl").unlink()
    (meta / "0003.pkl").write_bytes(pickle.dumps(content))
    os.utime(meta, ns=(time.time_ns(), time.time_ns() + 1))
    assert Ho3dDataset(own_folder).record(4).K[0, 0] == 2 * K[0, 0]
    assert len(list((own_folder / ".s2hand_cache").iterdir())) == 1
    (own_folder / "train.txt").write_text("MC1/0007\n")
    assert project(made_up_joints("MC1/0007")).min(0) == pytest.approx(
        np.add(Ho3dDataset(own_folder).record(0).crop[:2], Ho3dDataset(own_folder).record(0).crop[2] / 2)
        - np.ptp(project(made_up_joints("MC1/0007")), axis=0) / 2,
        abs=1e-2,
    )


def test_read_only_datasets_are_indexed_in_the_users_cache(own_folder, tmp_path, monkeypatch):
    (own_folder / ".s2hand_cache").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Ho3dDataset(own_folder)
    assert len(list((tmp_path / "cache/s2hand").rglob("*.npz"))) == 1


class RunsCode:
    def __reduce__(self):
        return os.system, ("touch /tmp/s2hand_pwned",)


def with_meta(**entries):
    def damage(root):
        path = root / "train/ABF10/meta/0003.pkl"
        content = pickle.loads(path.read_bytes())
        path.write_bytes(pickle.dumps({**content, **entries}))

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, 'no folder .*: set "ho3d_base_path" to the folder of HO-3D'),
        (lambda root: (root / "train.txt").unlink(), 'no file .*train.txt: set "ho3d_base_path"'),
        (lambda root: (root / "train.txt").write_text("\n"), "lists no frames"),
        (
            lambda root: (root / "train.txt").write_text("../../etc/passwd"),
            "expected lines <sequence>/<frame",
        ),
        (lambda root: (root / "train.txt").write_text("A\0B/0000"), "expected lines <sequence>/<frame"),
        (lambda root: (root / "train.txt").write_text("/0000"), "expected lines <sequence>/<frame"),
        (lambda root: (root / "train.txt").write_bytes(b"\xff\xfe"), "is not text"),
        (lambda root: (root / "train/ABF10/rgb/0000.png").unlink(), r"no .*0000\.png or \.jpg"),
        (lambda root: (root / "train/ABF10/meta/0003.pkl").unlink(), r"cannot read .*0003\.pkl"),
        (lambda root: shutil.rmtree(root / "train/MC1/meta"), "cannot read .*MC1/meta"),
        (lambda root: (root / "train/ABF10/meta/0003.pkl").write_bytes(b""), r"0003\.pkl is not a pickle"),
        (
            lambda root: (root / "train/ABF10/meta/0003.pkl").write_bytes(pickle.dumps([1])),
            "holds a list, expected a dict",
        ),
        (
            lambda root: (root / "train/ABF10/meta/0003.pkl").write_bytes(bytes(2 << 20)),
            "has more than 1048576 bytes",
        ),
        (with_meta(camMat=np.eye(4)), r"expected camMat to be \(3, 3\) finite numbers"),
        (with_meta(handJoints3D=None), "expected handJoints3D to be .* got NoneType"),
        (with_meta(handJoints3D=np.full((21, 3), np.nan)), "expected handJoints3D"),
        (with_meta(extra=RunsCode()), "asks for posix.system, which is not admitted"),
        (lambda root: shutil.rmtree(root / "openpose/MC1"), r"no file .*MC1/detect\.json"),
        (
            lambda root: shutil.copy(root / "openpose/short.json", root / "openpose/MC1/detect.json"),
            r"MC1/detect\.json: 1 rows, expected one for each frame up to 7",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(own_folder, damage, message):
    row = "[[[" + ",".join(["[1,1]"] * 21) + "]],[[" + ",".join(["[1]"] * 21) + "]]]"
    (own_folder / "openpose/short.json").write_text(row)
    damage(own_folder)
    with pytest.raises(DatasetError, match=message) as caught:
        Ho3dDataset(own_folder)
    assert "\n" not in str(caught.value)
    assert not os.path.exists("/tmp/s2hand_pwned")


def test_impossible_requests_are_refused(own_folder):
    with pytest.raises(DatasetError, match="has no vertices"):
        Ho3dDataset(own_folder, labels={"vertices"})
    with pytest.raises(DatasetError, match="it has no mask"):
        Ho3dDataset(own_folder, labels={"mask"})
    with pytest.raises(DatasetError, match="split must be train or evaluation"):
        Ho3dDataset(own_folder, "training")
    with pytest.raises(DatasetError, match="version must be v2 or v3"):
        Ho3dDataset(own_folder, version="v4")
    with pytest.raises(DatasetError, match=r"no .*0000\.jpg"):
        Ho3dDataset(own_folder, version="v3")
