"""A run keeps what it has made: evaluations, locks, resumption with other keys, diverged networks."""

import hashlib
import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
import torch
from filelock import FileLock
from support.made_up_ho3d import write_ho3d

from s2hand import cli
from s2hand.checkpoints.checkpoint import BEST, LAST, CheckpointError, read_checkpoint, write_checkpoint
from s2hand.errors import DatasetError
from s2hand.evaluation.evaluator import NonFinitePredictionError
from s2hand.evaluation.panels import PanelMaker
from s2hand.evaluation.run_records import best_stage, read_run, stage_of
from s2hand.experiment import Experiment, config_to_evaluate, run, run_lock
from s2hand.experiment.run_lock import RunInUseError
from s2hand.experiment.sharding import shard_datasets
from s2hand.experiment.training import build_trainer
from s2hand.runtime.interrupt import TrainingInterrupted
from s2hand.training.reporting import RunRecorder


def silent(line: str) -> None:
    """Takes what a run says."""


def trainer_of(config):
    return build_trainer(Experiment(config, silent), RunRecorder(config.run_dir, tensorboard=False))


def content_of(folder):
    """Path -> SHA-256 of every file that training wrote."""
    files = [path for path in folder.rglob("*") if path.is_file() and "evaluations" not in path.parts]
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def best_weights(folder):
    state = read_checkpoint(folder / BEST)
    return state["average"] or state["model"]


@pytest.fixture
def trained(small_config):
    config = small_config("shape", total_epochs=2, ema_decay=0.9)
    return config, run(config, silent)


@pytest.mark.parametrize("source", ["folder", "config.json", "experiment"])
def test_a_run_is_evaluated_with_its_best_weights_beside_what_training_wrote(trained, tmp_path, source):
    config, result = trained
    before = content_of(config.run_dir)
    best = read_checkpoint(config.run_dir / BEST)["progress"]
    experiment = tmp_path / "experiment.json"
    experiment.write_text(config.to_json())
    files = {
        "folder": config.run_dir,
        "config.json": config.run_dir / "config.json",
        "experiment": experiment,
    }
    said = []
    found = run(config_to_evaluate(files[source]), said.append)
    assert content_of(config.run_dir) == before
    assert found.folder == config.run_dir / "evaluations" / f"epoch_{best['epoch']:04d}"
    recorded = read_run(config.run_dir, "a").curves["evaluation/pa_mpjpe"][best["epoch"]]
    assert found.metrics["Synthetic"]["pa_mpjpe"] == pytest.approx(recorded, rel=1e-6)
    assert any(line.splitlines()[0].endswith(f"after epoch {best['epoch']}") for line in said)
    assert (found.folder / "predictions/Synthetic/pred.json").is_file()
    assert list((found.folder / "pictures").iterdir())
    again = run(config_to_evaluate(files[source]), silent)
    assert again.folder == found.folder
    other = run(config_to_evaluate(files[source], {"eval_limit": 4}), silent)
    assert other.folder.name == f"{found.folder.name}-2"
    assert content_of(config.run_dir) == before
    assert run(config, silent).metrics == result.metrics


@pytest.mark.parametrize("source", ["folder", "config.json"])
def test_a_run_without_a_best_checkpoint_is_evaluated_with_its_newest(trained, source):
    config, _ = trained
    (config.run_dir / BEST).unlink()
    newest = read_checkpoint(config.run_dir)["progress"]["epoch"]
    place = config.run_dir if source == "folder" else config.run_dir / "config.json"
    chosen = config_to_evaluate(place)
    assert chosen.pretrain_model == str(config.run_dir / "checkpoint_last.pt")
    assert run(chosen, silent).folder.name == f"epoch_{newest:04d}"


def test_the_network_is_the_one_that_was_trained(small_config, tmp_path):
    """Its sizes are stored with the weights; a config.json that someone has changed does not matter."""
    config = small_config("e2e", total_epochs=1, num_pca=12, attention=True)
    run(config, silent)
    (config.run_dir / "config.json").write_text("{}")
    evaluated = config_to_evaluate(config.run_dir)
    assert (evaluated.num_pca, evaluated.attention, evaluated.stage) == (12, True, "evaluate")
    with Experiment(evaluated, silent) as experiment:
        weights = best_weights(config.run_dir)
        assert all(value.equal(weights[name]) for name, value in experiment.model.state_dict().items())


