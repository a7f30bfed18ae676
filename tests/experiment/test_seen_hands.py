"""A lift learns from generated images and from photos: what is read in them, kept, and learned."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from support.own_photos import draw_photos, folder_dataset

from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.config import ConfigError, config_from_dict, load_config
from s2hand.experiment import Experiment, run, seen_hands
from s2hand.experiment.lift_training import build_lift_trainer
from s2hand.hand import load_hand_model
from s2hand.hand.joint_chain import JointChain
from s2hand.models.hand_view import HandLandmarks, view_hands
from s2hand.runtime.interrupt import TrainingInterrupted
from s2hand.training.reporting import RunRecorder

IMAGES, PHOTOS = 6, 5


def silent(line: str) -> None:
    """Takes what a run says."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of generated photos with detections, and room for generated images."""
    root = tmp_path_factory.mktemp("pictures")
    draw_photos(root / "photos", PHOTOS, 1)
    return root


@pytest.fixture
def small(pytestconfig, pictures, tmp_path, monkeypatch, one_thread):
    """``small(**changes)``: the shipped experiment with few images."""
    photos = pictures / "photos/training"
    monkeypatch.setenv("PHOTOS_PATH", str(photos))
    shipped = json.loads((pytestconfig.rootpath / "configs/Small/train.json").read_text())
    few = {
        "synthetic_base_path": str(pictures / "images"),
        "synthetic_train_size": IMAGES,
        "synthetic_eval_size": 1,
        "folder_base_path": str(photos),
        "folder_detections": str(photos / "detections.json"),
        "base_out_path": str(tmp_path / "run"),
        "random_hands_train_size": 64,
        "random_hands_eval_size": 50,
        "train_batch": 32,
        "total_epochs": 2,
        "num_workers": 0,
        "device": "cpu",
    }
    return lambda **changes: config_from_dict(shipped | few | changes)


def seen(config):
    with Experiment(config, silent) as experiment:
        config.run_dir.mkdir(parents=True, exist_ok=True)
        return seen_hands.seen_hands(experiment)


