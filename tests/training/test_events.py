"""TensorBoard's events, read by TensorBoard's own reader."""

import json

import numpy as np
import pytest

from s2hand.experiment import run
from s2hand.training.reporting import RunRecorder

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
hparams_data = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")

EVERYTHING = {"scalars": 0, "images": 0, "tensors": 0}
METRICS = ["pa_mpjpe"]


def read_events(folder):
    found = event_accumulator.EventAccumulator(str(folder / "tensorboard"), size_guidance=EVERYTHING)
    return found.Reload()


def steps(found, tag):
    return [point.step for point in found.Scalars(tag)]


def text(found, tag):
    (value,) = found.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val
    return value.decode()


def hparams(found, tag):
    content = found.SummaryMetadata(f"_hparams_/{tag}").plugin_data.content
    return hparams_data.HParamsPluginData.FromString(content)


@pytest.fixture
def recorder(tmp_path):
    opened = RunRecorder(tmp_path)
    opened.begin(0, {"seed": 3, "losses": ["a"]}, {"losses": ["a"], "init_lr": 0.1, "resume": True}, METRICS)
    return opened


def test_config_and_hyperparameters_are_shown(recorder, tmp_path):
    recorder.close()
    found = read_events(tmp_path)
    shown = text(found, "config").splitlines()
    assert all(line.startswith("    ") for line in shown)  # Markdown for code
    assert json.loads("\n".join(shown)) == {"seed": 3, "losses": ["a"]}
    started = hparams(found, "session_start_info").session_start_info.hparams
    assert started["losses"].string_value == '["a"]'
    assert started["init_lr"].number_value == 0.1
    assert started["resume"].bool_value is True
    metrics = hparams(found, "experiment").experiment.metric_infos
    assert [metric.name.tag for metric in metrics] == ["evaluation/pa_mpjpe"]
    assert found.Tags()["scalars"] == []


def test_a_dataset_has_one_tag_with_a_figure_at_each_step(recorder, tmp_path):
    for epoch, step in enumerate((10, 20, 30), 1):
        recorder.figure(
            "Synthetic", f"Synthetic_epoch{epoch:04d}", np.full((8, 12, 3), step, np.uint8), step=step
        )
    recorder.close()
    found = read_events(tmp_path)
    assert found.Tags()["images"] == ["samples/Synthetic"]
    assert [image.step for image in found.Images("samples/Synthetic")] == [10, 20, 30]
    assert len(list((tmp_path / "pictures").iterdir())) == 3


def test_what_a_restarted_training_repeats_is_hidden(recorder, tmp_path):
    for step in (10, 20, 30):
        recorder.steps({"total": float(step)}, step=step)
    recorder.record("evaluation", {"pa_mpjpe": 9.0}, epoch=2, step=20)
    recorder.close()
    again = RunRecorder(tmp_path)
    again.begin(20, {}, {}, METRICS)  # the checkpoint of step 20, with its evaluation
    again.steps({"total": 31.0}, step=30)
    again.close()
    found = read_events(tmp_path)
    assert [(point.step, point.value) for point in found.Scalars("train/total")] == [
        (10, 10),
        (20, 20),
        (30, 31),
    ]
    assert steps(found, "evaluation/pa_mpjpe") == [20]


def test_an_evaluation_has_metrics_alone(tmp_path):
    recorder = RunRecorder(tmp_path)
    recorder.record("evaluation", {"Synthetic/pa_mpjpe": 9.0}, epoch=2, step=0)
    recorder.close()
    found = read_events(tmp_path)
    assert found.Tags()["scalars"] == ["evaluation/Synthetic/pa_mpjpe"]
    assert found.Tags()["tensors"] == []


@pytest.mark.slow
def test_a_training_has_curves_by_step(small_config, tmp_path):
    lines = []
    config = small_config("shape", is_write_tb=True, train_batch=2, total_epochs=2, write_report=False)
    run(config, lines.append)
    found = read_events(config.run_dir)
    # 12 batches of 2 in each epoch: a point after the tenth and after the last.
    for name in ("total", "open_2dj", "learning_rate", "images_per_second"):
        assert steps(found, f"train/{name}") == [10, 12, 22, 24]
        assert steps(found, f"epoch/{name}") == [12, 24]
    recent = {point.step: point.value for point in found.Scalars("train/total")}
    (first, second) = (point.value for point in found.Scalars("epoch/total"))
    assert (10 * recent[10] + 2 * recent[12]) / 12 == pytest.approx(first, rel=1e-4)
    assert (10 * recent[22] + 2 * recent[24]) / 12 == pytest.approx(second, rel=1e-4)
    assert steps(found, "evaluation/pa_mpjpe") == [12, 24]
    assert [image.step for image in found.Images("samples/Synthetic")] == [12, 24]
    assert json.loads(text(found, "config"))["train_batch"] == 2
    assert "evaluation/pa_mpjpe" in {
        metric.name.tag for metric in hparams(found, "experiment").experiment.metric_infos
    }
    assert f"curves and figures: tensorboard --logdir {config.run_dir}" in lines