def test_evaluate_takes_a_run_on_the_command_line(trained, capsys):
    config, _ = trained
    assert cli.main(["evaluate", str(config.run_dir), "--set", "val_batch=4"]) == 0
    assert f"{config.run_dir}/evaluations/epoch_" in capsys.readouterr().out
    assert cli.main(["evaluate", str(config.run_dir.parent / "nowhere")]) == 2


def test_a_run_that_was_stopped_before_its_first_evaluation_is_evaluated(trained):
    config, _ = trained
    for path in config.run_dir.glob("checkpoint_*.pt"):
        if path.name != LAST:
            path.unlink()
    assert config_to_evaluate(config.run_dir).pretrain_model == str(config.run_dir / LAST)


def test_stages_in_a_folder_stand_for_the_best_of_them(tmp_path):
    errors = {"kp": None, "shape": 9.0, "finetune": 7.0, "texture": 8.0}
    for name, error in errors.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint_last.pt").touch()
        line = {"kind": "evaluation", "epoch": 1, "step": 1, "time": 1.0, "heatmap_px": 1.0}
        line |= {} if error is None else {"pa_mpjpe": error}
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    assert best_stage(tmp_path) == tmp_path / "finetune"
    assert best_stage(tmp_path / "shape") == tmp_path / "shape"
    assert stage_of(tmp_path) == tmp_path / "finetune"
    for other in (tmp_path / "shape", tmp_path / "shape" / "checkpoint_last.pt", tmp_path.parent / "no.pt"):
        assert stage_of(other) == other


def test_a_complete_run_says_so_and_keeps_its_metrics(trained):
    config, result = trained
    before, said = content_of(config.run_dir), []
    again = run(config, said.append)
    changed = {path for path, digest in content_of(config.run_dir).items() if before.get(path) != digest}
    assert changed == set()
    assert again.metrics == result.metrics
    assert any("already complete" in line for line in said)


def test_the_end_of_a_training_names_its_best_epoch_and_what_to_do_next(small_config):
    config, said = small_config("shape", total_epochs=2), []
    run(config, said.append)
    best = read_checkpoint(config.run_dir / BEST)["progress"]
    text = "\n".join(said)
    assert f"best epoch: {best['best_epoch']}, with pa_mpjpe {best['best']:.4g}" in text
    assert f"s2hand evaluate {config.run_dir}" in text
    assert f"s2hand predict {config.run_dir} " in text


def test_after_training_the_network_holds_the_averaged_weights(small_config):
    from s2hand.experiment.training import train_experiment

    config = small_config("shape", total_epochs=1, ema_decay=0.9)
    for _ in range(2):  # while it trains, and when it is complete
        with Experiment(config, silent) as experiment, experiment.open_recorder() as recorder:
            train_experiment(experiment, recorder)
        average = read_checkpoint(config.run_dir)["average"]
        assert all(value.equal(average[name]) for name, value in experiment.model.state_dict().items())


def test_two_runs_never_share_a_folder(small_config, monkeypatch):
    monkeypatch.setattr(run_lock, "PATIENCE_S", 0.1)
    config, said = small_config("shape", total_epochs=1), []
    config.run_dir.mkdir(parents=True)
    with FileLock(config.run_dir / run_lock.LOCK_FILE), pytest.raises(RunInUseError, match="another s2hand"):
        run(config, said.append)
    assert any("in use" in line for line in said)
    run(config, silent)
    assert (config.run_dir / BEST).is_file()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_pca": 20}, "num_pca 30 -> 20"),
        ({"backbone": "test_efficientnet"}, 'backbone "test_resnet" -> "test_efficientnet"'),
        (
            {"losses": ["hm_integral"], "train_requires": ["heatmaps", "joints"], "task": "hm_train"}
            | {"test_requires": ["heatmaps"], "train_requires": ["heatmaps"]},
            "losses",
        ),
    ],
)
def test_another_network_is_not_resumed(small_config, change, named):
    run(small_config("shape", total_epochs=1), silent)
    with pytest.raises(CheckpointError, match="another network") as error:
        run(small_config("shape", **({"total_epochs": 2} | change)), silent)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_resuming_names_the_keys_that_differ_and_says_which_matter(small_config):
    run(small_config("shape", total_epochs=1), silent)
    said = []
    run(small_config("shape", total_epochs=2, seed=5, weight_decay=0.1, val_batch=4), said.append)
    lines = [line for line in said if line.startswith("resuming with other keys")]
    assert len(lines) == 2
    assert "same results" in lines[0]
    assert "val_batch 8 -> 4" in lines[0]
    assert "change the results" in lines[1]
    for named in ("seed 0 -> 5", "weight_decay 0.0 -> 0.1", "total_epochs 1 -> 2"):
        assert named in lines[1]