def test_the_shipped_experiment_takes_the_steps_of_the_bundled_lift(pytestconfig, monkeypatch, pictures):
    monkeypatch.setenv("PHOTOS_PATH", str(pictures))
    config = load_config(pytestconfig.rootpath / "configs/Small/train.json")
    card = json.loads((pytestconfig.rootpath / "s2hand/models/weights/lift.json").read_text())
    steps = config.total_epochs * (config.random_hands_train_size // config.train_batch)
    assert (steps, config.train_batch, config.seed) == (card["steps"], card["batch"], card["seed"])


def test_generated_images_come_with_the_generators_truth(small):
    """The joints of the stored pose, shape and rotation are those of the stored joints."""
    hands = seen(small()).generated
    assert len(hands) == IMAGES
    joints = JointChain(load_hand_model("generic"))(hands.angles, hands.betas, hands.rotation)
    offset = hands.joints - joints
    assert (offset - offset.mean(1, keepdim=True)).norm(dim=-1).max() < 1e-4
    # What the network reads lies near them: within a fifth of the hand on average.
    rays = hands.joints[..., :2] / hands.joints[..., 2:]
    apart = (hands.landmarks.rays - rays).norm(dim=-1).mean(1)
    assert (apart / (rays.amax(1) - rays.amin(1)).amax(1)).median() < 0.2
    assert torch.isfinite(hands.landmarks.depths).all()


def test_photos_keep_their_detections(small, pictures):
    """Seen from their middle, the landmarks are the detected keypoints, whatever crop was read."""
    found = seen(small()).photos
    level = folder_dataset(pictures / "photos/training", val_share=0)  # another crop than the upright one
    assert len(found.rays) == len(level) == PHOTOS
    for row in range(PHOTOS):
        sample = {name: torch.from_numpy(np.asarray(value))[None] for name, value in level[row].items()}
        stored = HandLandmarks.from_pixels(sample["keypoints_2d"], sample["K"], sample["confidence"])
        own = found.select(torch.tensor([row]))
        assert own.confidence.equal(stored.confidence)
        assert torch.allclose(view_hands(own).plane, view_hands(stored).plane, atol=1e-3)
        assert torch.isfinite(own.world).all()


def test_what_was_read_is_kept_until_the_config_means_other_hands(small, pictures, tmp_path, monkeypatch):
    first = seen(small())
    reads = []
    original = seen_hands._read
    monkeypatch.setattr(seen_hands, "_read", lambda *a, **k: reads.append(1) or original(*a, **k))
    again = seen(small(total_epochs=3, init_lr=1e-4, random_hands_train_size=96))
    assert not reads
    assert again.generated.landmarks.world.equal(first.generated.landmarks.world)
    assert again.photos.rays.equal(first.photos.rays)
    assert len(seen(small(train_datasets=["Folder"])).photos.rays) == PHOTOS
    assert len(reads) == 1
    stored = json.loads((pictures / "photos/training/detections.json").read_text())
    stored["images"][0]["keypoints"][4][0] += 3
    (tmp_path / "other.json").write_text(json.dumps(stored))
    moved = seen(small(folder_detections=str(tmp_path / "other.json"), train_datasets=["Folder"]))
    assert not moved.photos.rays[0].equal(first.photos.rays[0])
    path = small().run_dir / seen_hands.CACHE_FILE
    path.write_bytes(path.read_bytes()[:100])  # cut short: read anew
    assert seen(small()).generated.joints.equal(first.generated.joints)


@pytest.mark.parametrize(
    "changes",
    [{"hand": "left"}, {"K": [[300, 0, 80], [0, 300, 80], [0, 0, 1]]}, {"confidence": [0.2] * 21}],
)
def test_what_was_read_is_not_kept_for_other_detections(small, pictures, tmp_path, changes):
    path = pictures / "photos/training/detections.json"
    stored = json.loads(path.read_text())
    for image in stored["images"]:
        image |= {"hand": "right", "confidence": [0.9] * 21}
    other = tmp_path / "other.json"
    other.write_text(json.dumps(stored))
    config = small(folder_detections=str(other), train_datasets=["Folder"])
    before = seen(config).photos
    for image in stored["images"]:
        image |= changes
    other.write_text(json.dumps(stored))
    after = seen(config).photos
    elsewhere = {"base_out_path": str(tmp_path / "fresh"), "folder_detections": str(other)}
    fresh = seen(small(train_datasets=["Folder"], **elsewhere)).photos
    assert not all(value.equal(vars(after)[name]) for name, value in vars(before).items())
    assert all(value.equal(vars(after)[name]) for name, value in vars(fresh).items())


def test_photos_that_cannot_be_read_today_are_read_again(small, pictures, tmp_path):
    photos = tmp_path / "photos"
    shutil.copytree(pictures / "photos/training", photos)
    config = small(
        folder_base_path=str(photos),
        folder_detections=str(photos / "detections.json"),
        train_datasets=["Folder"],
        max_unreadable_share=0.5,
    )
    first = sorted(photos.rglob("*.jpg"))[0]
    content = first.read_bytes()
    first.unlink()
    without = seen(config).photos
    first.write_bytes(content)
    whole = seen(config).photos
    assert not whole.rays.equal(without.rays)
    fresh = small(train_datasets=["Folder"], base_out_path=str(tmp_path / "fresh"))
    assert whole.rays.equal(seen(fresh).photos.rays)


@pytest.mark.parametrize("datasets", [["Synthetic"], ["Folder"], ["Synthetic", "Folder"]])
def test_it_learns_from_each(small, datasets):
    config = small(train_datasets=datasets, total_epochs=1)
    lines = []
    run(config, lines.append)
    expected = {"Synthetic": f"{IMAGES} of generated images", "Folder": f"{PHOTOS} of photos"}
    told = next(line for line in lines if line.startswith("training hand_head"))
    assert {name for name, words in expected.items() if words in told} == set(datasets)
    assert read_checkpoint(config.run_dir)["progress"]["epoch"] == 1


def test_a_stopped_run_with_images_resumes_to_the_same_bits(small, tmp_path, monkeypatch):
    undisturbed, disturbed = (small(base_out_path=str(tmp_path / name)) for name in "ab")
    run(undisturbed, silent)
    trainer = build_lift_trainer(
        Experiment(disturbed, silent), RunRecorder(disturbed.run_dir, tensorboard=False)
    )
    inner = trainer._train_batch

    def stop_in_time(*args, **kwargs):
        if trainer.progress.batch + 1 == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(*args, **kwargs)

    monkeypatch.setattr(trainer, "_train_batch", stop_in_time)
    with pytest.raises(TrainingInterrupted):
        trainer.run()
    run(disturbed, silent)
    expected, found = (read_checkpoint(config.run_dir)["average"] for config in (undisturbed, disturbed))
    assert expected.keys() == found.keys()
    assert all(expected[name].equal(found[name]) for name in expected)


def test_missing_detections_are_one_line(small, tmp_path):
    with pytest.raises(ConfigError, match=r"folder_detections: no such file: .*nowhere\.json"):
        run(small(folder_detections=str(tmp_path / "nowhere.json")), silent)
