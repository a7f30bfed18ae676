"""Several processes compute what one does with the whole batch, and end together."""

import itertools
import os
import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.processes import run_in_processes
from timm.layers import BatchNormAct2d
from torch import nn

from s2hand.checkpoints.checkpoint import read_checkpoint
from s2hand.cli import main
from s2hand.datasets import FreiHandDataset, loader, make_loader
from s2hand.errors import DatasetError
from s2hand.evaluation.evaluator import evaluate
from s2hand.evaluation.panels import PanelMaker
from s2hand.evaluation.run_records import read_records
from s2hand.experiment import run
from s2hand.experiment.replay import replay_losses
from s2hand.rendering import rasterize, renderer
from s2hand.runtime.batch_norm import synchronise_batch_norm
from s2hand.runtime.distributed import ALONE, join_processes
from s2hand.structures import HandPrediction
from s2hand.training.nonfinite import read_saved_batch
from s2hand.training.progress import Progress
from s2hand.training.step import GradientStep

TOLERANCE = 1e-5
"""Of losses over twenty steps, relative."""


def silent(line: str) -> None:
    """Takes what a run says."""


def curve(folder) -> list[dict[str, float]]:
    """The mean losses of each epoch."""
    others = {"kind", "epoch", "step", "time", "images_per_second"}
    return [
        {name: value for name, value in line.items() if name not in others}
        for line in read_records(folder, [])
        if line["kind"] == "train"
    ]


@pytest.fixture
def in_float64(monkeypatch):
    """Everything in double precision: twenty steps of Adam blow up the rounding of float32 to any size."""
    module = sys.modules["s2hand.experiment.experiment"]
    build, as_tensor, as_float32 = module.build_hand_net, loader._as_tensor, torch.Tensor.float
    monkeypatch.setattr(module, "build_hand_net", lambda *given: build(*given).double())

    def widened(array):
        tensor = as_tensor(array)
        return tensor.double() if tensor.is_floating_point() else tensor

    monkeypatch.setattr(loader, "_as_tensor", widened)

    def drawn(vertices, faces, face_colors, *args, **kwargs):
        """The kernels know float32 alone: what goes in is rounded to it, and so are gradients."""
        with pytest.MonkeyPatch.context() as within:
            within.setattr(torch.Tensor, "float", as_float32)
            pictures = rasterize(vertices.float(), faces, face_colors.float(), *args, **kwargs)
        return replace(pictures, rgb=pictures.rgb.double(), silhouette=pictures.silhouette.double())

    monkeypatch.setattr(renderer, "rasterize", drawn)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    blank = np.zeros((8, 8, 3), np.uint8)
    monkeypatch.setattr(PanelMaker, "spread_sheet", lambda *given: blank)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "epochs", "changes"),
    [
        ("kp", 20, {"hourglass_depth": 1, "hourglass_features": 8}),
        (
            "shape",
            4,
            {"use_mean_shape": True, "gradient_clip": 0.05, "accumulate_steps": 2, "ema_decay": 0.9},
        ),
        ("e2e", 4, {"hourglass_depth": 1, "hourglass_features": 8}),
    ],
)
def test_two_processes_lose_as_one_with_twice_the_batch(
    small_config, tmp_path, in_float64, stage, epochs, changes
):
    """Each step is one epoch and so one line of the records; the losses are weighted by confidence."""
    steps = {"total_epochs": epochs, "save_interval": epochs, "eval_interval": epochs}
    share = 12 // changes.get("accumulate_steps", 1)
    folders = {}
    for batch in (share, 2 * share):
        folders[batch] = tmp_path / str(batch)
        config = small_config(stage, **steps, **changes, train_batch=batch, base_out_path=str(folders[batch]))
        if batch == share:
            outcomes = run_in_processes(2, lambda rank: run(config, silent).metrics)  # noqa: B023
        else:
            metrics = run(config, silent).metrics
    assert [outcome.error for outcome in outcomes] == ["", ""]
    found, expected = (curve(folder) for folder in folders.values())
    assert len(expected) == len(found) == epochs
    for step, (one, two) in enumerate(zip(expected, found, strict=True)):
        assert two == pytest.approx(one, rel=TOLERANCE), step
    for outcome in outcomes:
        assert outcome.value["Synthetic"] == pytest.approx(metrics["Synthetic"], rel=TOLERANCE)
    assert_same_weights(*folders.values())