def test_a_resumed_run_takes_the_optimisers_settings_from_the_config(small_config):
    run(small_config("shape", total_epochs=1), silent)
    trainer = trainer_of(small_config("shape", total_epochs=2, weight_decay=0.25, optimizer="AdamW"))
    assert trainer.resume()
    group = trainer.state.optimizer.param_groups[0]
    assert group["weight_decay"] == 0.25
    assert type(trainer.state.optimizer) is torch.optim.AdamW
    assert group.get("decoupled_weight_decay", True)


def test_an_average_that_begins_on_resume_begins_with_the_resumed_weights(small_config):
    run(small_config("shape", total_epochs=1), silent)
    trainer = trainer_of(small_config("shape", total_epochs=2, ema_decay=0.99))
    assert trainer.resume()
    weights = read_checkpoint(trainer.recorder.folder)["model"]
    assert all(value.equal(weights[name]) for name, value in trainer.state.average.state.items())


def test_a_run_goes_on_in_another_precision(small_config):
    """fp16 brings a scaler of the loss, which fp32 has not stored; the CPU's stands in for CUDA's."""
    run(small_config("shape", total_epochs=1), silent)
    trainer = trainer_of(small_config("shape", total_epochs=2))
    trainer.state.scaler = torch.amp.GradScaler("cpu", enabled=True)
    assert trainer.resume()
    assert trainer.state.scaler.get_scale() > 1


def test_a_stop_inside_an_accumulation_window_loses_nothing(small_config, tmp_path, monkeypatch):
    changes = {"train_batch": 4, "accumulate_steps": 3, "total_epochs": 1, "losses": ["tsa_poses", "mscale"]}
    undisturbed = small_config("shape", **changes, base_out_path=str(tmp_path / "a"))
    disturbed = small_config("shape", **changes, base_out_path=str(tmp_path / "b"))
    run(undisturbed, silent)
    trainer = trainer_of(disturbed)
    inner, count = trainer._train_batch, []

    def stop_in_second_batch(*given):
        count.append(1)
        if len(count) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(*given)

    monkeypatch.setattr(trainer, "_train_batch", stop_in_second_batch)
    with pytest.raises(TrainingInterrupted, match="after batch 3"):
        trainer.run()
    run(disturbed, silent)
    expected, found = (read_checkpoint(tmp_path / name)["model"] for name in "ab")
    assert all(value.equal(found[name]) for name, value in expected.items())


def test_a_sheet_that_cannot_be_drawn_ends_no_training(small_config, monkeypatch):
    def fails(*given):
        raise ValueError("operands could not be broadcast")

    monkeypatch.setattr(PanelMaker, "spread_sheet", fails)
    config, said = small_config("shape", total_epochs=2), []
    run(config, said.append)
    assert read_checkpoint(config.run_dir)["progress"]["epoch"] == 2
    assert sum("no figure of Synthetic: ValueError: operands" in line for line in said) == 2


def test_a_diverged_network_ends_its_training_in_one_line_after_saving(small_config, monkeypatch):
    config = small_config("shape", total_epochs=3)
    trainer = trainer_of(config)
    forward = trainer.model.hand_head.forward

    def diverged(*given):
        answer = forward(*given)
        return answer if trainer.model.training or trainer.model.hand_head.training else _times_nan(answer)

    monkeypatch.setattr(trainer.model.hand_head, "forward", diverged)
    with pytest.raises(NonFinitePredictionError, match="joints are not finite for 8 of 8 images"):
        trainer.run()
    assert read_checkpoint(config.run_dir)["progress"]["epoch"] == 1


