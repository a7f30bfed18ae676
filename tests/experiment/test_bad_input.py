"""What users get wrong most often ends in one line that names it and says what to do."""

import json
import shutil

import pytest

from s2hand.cli import main


@pytest.fixture
def experiment(small_config, synthetic_root, tmp_path):
    """``experiment(**changes)``: writes a FreiHAND experiment on a copy of the data; returns its path."""
    root = tmp_path / "data"
    shutil.copytree(synthetic_root, root)

    def write(**changes):
        values = json.loads(small_config("shape").to_json())
        values |= {
            "train_datasets": ["FreiHand"],
            "val_datasets": ["FreiHand"],
            "freihand_base_path": str(root),
            "synthetic_base_path": None,
            "total_epochs": 1,
        }
        path = tmp_path / "experiment.json"
        path.write_text(json.dumps(values | changes))
        return path

    write.root = root
    return write


def message_of(capsys, path):
    """Runs ``s2hand train`` and returns the one line it says."""
    assert main(["train", str(path)]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("s2hand: error: ")
    assert "Traceback" not in line
    return line


def test_missing_dataset(experiment, capsys, tmp_path):
    line = message_of(capsys, experiment(freihand_base_path=str(tmp_path / "nowhere")))
    assert "freihand_base_path" in line
    assert "nowhere" in line


def test_missing_mano_file(experiment, capsys):
    line = message_of(capsys, experiment(hand_model="MANO_RIGHT.pkl"))
    assert "hand_model" in line
    assert "MANO_RIGHT.pkl" in line


@pytest.mark.parametrize("workers", [0, 1])
def test_truncated_image(experiment, capsys, workers):
    for picture in (experiment.root / "training/rgb").iterdir():
        picture.write_bytes(picture.read_bytes()[:200])
    line = message_of(capsys, experiment(num_workers=workers))
    assert ".jpg" in line
    assert len(line) < 400


@pytest.mark.slow
def test_five_percent_of_damaged_images_are_passed_over_and_no_more(experiment, capsys):
    pictures = sorted((experiment.root / "training/rgb").iterdir())
    pictures[3].write_bytes(pictures[3].read_bytes()[:300])  # one of 24
    changes = {"max_unreadable_share": 0.05, "rotation_deg": 0}
    assert main(["train", str(experiment(**changes))]) == 0
    left_out = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(left_out) == 1
    assert pictures[3].name in left_out[0]
    pictures[7].write_bytes(b"")
    line = message_of(capsys, experiment(**changes, resume=False))
    assert "2 of 24 samples cannot be read" in line
    assert "max_unreadable_share is 0.05" in line


def test_wrong_type(experiment, capsys):
    line = message_of(capsys, experiment(train_batch="many"))
    assert "train_batch" in line
    assert "many" in line


def test_unknown_key(experiment, capsys):
    line = message_of(capsys, experiment(train_bach=8))
    assert "train_bach" in line
    assert "train_batch" in line


def test_detections_of_the_wrong_length(experiment, capsys):
    path = experiment.root / "openpose_v2/training/detect_all.json"
    keypoints, confidence, *_ = json.loads(path.read_text())
    path.write_text(json.dumps([keypoints[:-1], confidence[:-1]]))
    line = message_of(capsys, experiment())
    assert "detect_all.json" in line
    assert "24 rows" in line
    assert "got 23" in line


def test_cuda_without_a_gpu(experiment, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    line = message_of(capsys, experiment(device="cuda"))
    assert "use cpu or auto" in line


@pytest.mark.slow
def test_checkpoint_of_another_network(experiment, capsys, tmp_path):
    assert main(["train", str(experiment(base_out_path=str(tmp_path / "first")))]) == 0
    line = message_of(
        capsys,
        experiment(pretrain_model=str(tmp_path / "first"), num_pca=20, base_out_path=str(tmp_path / "2")),
    )
    assert "num_pca" in line
