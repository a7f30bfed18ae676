"""What remains of metrics.jsonl after kills, restarts and damage."""

import json

import pytest

from s2hand.errors import S2HandError
from s2hand.evaluation.run_records import best_point, higher_is_better, read_run


def line(kind, epoch, **figures):
    return json.dumps({"kind": kind, "epoch": epoch, "step": 10 * epoch, "time": 100.0 + epoch} | figures)


TOO_LARGE = (
    line("train", 2).replace("102.0", "9" * 400),
    line("train", 2, total=1.5).replace("1.5", "9" * 400),
    line("train", 2).replace('"epoch": 2', '"epoch": ' + "9" * 400),
    line("train", 1e300),
    line("train", -1),
    line("train", 2, total=float("inf")),
)


@pytest.fixture
def run_of(tmp_path):
    def read(*lines, end="\n"):
        (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + end)
        (tmp_path / "config.json").write_text('{"seed": 3}')
        return read_run(tmp_path, "a")

    return read


def test_figures_by_epoch(run_of):
    run = run_of(line("train", 1, total=3.0), line("evaluation", 1, f5=0.1), line("train", 2, total=2.0))
    assert run.curves == {"train/total": {1: 3.0, 2: 2.0}, "evaluation/f5": {1: 0.1}}
    assert (run.epochs, run.config, run.times, run.notes) == (2, {"seed": 3}, [101.0, 101.0, 102.0], [])


def test_a_torn_last_line_is_left_out_and_said(run_of):
    run = run_of(line("train", 1, total=3.0), line("train", 2, total=2.0)[:-9], end="")
    assert run.curves == {"train/total": {1: 3.0}}
    assert run.notes == ["metrics.jsonl ends within a line, as after a kill: that line is left out"]


@pytest.mark.parametrize(
    "damaged", ["{", "[]", '"x"', '{"kind": "train"}', '{"kind": 1}', "\0", "[" * 9999, *TOO_LARGE]
)
def test_damaged_lines_are_counted(run_of, damaged):
    run = run_of(line("train", 1, total=3.0), damaged, line("train", 2, total=2.0))
    assert run.curves == {"train/total": {1: 3.0, 2: 2.0}}
    assert run.notes == ["metrics.jsonl: line 2 is damaged and left out"]


def test_epochs_trained_again_count_once(run_of):
    """Killed in epoch 3 with a checkpoint of epoch 1: epoch 2 comes twice, and its first evaluation goes."""
    run = run_of(
        line("train", 1, total=3.0),
        line("train", 2, total=2.5),
        line("evaluation", 2, f5=0.9),
        line("train", 2, total=2.0),
        line("train", 3, total=1.0),
    )
    assert run.curves == {"train/total": {1: 3.0, 2: 2.0, 3: 1.0}}
    assert run.notes == ["trained again after a restart, and taken from the last time: epochs 2"]


def test_a_run_begun_anew_hides_the_old_one(run_of):
    run = run_of(*[line("train", epoch, total=float(epoch)) for epoch in (1, 2, 3, 1)])
    assert run.curves == {"train/total": {1: 1.0}}
    assert run.notes[0].endswith("epochs 1, 2, 3")


def test_evaluations_of_several_datasets_add_up(run_of):
    run = run_of(line("evaluation", 0, **{"A/f5": 0.1}), line("evaluation", 0, **{"B/f5": 0.2}))
    assert run.curves == {"evaluation/A/f5": {0: 0.1}, "evaluation/B/f5": {0: 0.2}}


def test_missing_files_are_said(tmp_path):
    run = read_run(tmp_path, "a")
    assert run.notes == [
        "no config.json: its keys are not compared",
        "no metrics.jsonl: nothing was recorded",
    ]
    (tmp_path / "config.json").write_bytes(b"\xff{")
    (tmp_path / "metrics.jsonl").write_text(line("train", 1, total=None) + "\n")  # a loss that was not finite
    assert read_run(tmp_path, "a").notes == [
        "config.json is damaged: its keys are not compared",
        "metrics.jsonl holds no records",
    ]
    with pytest.raises(S2HandError, match=r"nowhere: no such run folder"):
        read_run(tmp_path / "nowhere", "a")


@pytest.mark.parametrize(
    ("name", "higher"),
    [
        *(("evaluation/pa_mpjpe", False), ("evaluation/HO3D/pa_auc_j", True), ("evaluation/st_f15", True)),
        *(("train/total", False), ("evaluation/keypoints_px", False), ("train/images_per_second", True)),
    ],
)
def test_the_better_end_of_each_figure(name, higher):
    assert higher_is_better(name) is higher
    assert best_point(name, {1: 5.0, 2: 7.0, 3: 5.0, 4: 7.0}) == ((2, 7.0) if higher else (1, 5.0))
