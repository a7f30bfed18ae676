"""Training: every stage learns, stops, resumes and complains as it should."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.evaluation.run_records import read_records
from s2hand.experiment import Experiment, run
from s2hand.experiment.replay import replay_losses
from s2hand.experiment.training import build_trainer
from s2hand.runtime.interrupt import TrainingInterrupted
from s2hand.runtime.memory import OutOfMemoryError, memory_in_use
from s2hand.training.nonfinite import NonFiniteLossError, read_saved_batch
from s2hand.training.reporting import RunRecorder


def silent(line: str) -> None:
    """Takes what a run says."""


def trainer_of(config):
    return build_trainer(Experiment(config, silent), RunRecorder(config.run_dir, tensorboard=False))


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["shape", "kp", "finetune", "e2e"])
def test_each_stage_overfits_one_batch(small_config, stage):
    """Sixty steps on four samples must take the loss well below where it started."""
    trainer = trainer_of(small_config(stage, train_batch=4, rotation_deg=0, init_lr=2e-3))
    batch = next(iter(trainer.make_loader(0, 0)))
    for name, child in trainer.model.named_children():
        child.train(name in trainer.trained)
    totals = []
    for _ in range(60):
        trainer.learning_rate.apply(trainer.state.optimizer, 0, trainer.progress.step)
        totals.append(float(trainer._train_batch(batch, last=True)["total"].detach()))
    assert min(totals[-5:]) < 0.5 * totals[0], totals


@pytest.mark.slow
def test_only_the_asked_for_parts_learn(small_config):
    config = small_config("shape", total_epochs=1)
    before = {name: value.clone() for name, value in Experiment(config, silent).model.state_dict().items()}
    run(config, silent)
    after = read_checkpoint(config.run_dir)["model"]
    changed = {name.split(".")[0] for name, value in after.items() if not value.equal(before[name])}
    assert changed == {"backbone", "hand_head"}


def weights(folder):
    state = read_checkpoint(folder)
    return {**state["model"], **{f"average.{k}": v for k, v in (state["average"] or {}).items()}}


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", [1, 4])
def test_a_stopped_run_resumes_to_the_same_bits(small_config, tmp_path, monkeypatch, stop_after):
    """Interrupted in the middle of an epoch or after it, the end is the end of an undisturbed run."""
    changes = {"ema_decay": 0.9, "train_batch": 6, "total_epochs": 2}
    undisturbed = small_config("shape", **changes, base_out_path=str(tmp_path / "a"))
    run(undisturbed, silent)
    disturbed = small_config("shape", **changes, base_out_path=str(tmp_path / "b"))
    trainer = trainer_of(disturbed)
    inner, count = trainer._train_batch, 0

    def stop_at_last(*args, **kwargs):
        nonlocal count
        count += 1
        if count == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(*args, **kwargs)

    monkeypatch.setattr(trainer, "_train_batch", stop_at_last)
    with pytest.raises(TrainingInterrupted, match="SIGTERM") as stopped:
        trainer.run()
    assert stopped.value.exit_code == 143
    run(disturbed, silent)
    expected, found = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert expected.keys() == found.keys()
    assert all(expected[name].equal(found[name]) for name in expected)


def test_a_non_finite_loss_is_named_with_its_files_and_can_be_replayed(small_config, monkeypatch):
    config = small_config("shape")
    trainer = trainer_of(config)
    inner, found = trainer.objective.forward, []

    def blown_up(prediction, batch):
        """The second batch's network answers too large a hand."""
        if found:
            scale = prediction.joints.new_tensor(float("inf"))
            prediction = replace(prediction, joints=prediction.joints * scale)
        found.append(inner(prediction, batch))
        return found[-1]

    monkeypatch.setattr(trainer.objective, "forward", blown_up)
    with pytest.raises(
        NonFiniteLossError, match=r"loss mscale .*batch 2; samples: .*nonfinite_batch\.pt"
    ) as stop:
        trainer.run()
    saved = read_saved_batch(config.run_dir)
    assert saved.batch.image.shape == (8, 3, 64, 64)
    assert (saved.epoch, saved.number) == (1, 2)
    assert all(file in str(stop.value) for file in saved.files)
    again = {name: value.item() for name, value in replay_losses(config.run_dir).items()}
    for name in ("tsa_poses", "open_2dj", "open_bone_direc"):
        assert again[name] == float(found[1][name].detach()) == saved.losses[name]
    assert math.isnan(saved.losses["mscale"])
    assert math.isfinite(again["mscale"])  # the blow-up was this test's, not the network's


def test_a_sample_that_is_not_finite_itself_is_named(small_config):
    config = small_config("shape")
    trainer = trainer_of(config)
    make_loader, poisoned = trainer.make_loader, []

    def with_nan(epoch, start_batch):
        for batch in make_loader(epoch, start_batch):
            batch.K[3, 0, 0] = float("nan")
            poisoned.append(trainer.file_of(int(batch.index[3])))
            yield batch

    trainer.make_loader = lambda *place: list(with_nan(*place))
    with pytest.raises(NonFiniteLossError, match="because K is not finite in ") as stop:
        trainer.run()
    assert f"because K is not finite in {poisoned[0]}; samples" in str(stop.value)
    assert replay_losses(config.run_dir)["open_2dj"].isnan()