def assert_same_weights(*folders):
    """Averages included."""
    one, two = (read_checkpoint(folder) for folder in folders)
    for key in ("model", "average"):
        for name, value in (one[key] or {}).items():
            torch.testing.assert_close(two[key][name], value, rtol=TOLERANCE, atol=1e-9, msg=name)


def test_batch_norm_is_that_of_the_whole_batch():
    """Outputs, gradients and running statistics, in float64; shares of different sizes."""
    layers = {
        "BatchNorm1d": (lambda: nn.BatchNorm1d(3, momentum=None), (7, 3)),
        "BatchNorm2d": (lambda: nn.BatchNorm2d(3, affine=False), (7, 3, 4, 5)),
        "BatchNormAct2d": (lambda: BatchNormAct2d(3, act_layer=nn.SiLU), (7, 3, 4, 5)),
    }

    def results(layer, x, share):
        torch.manual_seed(1)
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, 0.5, 2)
        x = x[share].clone().requires_grad_()
        outputs = [layer(x), layer(x * 2)]
        sum((output**3).sum() for output in outputs).backward()
        gradients = [parameter.grad for parameter in layer.parameters()]
        layer.eval()
        values = [torch.stack(outputs, 1).detach(), x.grad, layer(x).detach()]
        return values, gradients, list(layer.state_dict().values())

    def shared(rank):
        with join_processes() as processes:
            assert (processes.rank, processes.size) == (rank, 2)
            found = {}
            for name, (make, shape) in layers.items():
                layer = nn.Sequential(make().double())
                before = dict(layer.named_parameters())
                synchronise_batch_norm(layer, torch.device("cpu"))
                assert all(value is before[key] for key, value in layer.named_parameters())
                found[name] = results(layer, inputs(shape), slice(0, 5) if rank == 0 else slice(5, 7))
            return found

    def inputs(shape):
        return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 3 + 10

    outcomes = run_in_processes(2, shared)
    assert [outcome.error for outcome in outcomes] == ["", ""]
    for name, (make, shape) in layers.items():
        values, gradients, state = results(nn.Sequential(make().double()), inputs(shape), slice(0, 7))
        shares = [outcome.value[name] for outcome in outcomes]
        for expected, *found in zip(values, *(share[0] for share in shares), strict=True):
            torch.testing.assert_close(torch.cat(found), expected)
        for expected, *found in zip(gradients, *(share[1] for share in shares), strict=True):
            torch.testing.assert_close(sum(found), expected)
        for share in shares:
            torch.testing.assert_close(share[2], state)


def test_evaluation_takes_every_sample_once_and_in_order(synthetic_root):
    dataset = FreiHandDataset(
        synthetic_root, "evaluation", image_size=32, labels={"joints"}, controlled_size=7
    )

    def model(image, K, parts):
        joints = image.flatten(1)[:, :63].unflatten(1, (21, 3)) + K[:, :1]
        return HandPrediction(joints=joints, keypoints_2d=joints[..., :2])

    def evaluated(processes):
        share = {"rank": processes.rank, "world_size": processes.size}
        batches = make_loader(dataset, 2, shuffle=False, **share)
        found = evaluate(model, batches, processes=processes, progress=False)
        return found.metrics, found.index, found.joints

    def of_one_process(rank):
        with join_processes() as processes:
            return evaluated(processes)

    metrics, index, joints = evaluated(ALONE)
    outcomes = run_in_processes(3, of_one_process)
    assert [outcome.error for outcome in outcomes] == ["", "", ""]
    assert [outcome.value[0] for outcome in outcomes] == [metrics] * 3
    np.testing.assert_array_equal(outcomes[0].value[1], index)
    np.testing.assert_array_equal(outcomes[0].value[1], np.arange(7))
    np.testing.assert_array_equal(outcomes[0].value[2], joints)
    assert outcomes[1].value[2] is None


