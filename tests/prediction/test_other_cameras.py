import numpy as np
import pytest
import torch
from support.untrained_checkpoint import SIZE, write_own

import s2hand
from s2hand.checkpoints.checkpoint import read_checkpoint

FOCAL = 2.0
"""Sides of the view that the network was trained with."""


@pytest.fixture(scope="module")
def reconstructor(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "c.pt"
    write_own(path)
    reconstructor = s2hand.HandReconstructor.from_checkpoint(path, device="cpu")
    reconstructor.answerer.focal_range = (FOCAL, FOCAL)
    return reconstructor


def predict(reconstructor, focal):
    photo = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    f = focal * SIZE
    return reconstructor.predict(photo, np.array([[f, 0, SIZE / 2], [0, f, SIZE / 2], [0, 0, 1.0]]))


@pytest.mark.parametrize("factor", [0.4, 1.7, 3.0])
def test_another_focal_length_changes_the_distance_and_not_the_image(reconstructor, factor):
    known, other = predict(reconstructor, FOCAL), predict(reconstructor, factor * FOCAL)
    assert float(other.joints[0, 0, 2] / known.joints[0, 0, 2]) == pytest.approx(factor, rel=0.15)
    extent = np.ptp(known.keypoints_2d[0].numpy(), axis=0).max()
    assert (other.keypoints_2d - known.keypoints_2d).norm(dim=-1).mean() < 0.05 * extent
    torch.testing.assert_close(other.parameters.hand_pose, known.parameters.hand_pose)


def test_cameras_of_the_training_are_taken_as_they_are(reconstructor):
    near = predict(reconstructor, 1.03 * FOCAL)
    reconstructor.answerer.focal_range = None
    as_it_is = predict(reconstructor, 1.03 * FOCAL)
    reconstructor.answerer.focal_range = (FOCAL, FOCAL)
    torch.testing.assert_close(near.vertices, as_it_is.vertices, rtol=0, atol=0)


def test_training_stores_the_range_of_its_cameras(small_config):
    from s2hand.experiment import run

    config = small_config("shape", total_epochs=1)
    run(config, lambda line: None)
    low, high = read_checkpoint(config.run_dir)["progress"]["focal_range"]
    assert 0.5 < low < high < 10
    stored = s2hand.HandReconstructor.from_checkpoint(config.run_dir, device="cpu").answerer.focal_range
    assert stored == (low, high)