def _times_nan(answer):
    tensors = {name: value * np.nan for name, value in vars(answer).items() if torch.is_tensor(value)}
    return type(answer)(**(vars(answer) | tensors))


def test_without_labels_or_detections_the_lowest_loss_marks_the_best_checkpoint(small_config, monkeypatch):
    trainer = trainer_of(small_config("shape", total_epochs=2))
    trainer.evaluate = lambda progress: {}
    trainer.run()
    best = read_checkpoint(trainer.recorder.folder / BEST)["progress"]
    assert best["best_metric"] == "training loss"
    losses = read_run(trainer.recorder.folder, "a").curves["train/total"]
    assert best["best"] == pytest.approx(min(losses.values()), rel=1e-5)


def test_a_single_training_image_is_refused_in_one_line(small_config):
    config = small_config("shape", controlled_exp=True, controlled_size=2, train_batch=2)
    one = config.model_copy(update={"controlled_size": 1})
    with pytest.raises(DatasetError, match=r"the only training image is .*\.jpg, but batch normalisation"):
        trainer_of(one)


def test_a_backbone_without_feature_maps_is_refused_in_one_line(small_config, tmp_path, capsys):
    for backbone in ("resnet999", "vit_tiny_patch16_224"):
        path = tmp_path / "experiment.json"
        path.write_text(small_config("shape").model_copy(update={"backbone": backbone}).to_json())
        assert cli.main(["train", str(path)]) == 2
        message = capsys.readouterr().err.strip().splitlines()[-1]
        assert message.startswith(f"s2hand: error: {path}: backbone '{backbone}'")


def test_checkpoints_of_older_versions_are_resumed(small_config):
    """Without the newer entries of progress, and with keys of the config that have other names now."""
    run(small_config("shape", total_epochs=1), silent)
    config = small_config("shape", total_epochs=2)
    for path in config.run_dir.glob("*.pt"):
        state = read_checkpoint(path)
        for name in ("best_metric", "best_epoch"):
            del state["progress"][name]
        values = json.loads(state["config"])
        values["use_2d_as_attention"] = values.pop("attention")
        write_checkpoint(path, state | {"config": json.dumps(values | {"print_freq": 10})})
    said = []
    run(config, said.append)
    assert not any("attention" in line or "print_freq" in line for line in said)
    assert read_checkpoint(config.run_dir)["progress"]["epoch"] == 2


def test_ho3d_without_labels_has_a_best_checkpoint(small_config, tmp_path):
    root = write_ho3d(tmp_path / "ho3d")
    for name in ("evaluation_xyz.json", "evaluation_verts.json"):
        (root / name).unlink()
    ho3d = {"train_datasets": ["HO3D"], "val_datasets": ["HO3D"], "ho3d_base_path": str(root)}
    for detected, metric in ((True, "keypoints_to_detector_px"), (False, "training loss")):
        if not detected:
            shutil.rmtree(root / "openpose" / "SM1")
        config = small_config(
            "shape", **ho3d, total_epochs=1, train_batch=2, base_out_path=str(tmp_path / metric)
        )
        run(config, silent)
        assert read_checkpoint(config.run_dir / BEST)["progress"]["best_metric"] == metric


