"""The pages that `s2hand report` and `s2hand view` write about runs and datasets."""

import json
import re

import numpy as np
import pytest
from PIL import Image
from support.made_up_ho3d import write_ho3d

from s2hand import cli
from s2hand.errors import DatasetError, S2HandError
from s2hand.experiment import config_to_evaluate, run
from s2hand.experiment import report as report_module
from s2hand.experiment.report import write_run_report
from s2hand.experiment.sharding import shard_datasets
from s2hand.experiment.view import config_to_view, view_datasets
from s2hand.pages import Report


@pytest.fixture
def reported(monkeypatch):
    """The reports that are written, as data."""
    reports = []
    write = report_module.write_report

    def note(path, report):
        reports.append(report)
        return write(path, report)

    monkeypatch.setattr(report_module, "write_report", note)
    return reports


def scenes(page) -> list[dict]:
    """The scenes that a page holds."""
    found = re.findall(
        r'<script type="application/json" data-scene[^>]*>(.*?)</script>', page.read_text(), re.S
    )
    return [json.loads(text) for text in found]


def test_a_report_scores_the_best_weights_as_the_run_did(small_config, reported, capsys):
    result = run(small_config("e2e", total_epochs=1), lambda line: None)
    assert cli.main(["report", str(result.folder), "--samples", "5", "--device", "cpu"]) == 0
    page = result.folder / "report_Synthetic.html"
    assert capsys.readouterr().out.splitlines()[-1] == str(page)
    (report,) = reported
    assert isinstance(report, Report)
    expected, own = result.metrics["Synthetic"], report.metrics["This run"]
    for name in ("pa_mpjpe", "mpjpe", "pa_mpvpe", "keypoints_px"):
        assert own[name] == pytest.approx(expected[name], rel=1e-4)
    assert report.aligned_joint_errors_mm.mean() == pytest.approx(expected["pa_mpjpe"], rel=1e-4)
    # The samples are predicted apart from the evaluation, and have the same errors, the best first.
    errors = [sample.aligned_error_mm for sample in report.samples]
    assert errors == sorted(errors)
    assert errors[0] == pytest.approx(report.aligned_joint_errors_mm.mean(1).min(), rel=1e-3)
    assert errors[-1] == pytest.approx(report.aligned_joint_errors_mm.mean(1).max(), rel=1e-3)
    titles = [curve.title for curve in report.curves]
    assert {"PA-MPJPE mm", "Total loss", "Loss open_2dj"} <= set(titles)
    text = page.read_text()
    assert "s2hand report" in text
    assert "with the weights after epoch 1" in text
    assert len(scenes(page)) == 5
    assert not (result.folder / "evaluations").exists()


@pytest.mark.slow
def test_training_and_evaluation_end_with_a_report(small_config, reported):
    config = small_config("e2e", total_epochs=2, write_report=True)
    lines = []
    result = run(config, lines.append, command="s2hand train a.json")
    page = result.folder / "report_Synthetic.html"
    assert lines[-1] == f"report: {page}"
    assert "s2hand train a.json" in page.read_text()
    (report,) = reported
    own, mean_hand = report.metrics["This run"], report.metrics["Always the mean hand"]
    assert own == result.metrics["Synthetic"]
    assert {"mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe"} <= mean_hand.keys()
    assert "Always the mean hand: " in page.read_text()
    assert "weights after epoch 2" in report.lead
    assert report.versions["weights"] == str(result.folder / "checkpoint_last.pt")
    curves = {curve.title: curve for curve in report.curves}
    assert [epoch for epoch, _ in curves["Total loss"].series["Total loss"]] == [1, 2]
    assert curves["PA-MPJPE mm"].reference == {"mean hand": mean_hand["pa_mpjpe"]}

    # An evaluation later has a report of its own, with the curves of the training; the first one stays.
    before = page.read_bytes()
    evaluated = run(config_to_evaluate(result.folder, {"device": "cpu"}), lines.append)
    assert evaluated.folder.parent == result.folder / "evaluations"
    assert (evaluated.folder / "report_Synthetic.html").is_file()
    assert page.read_bytes() == before
    assert reported[1].title == report.title
    assert [curve.title for curve in reported[1].curves] == [curve.title for curve in report.curves]


def test_a_report_that_fails_ends_no_training(small_config, monkeypatch):
    def fail(*arguments, **keywords):
        raise MemoryError("no room for\na page")

    monkeypatch.setattr(report_module, "predicted_samples", fail)
    lines = []
    config = small_config("shape", total_epochs=1, write_report=True)
    result = run(config, lines.append)
    assert lines[-1] == "no report of Synthetic: MemoryError: no room for a page"
    assert (result.folder / "checkpoint_last.pt").is_file()
    assert not list(result.folder.glob("report*"))


def test_reports_are_written_where_they_are_wanted_and_can_be(small_config):
    unwanted = run(small_config("shape", total_epochs=1), lambda line: None)
    without_hands = small_config(
        "kp", total_epochs=1, write_report=True, base_out_path=f"{unwanted.folder}_kp"
    )
    lines = []
    run(without_hands, lines.append)
    assert not [line for line in lines if line.startswith(("report", "no report"))]
    assert not list(unwanted.folder.parent.rglob("report*"))


