"""A config trains the lift: resumed to the same bits, evaluated, and used on photos."""

import hashlib
import json
import os
import signal
import sys
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pytest

from s2hand import HandReconstructor, cli
from s2hand.checkpoints.checkpoint import BEST, read_checkpoint
from s2hand.config import ConfigError, config_from_dict, load_config
from s2hand.evaluation.run_records import read_run
from s2hand.experiment import Experiment, config_to_evaluate, run
from s2hand.experiment.training import build_lift_trainer
from s2hand.images.photos import read_photo
from s2hand.models.landmark_lift import LandmarkLifter
from s2hand.prediction.landmark_answerer import LandmarkAnswerer
from s2hand.prediction.sample_photos import sample_photos
from s2hand.runtime.distributed import Processes
from s2hand.runtime.interrupt import TrainingInterrupted
from s2hand.training.nonfinite import NonFiniteLossError
from s2hand.training.reporting import RunRecorder


def silent(line: str) -> None:
    """Takes what a run says."""


@pytest.fixture
def lift_keys(pytestconfig, tmp_path, one_thread):
    """``lift_keys(**changes)``: the shipped experiment, small."""
    shipped = json.loads((pytestconfig.rootpath / "configs/Lift/train.json").read_text())
    small = {
        "base_out_path": str(tmp_path / "run"),
        "random_hands_train_size": 96,
        "random_hands_eval_size": 100,
        "train_batch": 32,
        "total_epochs": 2,
        "num_workers": 0,
        "device": "cpu",
    }
    return lambda **changes: shipped | small | changes


@pytest.fixture
def lift_config(lift_keys):
    return lambda **changes: config_from_dict(lift_keys(**changes))


def trainer_of(config):
    return build_lift_trainer(Experiment(config, silent), RunRecorder(config.run_dir, tensorboard=False))


def weights(folder):
    state = read_checkpoint(folder)
    return {**state["model"], **{f"average.{name}": value for name, value in state["average"].items()}}


def test_the_experiment_takes_the_steps_of_the_bundled_lift(pytestconfig):
    config = load_config(pytestconfig.rootpath / "configs/Lift/train.json")
    card = json.loads((pytestconfig.rootpath / "s2hand/models/weights/random_lift.json").read_text())
    steps = config.total_epochs * (config.random_hands_train_size // config.train_batch)
    assert (steps, config.train_batch, config.seed) == (card["steps"], card["batch"], card["seed"])


def test_only_the_hand_head_learns(lift_config):
    config = lift_config(total_epochs=1)
    before = {name: value.clone() for name, value in Experiment(config, silent).model.state_dict().items()}
    run(config, silent)
    after = read_checkpoint(config.run_dir)["model"]
    changed = {name for name, value in after.items() if not value.equal(before[name])}
    assert {name.split(".")[0] for name in changed} == {"hand_head"}
    assert len(changed) == len(list(Experiment(config, silent).model.hand_head.net.parameters()))


@pytest.mark.parametrize("stop_after", [2, 3])
def test_a_stopped_run_resumes_to_the_same_bits(lift_config, tmp_path, monkeypatch, stop_after):
    """Interrupted in the middle of an epoch or at its end; and going on with hands drawn by processes."""
    undisturbed = lift_config(base_out_path=str(tmp_path / "a"))
    run(undisturbed, silent)
    disturbed = lift_config(base_out_path=str(tmp_path / "b"))
    trainer = trainer_of(disturbed)
    inner = trainer._train_batch

    def stop_in_time(*args, **kwargs):
        if trainer.progress.batch + 1 == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(*args, **kwargs)

    monkeypatch.setattr(trainer, "_train_batch", stop_in_time)
    with pytest.raises(TrainingInterrupted):
        trainer.run()
    run(lift_config(base_out_path=str(tmp_path / "b"), num_workers=2), silent)
    expected, found = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert expected.keys() == found.keys()
    assert all(expected[name].equal(found[name]) for name in expected)


def test_it_learns(lift_config):
    trainer = trainer_of(lift_config(warmup_steps=0))
    batch = next(iter(trainer.make_loader(0, 0)))
    totals = [float(trainer._train_batch(batch, last=True)["total"].detach()) for _ in range(40)]
    assert totals[-1] < 0.6 * totals[0], totals


def test_a_lift_is_evaluated_on_hands_held_out(lift_config, capsys):
    """Started from the bundled weights and hardly moved, it has about their error."""
    config = lift_config(hand_head_pretrained=True, init_lr=1e-6, total_epochs=1)
    run(config, silent)
    recorded = read_run(config.run_dir, "a").curves["evaluation/pa_mpjpe"][1]
    assert 4 < recorded < 6
    assert cli.main(["evaluate", str(config.run_dir)]) == 0
    assert f"PA-MPJPE {recorded:.2f} mm on 100 random hands held out" in capsys.readouterr().out
    (folder,) = (config.run_dir / "evaluations").iterdir()
    assert read_run(folder, "b").curves["evaluation/pa_mpjpe"][1] == pytest.approx(recorded, rel=1e-5)


@pytest.mark.slow
def test_a_lift_is_evaluated_on_images(lift_config, small_config):
    config = lift_config(hand_head_pretrained=True, init_lr=1e-6, total_epochs=1)
    run(config, silent)
    images = json.loads(small_config().to_json())
    keys = ("synthetic_base_path", "synthetic_train_size", "synthetic_eval_size", "image_size")
    overrides = {key: images[key] for key in keys} | {"val_datasets": ["Synthetic"], "write_report": False}
    found = run(config_to_evaluate(config.run_dir, overrides), silent)
    assert found.metrics["Synthetic"]["pa_mpjpe"] < 25


def test_a_lift_finds_the_hands_of_photos(lift_config, tmp_path, capsys):
    config = lift_config(hand_head_pretrained=True, init_lr=1e-6, total_epochs=1)
    run(config, silent)
    lifting = HandReconstructor.from_checkpoint(config.run_dir, device="cpu")
    assert isinstance(lifting.answerer, LandmarkAnswerer)
    average = read_checkpoint(config.run_dir)["average"]
    for name, value in lifting.answerer.lifter.net.state_dict().items():
        assert value.equal(average[f"hand_head.net.{name}"])
    photo = read_photo(sample_photos()[1])
    hands, small = lifting.predict(photo), HandReconstructor.small("cpu").predict(photo)
    assert hands.hands == small.hands == ("left",)
    assert np.allclose(hands.keypoints_2d, small.keypoints_2d, atol=0.1 * max(photo.shape))
    out = tmp_path / "out"
    arguments = [
        "predict",
        str(config.run_dir),
        str(sample_photos()[1]),
        "--out",
        str(out),
        "--formats",
        "npz",
    ]
    assert cli.main([*arguments, "--device", "cpu"]) == 0
    assert list(out.rglob("*.npz"))
    assert "whole photos" not in capsys.readouterr().err


def test_a_loss_that_is_not_finite_stops_the_run_in_one_line(lift_config, monkeypatch):
    trainer = trainer_of(lift_config())
    inner = trainer.objective.forward

    def blown_up(lifter, hands):
        losses = inner(lifter, hands)
        return losses | {"posed": losses["posed"] * float("inf"), "total": losses["total"] * float("inf")}

    monkeypatch.setattr(trainer.objective, "forward", blown_up)
    with pytest.raises(NonFiniteLossError, match=r"^loss posed.* is not finite in epoch 1, batch 1; lower "):
        trainer.run()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"random_hands_trian_size": 5},
            "unknown key random_hands_trian_size; did you mean random_hands_train",
        ),
        ({"task": "lift"}, "task: expected 'train', 'hm_train' or 'lift_train', got \"lift\""),
        (
            {"train_datasets": ["FreiHand"], "freihand_base_path": "x"},
            r"from Synthetic and Folder, but train_datasets has FreiHand; leave it out",
        ),
        (
            {"val_datasets": ["Synthetic"], "synthetic_base_path": "x"},
            r"val_datasets has Synthetic; set val_datasets to \[\]",
        ),
        ({"losses": ["mscale"]}, "losses asks for mscale"),
        ({"hand_input": "image"}, "hand_input is image; set it to detections"),
        ({"train_requires": ["joints", "textures", "lights", "verts"]}, "but lights is in train_requires"),
        ({"precision": "bf16"}, "computes in fp32, but precision is bf16"),
        ({"train_batch": 97}, "random_hands_train_size 96 is less than one train_batch of 97"),
    ],
)
def test_a_wrong_key_gets_one_line(lift_keys, changes, words):
    with pytest.raises(ConfigError, match=words) as refused:
        config_from_dict(lift_keys(**changes))
    assert "\n" not in str(refused.value)


