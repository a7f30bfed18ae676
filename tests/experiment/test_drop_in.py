"""Runs on the published datasets' layouts: HO-3D end to end, FreiHAND the same as Synthetic, and scores."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from s2hand.checkpoints import CheckpointError
from s2hand.checkpoints.converted import convert_published
from s2hand.config import load_config
from s2hand.evaluation.scoring import score_files
from s2hand.evaluation.submission import load_arrays, read_submission
from s2hand.experiment.run import run
from s2hand.skeleton import FREIHAND_TO_HO3D
from s2hand.synthetic import write_synthetic_dataset

FIXTURES = Path(__file__).parents[1] / "fixtures"

SHARE_TOLERANCE, LENGTH_TOLERANCE = 1e-3, 1e-4
"""Labels are float32 in evaluation and float64 in scores: millimetres differ in their fifth decimal, and one
of some thousand vertices may lie on the other side of a threshold."""


def silent(line: str) -> None:
    """Takes what a run says."""


def assert_same(figures, others):
    for name, value in figures.items():
        tolerance = LENGTH_TOLERANCE if name.endswith(("mpjpe", "mpvpe")) else SHARE_TOLERANCE
        assert others[name] == pytest.approx(value, abs=tolerance), name


@pytest.fixture(scope="module")
def ho3d_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "ho3d"
    write_synthetic_dataset(
        root, layout="ho3d_v3", train=12, evaluation=6, image_size=240, processes=1, progress=False
    )
    return root


def test_ho3d_trains_evaluates_and_submits(small_config, ho3d_root):
    result = run(
        small_config(
            "e2e",
            train_datasets=["HO3D"],
            ho3d_base_path=str(ho3d_root),
            train_batch=4,
            total_epochs=1,
            test_refinement=True,
            refine_steps=3,
        ),
        silent,
    )
    found, metrics = result.evaluations["HO3D"], result.metrics["HO3D"]
    assert found.joints.shape == (6, 21, 3)
    assert {"pa_mpjpe", "st_mpjpe", "pa_f5", "keypoints_px", "refined_pa_mpjpe"} <= set(metrics)
    folder = result.folder / "predictions" / "HO3D"
    # The official figures of the submission are the run's own, scale-translation aligned ones included.
    for prefix, path in (("", folder), ("refined_", folder / "refined")):
        scores = score_files(ho3d_root, path / "pred.zip")
        assert (scores["dataset"], scores["num_hands"]) == ("ho3d", 6)
        figures = {name: value for name, value in scores.items() if isinstance(value, float)}
        assert len(figures) == 14
        assert_same(figures, {name: metrics[prefix + name] for name in figures})
    # In HO-3D's order and OpenGL's frame: every hand before the camera has negative z there.
    joints, vertices = load_arrays(folder / "pred.json")
    flip = np.array([1, -1, -1])
    assert np.allclose(joints, found.joints[:, list(FREIHAND_TO_HO3D)] * flip, rtol=0, atol=1e-8)
    assert np.allclose(vertices, found.vertices * flip, rtol=0, atol=1e-8)
    assert np.allclose(read_submission(folder / "pred.zip", "ho3d")[0], found.joints, rtol=0, atol=1e-8)


@pytest.mark.slow
def test_synthetic_numbers_return_through_freihands_layout(small_config, synthetic_root):
    """A network scores the same on the generated folder, whether it is called Synthetic or FreiHand."""
    trained = run(small_config("shape", total_epochs=1), silent)
    again = run(
        small_config(
            "shape",
            train_datasets=["FreiHand"],
            freihand_base_path=str(synthetic_root),
            mode=["evaluation"],
            pretrain_model=str(trained.folder),
            base_out_path=str(trained.folder.parent / "freihand"),
        ),
        silent,
    )
    assert again.metrics["FreiHand"] == pytest.approx(trained.metrics["Synthetic"], rel=1e-6)
    scores = score_files(synthetic_root, again.folder / "predictions" / "FreiHand" / "pred.zip")
    figures = {name: value for name, value in scores.items() if isinstance(value, float)}
    assert_same(figures, {name: again.metrics["FreiHand"][name] for name in figures})
    assert scores["warnings"] == []


@pytest.fixture(scope="module")
def published_files(tmp_path_factory):
    """A hand network as published, of all its keys, as .t7, converted, and as 2D branch and hand apart."""
    keys = json.loads((FIXTURES / "checkpoint_keys.json").read_text())
    random = torch.Generator().manual_seed(0)
    weights = {
        part: {key: 0.01 * torch.randn(shape, generator=random) for key, shape in keys[part].items()}
        for part in ("encoder", "decoder")
    }
    for state in weights.values():
        for key, value in state.items():
            if key.endswith("running_var"):
                value.abs_().add_(0.5)
            elif key.endswith("num_batches_tracked"):
                state[key] = torch.tensor(7)
    folder = tmp_path_factory.mktemp("published")
    path = folder / "texturehand_120.t7"
    torch.save({"epoch": 120, "args": argparse.Namespace(use_mean_shape=True), **weights}, path)
    return path, convert_published(path, folder / "converted.safetensors")[0]


def published_evaluation(small_config, path, **changes):
    return small_config(
        **{"mode": ["evaluation"], "backbone": "tf_efficientnet_b3", "pretrain_model": str(path)} | changes
    )


@pytest.mark.slow
def test_published_checkpoints_evaluate_from_either_file(small_config, published_files, tmp_path):
    """And from this project's own, which a training that starts from them writes."""
    found, lines = [], []
    for path in published_files:
        config = published_evaluation(small_config, path, base_out_path=str(tmp_path / path.suffix))
        found.append(run(config, lines.append).evaluations["Synthetic"])
    np.testing.assert_array_equal(found[0].vertices, found[1].vertices)
    text = "\n".join(map(str, lines))
    for path in published_files:
        for said in (
            f"use_mean_shape is True, as stored in {path}",
            f"fingertips is 's2hand', as stored in {path}",
        ):
            assert said in text
        # ImageNet's classifier, which the encoder keeps and never uses, is no news.
        assert f"pretrain_model: {path}: loaded backbone, hand_head" in lines
    changes = {"mode": ["training"], "total_epochs": 1, "train_batch": 24}
    trained = run(published_evaluation(small_config, path, **changes), silent)
    config = published_evaluation(small_config, trained.folder, base_out_path=str(tmp_path / "own"))
    again = run(config, lines.append)
    assert f"pretrain_model: {trained.folder / 'checkpoint_last.pt'}: loaded backbone, hand_head" in lines
    # What the published file brought travels on.
    assert f"use_mean_shape is True, as stored in {trained.folder}" in lines
    np.testing.assert_allclose(
        again.evaluations["Synthetic"].vertices, trained.evaluations["Synthetic"].vertices, atol=1e-6
    )


def test_evaluation_of_what_no_file_holds_is_refused(small_config, published_files):
    """Figures of a branch with random weights would mean nothing."""
    config = published_evaluation(
        small_config, published_files[0], test_requires=["joints", "verts", "heatmaps"]
    )
    with pytest.raises(CheckpointError, match=r"_120\.t7: lacks keypoint_net, which test_requires"):
        run(config, silent)


def test_shipped_synthetic_ho3d_stages_chain(pytestconfig):
    folder = pytestconfig.rootpath / "configs/Synthetic-HO3D"
    training, evaluation = (load_config(folder / f"{stage}.json") for stage in ("SSL-e2e", "evaluation"))
    assert training.trained_parts == {"hand", "heatmaps", "texture"}
    assert evaluation.pretrain_model == str(training.run_dir)
    same = ("ho3d_base_path", "image_size", "backbone", "use_mean_shape", "hourglass_features", "hand_model")
    assert all(getattr(training, name) == getattr(evaluation, name) for name in same)
    assert json.loads((folder / "evaluation.json").read_text())["test_refinement"] is True
