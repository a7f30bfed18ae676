"""Things in and before synthetic hands."""

import json

import numpy as np
import pytest

from s2hand import cli
from s2hand.hand import load_hand_model
from s2hand.synthetic import NOISES
from s2hand.synthetic.objects import (
    RINGS,
    SEGMENTS,
    face_normals,
    no_object,
    object_faces,
    sample_held,
    sample_occluder,
)
from s2hand.synthetic.studio import Studio

JOINTS = np.random.default_rng(3).normal((0, 0, 0.6), 0.03, (21, 3))


def draw(seed: int, **options):
    studio = Studio(load_hand_model("generic"), 96, NOISES["bundled"], **options)
    return studio.draw([np.random.default_rng((seed, number)) for number in range(8)])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["held", "occluder"])
def test_objects_are_closed_to_the_outside(seed, kind):
    random = np.random.default_rng(seed)
    if kind == "held":
        thing = sample_held(random, JOINTS, np.array([0, 0, -1.0]))
    else:
        thing = sample_occluder(random, JOINTS)
    faces = object_faces()
    assert thing.vertices.shape == (RINGS * SEGMENTS, 3)
    assert ((thing.albedo > 0) & (thing.albedo <= 1)).all()
    middle = thing.vertices.mean(0)
    outward = ((thing.vertices[faces].mean(1) - middle) * face_normals(thing.vertices, faces)).sum(-1)
    assert (outward >= -1e-9).all()


def test_an_occluder_lies_between_hand_and_camera():
    for seed in range(20):
        thing = sample_occluder(np.random.default_rng(seed), JOINTS)
        assert thing.vertices[:, 2].mean() < JOINTS[:, 2].max()


def test_a_missing_object_has_no_surface():
    thing = no_object(JOINTS[0])
    assert (face_normals(thing.vertices, object_faces()) == 0).all()


def test_objects_hide_joints_and_leave_the_rest_of_the_hand_as_it_is():
    without, present = draw(1), draw(1, object_share=1.0)
    for plain, dressed in zip(without, present, strict=True):
        assert np.array_equal(plain.joints, dressed.joints)
        assert dressed.mask.sum() <= plain.mask.sum()
    assert sum(sample.hidden.sum() for sample in present) > sum(sample.hidden.sum() for sample in without)


def test_wide_poses_reach_farther():
    usual, wide = draw(2), draw(2, wide_poses=True)
    assert (
        np.ptp([sample.pose for sample in wide], axis=0).mean()
        > np.ptp([sample.pose for sample in usual], axis=0).mean()
    )


def test_the_command_takes_objects_poses_and_noise(tmp_path):
    arguments = ["synth", "--out", str(tmp_path / "d"), "--train-size", "2", "--eval-size", "1"]
    arguments += ["--image-size", "64", "--wide-poses", "--objects", "0.5", "--noise", "bundled"]
    assert cli.main(arguments) == 0
    settings = json.loads((tmp_path / "d/synthetic.json").read_text())["settings"]
    assert (settings["wide_poses"], settings["object_share"]) == (True, 0.5)
    assert settings["noise"]["definition"] == "mediapipe"
