"""Every loss against the values of the published implementation (float32, hence 2e-6 relative)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from s2hand.geometry.laplacian import apply_laplacian, cotangent_weights
from s2hand.losses import DEFAULT_WEIGHTS, Objective
from s2hand.losses.priors import laplacian_loss
from s2hand.structures import HandBatch, HandParameters, HandPrediction, RenderOutput

FIXTURE = Path(__file__).parents[1] / "fixtures" / "losses.npz"
TOLERANCE = 2e-6
NAMES = (
    *("tsa_poses", "open_2dj", "mscale", "open_bone_direc", "hm_integral", "kp_cons"),
    *("mshape", "texture", "mrgb", "ssim_tex"),
)


@pytest.fixture(scope="module")
def published():
    with np.load(FIXTURE) as archive:
        return {name: torch.from_numpy(np.asarray(archive[name])) for name in archive}


@pytest.fixture(scope="module")
def values(published):
    """The objective's answer to the fixture's inputs, published background."""
    render = RenderOutput(
        rgb=published["in.render"], silhouette=published["in.silhouette"], depth=None, face_index=None
    )
    stages = [published["in.heatmap_keypoints_stage0"], published["in.heatmap_keypoints_stage1"]]
    prediction = HandPrediction(
        vertices=published["in.vertices"],
        joints=published["mid.joints_freihand_order"],
        keypoints_2d=published["mid.projected_keypoints"],
        parameters=HandParameters(None, published["in.betas"], None, None, None),
        pose_axis_angle=published["in.pose_axis_angle"],
        render=render,
        heatmap_keypoints=torch.stack(stages),
    )
    batch = HandBatch(
        image=published["in.image"],
        K=published["in.K"],
        index=published["in.sample_index"],
        keypoints_2d=published["in.detected_keypoints"],
        confidence=published["in.confidence"],
        photometric_weight=published["mid.photometric_weight"],
    )
    weights = {name: DEFAULT_WEIGHTS[name] for name in (*NAMES, "triangle")}
    objective = Objective(weights, published["in.faces"], photometric_background="published")
    return objective(prediction, batch)


@pytest.mark.parametrize("name", NAMES)
def test_unweighted_value(published, values, name):
    torch.testing.assert_close(values[name].double(), published[f"unweighted.{name}"], rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize("name", [*NAMES, "triangle"])
def test_default_weight(published, name):
    assert DEFAULT_WEIGHTS[name] == float(published[f"weight.{name}"])


def test_laplacian_with_the_first_meshs_weights(published):
    """The published figure takes the Laplacian of the first mesh for all three."""
    vertices, faces = published["in.vertices"], published["in.faces"].long()
    smoothed = apply_laplacian(vertices, faces, cotangent_weights(vertices[:1], faces))
    torch.testing.assert_close(
        smoothed.norm(dim=-1).mean().double(), published["unweighted.triangle"], rtol=TOLERANCE, atol=0
    )


def test_laplacian_of_one_mesh_is_the_published_one(published, values):
    """On a batch of one, first and own mesh are the same; on three, each mesh must use its own."""
    vertices, faces = published["in.vertices"], published["in.faces"].long()
    alone = torch.stack([laplacian_loss(mesh[None], faces) for mesh in vertices])
    torch.testing.assert_close(values["triangle"], alone.mean())
    assert abs(values["triangle"] - published["unweighted.triangle"]) > 0.01


def test_total_is_the_weighted_sum(values):
    expected = sum(DEFAULT_WEIGHTS[name] * value for name, value in values.items() if name != "total")
    torch.testing.assert_close(values["total"], expected)