@pytest.mark.slow
def test_a_stop_is_agreed_upon_and_another_number_of_processes_goes_on(
    small_config, tmp_path, in_float64, monkeypatch
):
    """One process alone is told to stop, in the second of two batches; one process finishes the run."""
    changes = {"hourglass_depth": 1, "hourglass_features": 8, "total_epochs": 3, "ema_decay": 0.9}
    folder, undisturbed = tmp_path / "two", tmp_path / "one"
    halves = small_config("kp", **changes, train_batch=4, base_out_path=str(folder))
    said = []

    def interrupted(rank):
        step, count = GradientStep.run, 0

        def told(*given):
            nonlocal count
            count += 1
            if (rank, count) == (1, 5):
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGTERM)  # as torchrun may do after a job's manager
            return step(*given)

        monkeypatch.setattr(GradientStep, "run", told)
        run(halves, said.append)

    outcomes = run_in_processes(2, interrupted)
    message = "TrainingInterrupted: stopped by SIGTERM in epoch 2 after batch 2; saved as "
    assert all(outcome.error.startswith(message) for outcome in outcomes), outcomes
    assert sorted(path.name for path in folder.glob("*.pt")) == [
        *("checkpoint_0001.pt", "checkpoint_best.pt", "checkpoint_last.pt")
    ]
    whole = small_config("kp", **changes, train_batch=8, base_out_path=str(folder))
    run(whole, said.append)
    assert "resuming after epoch 1, batch 2" in said
    run(small_config("kp", **changes, train_batch=8, base_out_path=str(undisturbed)), silent)
    assert_same_weights(undisturbed, folder)


def test_the_place_in_an_epoch_is_found_by_images():
    progress = Progress(epoch=1, batch=7, batch_images=24)
    progress.place_among(16)
    assert (progress.batch, progress.batch_images) == (10, 16)  # 168 images: ten batches and a half


@pytest.mark.slow
def test_a_loss_that_is_not_finite_in_one_process_stops_all_and_the_whole_batch_is_kept(
    small_config, monkeypatch
):
    config = small_config("shape", train_batch=4)

    def poisoned(rank):
        step = GradientStep.run

        def with_nan(self, batch, is_full):
            if rank == 1:
                batch.K[2, 0, 0] = float("nan")
            return step(self, batch, is_full)

        monkeypatch.setattr(GradientStep, "run", with_nan)
        run(config, silent)

    errors = [outcome.error for outcome in run_in_processes(2, poisoned)]
    saved = read_saved_batch(config.run_dir)
    assert len(saved.batch.image) == len(saved.files) == 8
    assert sum("NonFiniteLossError" in error for error in errors) == 1
    assert sum("PeerFailedError" in error for error in errors) == 1
    for error in errors:
        assert f"because K is not finite in {saved.files[4 + 2]}; samples: {saved.files[0]}" in error
    # What K does not reach is, over the whole batch, what the two processes found together.
    again = replay_losses(config.run_dir)
    assert float(again["tsa_poses"].detach()) == pytest.approx(saved.losses["tsa_poses"], rel=1e-4)
    assert again["total"].isnan()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fails", "is killed"])
def test_one_failure_ends_all_in_one_line(small_config, tmp_path, monkeypatch, how):
    """The second process of two ends at its third batch; nobody hangs, nobody chatters."""
    config = small_config("shape", train_batch=4)
    path = tmp_path / "config.json"
    path.write_text(config.to_json())

    def fail(rank):
        inner = GradientStep.run
        counts = itertools.count()

        def step(*given):
            if rank == 1 and next(counts) == 2:
                if how == "is killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise DatasetError("a.jpg: cut short")
            return inner(*given)

        monkeypatch.setattr(GradientStep, "run", step)
        with open(tmp_path / f"errors{rank}", "w") as sys.stderr:
            return main(["train", str(path)])

    outcomes = run_in_processes(2, fail)
    lines = [
        line.split("\r")[-1].strip()
        for rank in range(2)
        for line in (tmp_path / f"errors{rank}").read_text().splitlines()
    ]
    lines = [line for line in lines if line.startswith("s2hand: error") or "Traceback" in line]
    if how == "fails":
        assert [outcome.value for outcome in outcomes] == [2, 2]
        assert lines == ["s2hand: error: process 1 of 2: a.jpg: cut short"]
    else:
        assert (outcomes[0].value, outcomes[1].exit_code) == (2, -signal.SIGKILL)
        assert len(lines) == 1
        assert lines[0].startswith("s2hand: error: process 0 of 2: lost the connection to another process")