def test_several_processes_are_refused(lift_config):
    with Experiment(lift_config(), silent) as experiment:
        experiment.processes = Processes(rank=0, size=2)
        with pytest.raises(ConfigError, match="runs in one process, got 2; start it without torchrun"):
            build_lift_trainer(experiment, RunRecorder(experiment.config.run_dir, tensorboard=False))


def test_a_script_bundles_the_weights_with_a_card(lift_keys, tmp_path, monkeypatch, pytestconfig):
    spec = spec_from_file_location("bundle_lift", pytestconfig.rootpath / "scripts/bundle_lift.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    file, out = tmp_path / "lift.json", tmp_path / "weights/lift.safetensors"
    file.write_text(json.dumps(lift_keys(total_epochs=1)))
    monkeypatch.setattr(sys, "argv", ["bundle_lift.py", str(file), "--out", str(out)])
    script.main()
    card = json.loads(out.with_suffix(".json").read_text())
    assert (card["seed"], card["steps"], card["batch"]) == (0, 3, 32)
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    recorded = read_run(tmp_path / "run", "a").curves["evaluation/pa_mpjpe"][1]
    assert card["pa_mpjpe_mm"]["pa_mpjpe"] == pytest.approx(recorded, abs=0.01)
    average = read_checkpoint(tmp_path / "run")["average"]
    for name, value in LandmarkLifter.bundled(path=out).net.state_dict().items():
        assert value.equal(average[f"hand_head.net.{name}"].half().float())


def test_commands_that_need_images_say_so(lift_config, lift_keys, tmp_path, capsys):
    config = lift_config(total_epochs=1)
    run(config, silent)
    file = tmp_path / "lift.json"
    file.write_text(json.dumps(lift_keys()))
    for words in (["report", str(config.run_dir)], ["shard", str(file), "--out", str(tmp_path / "shards")]):
        assert cli.main(words) == 2
        assert "without images" in capsys.readouterr().err
    assert read_checkpoint(config.run_dir / BEST)["progress"]["best_metric"] == "pa_mpjpe"