def test_a_report_without_labels_says_so_and_shows_left_hands_as_left(
    small_config, photo_folder, tmp_path, reported
):
    photos = {"train_datasets": ["Folder"], "folder_base_path": str(photo_folder / "training")}
    config = small_config("shape", **photos, folder_val_share=0, total_epochs=1, train_batch=4)
    result = run(config, lambda line: None)
    lines = []
    page = write_run_report(result.folder, samples=100, out=tmp_path / "page.html", say=lines.append)
    (report,) = reported
    assert report.metrics == {}
    assert report.joint_errors_mm is None
    assert "There are no labels to score against; joints lie " in lines[-1]
    assert lines[-1] in page.read_text()
    labels = {sample.scene.hands[0].label for sample in report.samples}
    assert labels == {"Left hand", "Right hand"}
    drawn = 0
    for sample in report.samples:
        (frame,), (hand,) = sample.scene.frames, sample.scene.hands
        vertices = frame.shapes[0].vertices
        corners = vertices[hand.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert np.sum(normals * (corners.mean(1) - vertices.mean(0))) > 0  # faces point outwards
        # The scene's camera shows the mesh where the overlay has it.
        projected = vertices @ sample.scene.K.T
        columns = projected[:, 0] / projected[:, 2]
        changed = np.flatnonzero((frame.image != sample.still).any((0, 2)))
        assert (changed >= columns.min() - 2).all()
        assert (changed <= columns.max() + 1).all()
        drawn += len(changed)
    assert drawn > 0


def test_a_report_on_another_dataset_is_about_that_one(small_config, freihand_folder, reported, capsys):
    result = run(small_config("e2e", total_epochs=1), lambda line: None)
    settings = (f"freihand_base_path={freihand_folder}", "test_refinement=true", "refine_steps=1")
    command = ["report", str(result.folder), "--dataset", "FreiHand", "--samples", "3", "--set", *settings]
    assert cli.main(command) == 0
    assert (result.folder / "report_FreiHand.html").is_file()
    (report,) = reported
    # The generic hand's vertices do not correspond to MANO's, nor were the run's metrics those of FreiHAND.
    assert set(report.metrics) == {"This run", "This run, refined", "Always the mean hand"}
    for metrics in report.metrics.values():
        assert "pa_mpjpe" in metrics
        assert not {"mpvpe", "pa_mpvpe", "auc_v", "pa_auc_v", "f5", "pa_f15"} & set(metrics)
    assert all(sample.scene.frames[0].shapes[0].gt_vertices is None for sample in report.samples)
    titles = {curve.title for curve in report.curves}
    assert "Total loss" in titles
    assert "PA-MPJPE mm" not in titles


def test_a_report_needs_hands(small_config):
    result = run(small_config("kp", total_epochs=1), lambda line: None)
    with pytest.raises(S2HandError, match="predicts no hands in 3D"):
        write_run_report(result.folder, say=lambda line: None)
    with pytest.raises(S2HandError, match="samples must be 1 or more"):
        write_run_report(result.folder, samples=0)


def test_a_folder_is_viewed_with_what_it_leaves_out(own, rewrite_detections, tmp_path, capsys):
    def lose(found):
        found.confidence[3, 5:] = 0
        return found

    rewrite_detections(lose)
    Image.new("RGB", (40, 30)).save(own / "blank.png")
    page = tmp_path / "view.html"
    settings = ["--set", "folder_val_share=0", "image_size=64"]
    assert cli.main(["view", str(own), "--out", str(page), *settings]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    text = page.read_text()
    assert text.count('data-reason="used"') == 13
    assert text.count('data-reason="fewer than 11 joints found"') == 1
    assert text.count("<figcaption>augmented</figcaption>") == 3 * 13
    assert "1 photo without a hand" in text
    assert "blank.png" in text
    assert "cameras: " in text


def test_a_damaged_photo_is_shown_with_its_fault(own, tmp_path):
    name = json.loads((own / "detections.json").read_text())["images"][0]["name"]
    (own / name).write_bytes((own / name).read_bytes()[:200])
    config = config_to_view(own, {"folder_val_share": 0, "image_size": 64})
    text = view_datasets(config, tmp_path / "view.html").read_text()
    assert text.count('data-reason="cannot be read"') == text.count("<dt>Error</dt>") == 1


def test_the_split_for_evaluation_is_named(photo_folder, tmp_path):
    config = config_to_view(photo_folder / "training", {"folder_val_share": 0.4, "image_size": 64})
    text = view_datasets(config, tmp_path / "view.html", 8).read_text()
    assert 0 < text.count('data-reason="not used for training"') <= 2
    assert "8 of 14 hands" in text


def test_datasets_of_a_config_share_a_page(small_config, freihand_folder, tmp_path):
    config = small_config("shape")
    shard_datasets(config, tmp_path / "shards", splits=["training"], say=lambda line: None)
    config = small_config(
        "shape",
        train_datasets=["Synthetic", "Shards", "FreiHand", "HO3D"],
        val_datasets=["Synthetic"],
        shards_path=str(tmp_path / "shards"),
        freihand_base_path=str(freihand_folder),
        ho3d_base_path=str(write_ho3d(tmp_path / "ho3d")),
    )
    text = view_datasets(config, tmp_path / "view.html", 8).read_text()
    assert text.count("<li data-item") == 8
    assert "Every hand is used." in text
    assert "Synthetic, Shards, FreiHand, HO3D" in text
    alone = config_to_view(tmp_path / "shards", {"image_size": 64})
    assert alone.train_datasets == ("Shards",)


def test_a_folder_without_detections_cannot_be_viewed(tmp_path):
    with pytest.raises(DatasetError, match="neither training_K"):
        config_to_view(tmp_path)
