"""Scores of files: the official figures, warnings, and clear errors."""

import json
from pathlib import Path

import numpy as np
import pytest

from s2hand.errors import S2HandError
from s2hand.evaluation.scoring import format_scores, score_files
from s2hand.evaluation.submission import to_dataset, write_submission
from s2hand.metrics import FREIHAND_SCALE_JOINT, hand_metrics

FIXTURE = Path(__file__).parents[1] / "fixtures" / "metrics.npz"


@pytest.fixture(scope="module")
def hands():
    """gt and predicted joints, gt and predicted vertices; joints FreiHAND order, OpenCV frame."""
    with np.load(FIXTURE) as archive:
        return [archive[name] for name in ("gt_joints", "pred_joints", "gt_vertices", "pred_vertices")]


def write_labels(folder: Path, hands, dataset: str) -> Path:
    folder.mkdir()
    joints, vertices = to_dataset(hands[0], hands[2], dataset)
    (folder / "evaluation_xyz.json").write_text(json.dumps(joints.tolist()))
    (folder / "evaluation_verts.json").write_text(json.dumps(vertices.tolist()))
    if dataset == "ho3d":
        (folder / "evaluation.txt").write_text("SM1/0000\n")
    return folder


@pytest.mark.parametrize("dataset", ["freihand", "ho3d"])
@pytest.mark.parametrize("packed", [True, False])
def test_files_score_as_the_arrays_do(tmp_path, hands, dataset, packed):
    labels = write_labels(tmp_path / "labels", hands, dataset)
    path = tmp_path / "pred.json"
    archive = write_submission(path, hands[1], hands[3], dataset)
    scores = score_files(labels, archive if packed else path)
    scale_joint = FREIHAND_SCALE_JOINT if dataset == "ho3d" else None
    expected = hand_metrics(*hands, scale_joint=scale_joint)
    assert {name: scores[name] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert (scores["num_hands"], scores["dataset"], scores["warnings"]) == (24, dataset, [])


def test_writes_json_and_plot(tmp_path, hands):
    labels = write_labels(tmp_path / "labels", hands, "freihand")
    write_submission(tmp_path / "pred.json", hands[1], hands[3])
    scores = score_files(labels, tmp_path / "pred.json", tmp_path / "out" / "deep")
    assert json.loads((tmp_path / "out/deep/scores.json").read_text()) == scores
    assert (tmp_path / "out/deep/pck.png").read_bytes().startswith(b"\x89PNG")


def test_text_has_each_figure(hands):
    scores = {**hand_metrics(*hands), "num_hands": 24, "dataset": "freihand", "warnings": ["odd"]}
    text = format_scores(scores)
    assert "pa_mpjpe  11.932 mm" in text
    assert "pa_f15  0.9994" in text
    assert text.endswith("warning: odd")


def test_suspicious_predictions_are_scored_with_a_warning(tmp_path, hands):
    labels = write_labels(tmp_path / "labels", hands, "freihand")
    write_submission(tmp_path / "pred.json", 1000 * hands[1], 1000 * hands[3])
    warnings = score_files(labels, tmp_path / "pred.json")["warnings"]
    assert [sentence[:40] for sentence in warnings] == [
        "predicted joints look like millimetres, ",
        "predicted vertices look like millimetres",
    ]


@pytest.mark.parametrize("dataset", ["freihand", "ho3d"])
def test_mirrored_predictions_are_noticed(tmp_path, hands, dataset):
    """The official alignment may reflect, so the aligned errors of mirrored hands are as small."""
    labels = write_labels(tmp_path / "labels", hands, dataset)
    write_submission(tmp_path / "pred.json", hands[1] * (-1, 1, 1), hands[3] * (-1, 1, 1), dataset)
    scores = score_files(labels, tmp_path / "pred.json")
    assert scores["pa_mpjpe"] == pytest.approx(hand_metrics(*hands)["pa_mpjpe"], rel=1e-6)
    (warning,) = scores["warnings"]
    assert warning.startswith("predicted hands look mirrored, like left ones")
    assert "warning: predicted hands look mirrored" in format_scores(scores)


def test_a_byte_order_mark_is_passed_over(tmp_path, hands):
    labels = write_labels(tmp_path / "labels", hands, "freihand")
    write_submission(tmp_path / "pred.json", hands[1], hands[3])
    expected = score_files(labels, tmp_path / "pred.json")
    for path in (tmp_path / "pred.json", labels / "evaluation_xyz.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert score_files(labels, tmp_path / "pred.json") == expected


def test_vertices_left_in_the_wrong_frame_are_noticed(tmp_path, hands):
    """What the published code's HO-3D submissions did."""
    labels = write_labels(tmp_path / "labels", hands, "ho3d")
    joints, _ = to_dataset(hands[1], hands[3], "ho3d")
    (tmp_path / "pred.json").write_text(json.dumps([joints.tolist(), hands[3].tolist()]))
    (warning,) = score_files(labels, tmp_path / "pred.json")["warnings"]
    assert warning.startswith("predicted vertices lie behind")


@pytest.mark.parametrize("missing", ["evaluation_xyz.json", "evaluation_verts.json"])
def test_missing_ground_truth(tmp_path, hands, missing):
    labels = write_labels(tmp_path / "labels", hands, "freihand")
    (labels / missing).unlink()
    with pytest.raises(S2HandError, match=rf"{missing}: ground truth is missing"):
        score_files(labels, tmp_path / "pred.json")


def test_wrong_paths(tmp_path, hands):
    labels = write_labels(tmp_path / "labels", hands, "freihand")
    with pytest.raises(S2HandError, match=r"nowhere: no such folder; expected a dataset's"):
        score_files(tmp_path / "nowhere", tmp_path / "pred.json")
    with pytest.raises(S2HandError, match=r"pred\.json: no such file"):
        score_files(labels, tmp_path / "pred.json")
    with pytest.raises(S2HandError, match=r"labels: a folder; expected predictions as"):
        score_files(labels, labels)


def test_other_counts(tmp_path, hands):
    labels = write_labels(tmp_path / "labels", hands, "freihand")
    write_submission(tmp_path / "few.json", hands[1][:5], hands[3][:5])
    with pytest.raises(S2HandError, match=r"joints of 5 hands x 21, but .* has 24 x 21"):
        score_files(labels, tmp_path / "few.json")
    write_submission(tmp_path / "thin.json", hands[1], hands[3][:, :700])
    with pytest.raises(S2HandError, match=r"vertices of 24 hands x 700, but .* has 24 x 778"):
        score_files(labels, tmp_path / "thin.json")


def test_broken_ground_truth(tmp_path, hands):
    labels = write_labels(tmp_path / "labels", hands, "freihand")
    write_submission(tmp_path / "pred.json", hands[1], hands[3])
    (labels / "evaluation_xyz.json").write_text('{"a": 1}')
    with pytest.raises(S2HandError, match="expected numbers"):
        score_files(labels, tmp_path / "pred.json")
    (labels / "evaluation_xyz.json").write_text("[[")
    with pytest.raises(S2HandError, match="not valid JSON"):
        score_files(labels, tmp_path / "pred.json")