def test_the_generic_hand_on_labels_of_mano_is_said_loudly(small_config, synthetic_root):
    said = []
    config = small_config(
        "shape", total_epochs=1, train_datasets=["FreiHand"], freihand_base_path=str(synthetic_root)
    )
    result = run(config, said.append)
    warnings = [line for line in said if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "FreiHand is labelled with MANO" in warnings[0]
    table = next(line for line in said if "after epoch 1" in line)
    assert "PA-MPJPE" in table
    assert "PA-F@5" not in table.splitlines()[1]
    assert "PA-MPVPE mm" not in table.splitlines()[1]
    assert "PA-MPVPE and F-scores of FreiHand are left out" in table
    assert "pa_mpvpe" in result.metrics["FreiHand"]
    said.clear()
    run(small_config("shape", total_epochs=1, base_out_path=str(config.run_dir) + "2"), said.append)
    assert not any("WARNING" in line or "left out" in line.splitlines()[-1] for line in said)


def test_shards_of_labels_of_mano_are_known_for_what_they_are(small_config, synthetic_root, tmp_path):
    """Alone or among others; shards of the generic hand's images need no word."""
    freihand = {"train_datasets": ["FreiHand"], "freihand_base_path": str(synthetic_root)}
    both = {"train_datasets": ["Synthetic", "FreiHand"], "freihand_base_path": str(synthetic_root)}
    for name, source, foreign in (("a", freihand, True), ("b", both, True), ("c", {}, False)):
        shard_datasets(small_config("shape", **source), tmp_path / name, say=silent)
        said = []
        config = small_config(
            "shape",
            total_epochs=1,
            train_datasets=["Shards"],
            shards_path=str(tmp_path / name),
            base_out_path=str(tmp_path / f"run_{name}"),
        )
        run(config, said.append)
        warnings = [line for line in said if line.startswith("WARNING")]
        assert ["Shards is labelled with MANO" in line for line in warnings] == [True] * foreign
        assert any("F-scores of Shards are left out" in line for line in said) == foreign


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"progress": {"epoch": "one"}}, "ValueError progress: 'epoch' of type str"),
        ({"progress": {"epoch": -1}}, "progress: epoch is not in 0"),
        ({"progress": {"telepathy": 1}}, "progress: 'telepathy' of type int"),
        ({"progress": {"focal_range": ["a", 2.0]}}, "progress: focal_range is not two numbers"),
        ({"rng": [{"cpu": "text"}]}, "TypeError"),
        ({"optimizer": {}}, "KeyError"),
        ({"config": json.dumps({"seed": 10**400, "val_batch": [[1]]})}, "changes the results|resuming"),
    ],
)
def test_damaged_entries_of_a_checkpoint_end_a_resumption_in_one_line(small_config, changes, message):
    run(small_config("shape", total_epochs=1), silent)
    config, said = small_config("shape", total_epochs=2), []
    for path in config.run_dir.glob("*.pt"):
        write_checkpoint(path, read_checkpoint(path) | changes)
    if "config" in changes:  # which only tells how the run was trained
        run(config, said.append)
        assert any(re.search(message, line) for line in said)
        return
    with pytest.raises(CheckpointError, match=f"the checkpoint is damaged .*{message}") as error:
        run(config, silent)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [torch.bool, torch.int64, torch.complex64])
def test_weights_of_another_kind_are_not_resumed(small_config, kind):
    run(small_config("shape", total_epochs=1), silent)
    config = small_config("shape", total_epochs=2)
    for path in config.run_dir.glob("*.pt"):
        state = read_checkpoint(path)
        state["model"]["hand_head.trunk.0.weight"] = state["model"]["hand_head.trunk.0.weight"].to(kind)
        write_checkpoint(path, state)
    with pytest.raises(CheckpointError, match=f"model: hand_head.trunk.0.weight is of type {kind}, expected"):
        run(config, silent)


def test_an_evaluation_that_failed_in_the_end_is_made_up_for(small_config, monkeypatch):
    """A full disk, say, when the last epoch's predictions are written."""
    from s2hand.experiment import evaluating

    config = small_config("shape", total_epochs=1)
    write = evaluating.write_predictions
    monkeypatch.setattr(evaluating, "write_predictions", _fails)
    with pytest.raises(OSError, match="No space left"):
        run(config, silent)
    assert read_checkpoint(config.run_dir)["progress"]["epoch"] == 1
    monkeypatch.setattr(evaluating, "write_predictions", write)
    result = run(config, silent)
    assert result.metrics["Synthetic"]["pa_mpjpe"] > 0
    assert (config.run_dir / "predictions/Synthetic/pred.json").is_file()
    assert (config.run_dir / BEST).is_file()
    before = content_of(config.run_dir)
    run(config, silent)
    assert content_of(config.run_dir) == before


def _fails(*given):
    raise OSError(28, "No space left on device")


def test_a_run_may_evaluate_nothing(small_config):
    config = small_config("shape", val_datasets=[], total_epochs=1)
    lines = []
    run(config, lines.append)
    assert read_checkpoint(config.run_dir)["progress"]["epoch"] == 1
    assert not any("predictions" in line or "best" in line for line in lines)