def test_out_of_memory_is_told_with_numbers_and_remedies(small_config, monkeypatch):
    trainer = trainer_of(small_config("shape"))

    def allocate(*args):
        return torch.empty(1 << 60)  # the CPU's allocator refuses an exabyte

    monkeypatch.setattr(trainer.model.hand_head, "forward", allocate)
    expected = r"out of memory on cpu with 8 images of 64 x 64 px .*GiB of .* GiB in use.*train_batch"
    with pytest.raises(OutOfMemoryError, match=expected):
        trainer.run()

    def on_the_gpu(*args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(trainer.model.hand_head, "forward", on_the_gpu)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 24 * 2**30))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 22 * 2**30)
    with pytest.raises(OutOfMemoryError, match="out of memory"):
        trainer.run()
    assert memory_in_use(torch.device("cuda:0")) == (
        "23.0 GiB of 24.0 GiB in use, of which this process took up to 22.0 GiB"
    )


def test_non_finite_steps_can_be_skipped_and_are_counted(small_config):
    config = small_config("shape", nonfinite="skip", total_epochs=1)
    trainer = trainer_of(config)
    inner = trainer.objective.forward
    calls = []

    def poisoned(prediction, batch):
        losses = inner(prediction, batch)
        calls.append(1)
        return losses if len(calls) > 1 else {**losses, "total": losses["total"] * float("nan")}

    trainer.objective.forward = poisoned
    trainer.run()
    assert (trainer.progress.skipped, trainer.progress.step) == (1, 2)


def test_a_gradient_that_is_not_finite_never_moves_the_weights(small_config):
    """The loss itself is finite: what is added to it is 0, with an infinite slope."""
    trainer = trainer_of(small_config("shape", nonfinite="skip"))
    inner = trainer.objective.forward

    def steep(prediction, batch):
        losses = inner(prediction, batch)
        return {**losses, "total": losses["total"] + (0 * losses["total"]).sqrt()}

    trainer.objective.forward = steep
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    batch = next(iter(trainer.make_loader(0, 0)))
    assert trainer._train_batch(batch, last=True) == {}
    assert (trainer.progress.skipped, trainer.progress.step) == (1, 0)
    assert all(value.equal(before[name]) for name, value in trainer.model.named_parameters())
    trainer.training = trainer.training.model_copy(update={"nonfinite": "stop"})
    with pytest.raises(NonFiniteLossError, match="the losses' gradient is not finite in epoch 1, batch 1; "):
        trainer._train_batch(batch, last=True)


def test_a_batch_that_spoils_the_running_statistics_cannot_be_skipped(small_config):
    trainer = trainer_of(small_config("shape", nonfinite="skip"))
    batch = next(iter(trainer.make_loader(0, 0)))
    batch.image[1, 0, 5, 5] = float("nan")
    with pytest.raises(
        NonFiniteLossError, match=r"image is not finite in .*cannot be skipped: backbone.*mean"
    ):
        trainer._train_batch(batch, last=False)


def test_gradient_accumulation_equals_the_large_batch(small_config, tmp_path):
    """Plain averages over equal halves: only batch statistics could differ, and they are frozen here."""
    steps = {}
    for accumulate, size in ((1, 24), (3, 8)):
        config = small_config(
            "shape",
            losses=["tsa_poses", "mscale"],
            train_batch=size,
            accumulate_steps=accumulate,
            total_epochs=1,
            base_out_path=str(tmp_path / str(size)),
        )
        trainer = trainer_of(config)
        trainer.trained = frozenset()
        parameters = [value for value in trainer.model.parameters() if value.requires_grad]
        trainer.state.optimizer = trainer.step.optimizer = torch.optim.SGD(parameters, lr=0.1)
        trainer.evaluate = None
        trainer.run()
        steps[size] = trainer.model.hand_head.scale[-1].bias.detach().clone()
    torch.testing.assert_close(steps[24], steps[8], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_run_leaves_config_metrics_predictions_pictures_and_events(small_config):
    config = small_config("e2e", is_write_tb=True, write_report=True, total_epochs=1)
    result = run(config, silent)
    folder = config.run_dir
    assert json.loads((folder / "config.json").read_text())["losses"] == list(config.losses)
    kinds = [line["kind"] for line in read_records(folder, [])]
    assert kinds == ["evaluation", "train"] or kinds == ["train", "evaluation"]
    joints, vertices = json.loads((folder / "predictions/Synthetic/pred.json").read_text())
    assert (len(joints), len(joints[0]), len(vertices[0])) == (8, 21, 778)
    assert (folder / "pictures/Synthetic_epoch0001.jpg").stat().st_size > 10_000
    assert list((folder / "tensorboard").glob("events*"))
    assert (folder / "report_Synthetic.html").is_file()
    metrics = result.metrics["Synthetic"]
    assert 0 < metrics["pa_mpjpe"] < metrics["mpjpe"]
    assert {"keypoints_px", "heatmap_px", "detector_px"} <= metrics.keys()


@pytest.mark.slow
def test_ctrl_c_ends_a_command_with_a_checkpoint(small_config):
    """The real process, with a loader process of its own, interrupted as by a terminal."""
    config = small_config("shape", num_workers=1, total_epochs=1000, save_interval=1000, eval_interval=1000)
    path = config.run_dir.parent / "config.json"
    path.write_text(config.to_json())
    command = [sys.executable, "-m", "s2hand.cli", "train", str(path)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        for character in iter(lambda: process.stderr.read(1), ""):
            if character == "2":  # "epoch 2/1000": training is under way
                break
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "stopped by SIGINT" in errors
    assert "Traceback" not in errors
    assert read_checkpoint(config.run_dir)["progress"]["step"] > 0
