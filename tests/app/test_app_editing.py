"""What sliders change of a hand, compared with the hand as it was reconstructed."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.app.editing import COLOR, PARTS, HandEdit, LightEdit, parse_color
from s2hand.app.limits import Limits
from s2hand.app.sessions import Session
from s2hand.app.studio import Studio, texture_names
from s2hand.app.work import drawn, with_boxes
from s2hand.errors import S2HandError
from s2hand.prediction.sample_photos import sample_photos


@pytest.fixture(scope="module")
def studio(reconstructor):
    return Studio(reconstructor, Limits(hands=2))


@pytest.fixture
def session(tmp_path):
    return Session("me", tmp_path, 0.0)


@pytest.fixture
def opened(studio, session):
    """A page with the sample photo of a left hand."""
    studio.open_photo(session, sample_photos()[1], "left.jpg", refine=False)
    return session


def test_without_changes_the_hand_is_the_reconstructed_one(studio, opened):
    hands, work = studio.edited(opened), opened.work
    torch.testing.assert_close(hands.vertices, work.hands.vertices, atol=1e-6, rtol=0)
    torch.testing.assert_close(hands.keypoints_2d, work.hands.keypoints_2d, atol=1e-2, rtol=0)
    torch.testing.assert_close(hands.light, work.hands.light)


def test_shape_and_pose_move_a_left_hand_as_its_mirrored_model(studio, opened):
    work = opened.work
    work.edits = [HandEdit(shape=(2.0, 0, 0, 0, 0), pose=(0, 1.0, 0, 0, 0, 0))]
    hands = studio.edited(opened)
    betas = hands.parameters.betas - work.hands.parameters.betas
    assert betas[0].tolist() == pytest.approx([2.0] + [0.0] * 9, abs=1e-5)
    layer = studio.reconstructor.answerer.layer
    posed = layer(hands.parameters.hand_pose, hands.parameters.betas, hands.parameters.rotation)
    placed = hands.parameters.translation + hands.parameters.scale.abs() * posed.joints[0]
    np.testing.assert_allclose(hands.joints[0] * torch.tensor([-1.0, 1, 1]), placed, atol=1e-6)
    assert (hands.joints - work.hands.joints).norm(dim=-1).max() > 0.005


@pytest.mark.parametrize(
    ("light", "towards"),
    [
        (LightEdit(0.6, 0.5, 0, 0), (0, 0, -1)),
        (LightEdit(0.6, 0.5, 90, 0), (1, 0, 0)),
        (LightEdit(0.6, 0.5, 0, 90), (0, -1, 0)),
        (LightEdit(0.6, 0.5, 180, 0), (0, 0, 1)),
    ],
)
def test_the_lamp_stands_where_the_sliders_say(light, towards):
    vector = light.vector()
    np.testing.assert_allclose(-vector[8:], towards, atol=1e-6)
    back = LightEdit.of(vector)
    assert (back.ambient, back.lamp) == pytest.approx((0.6, 0.5))
    np.testing.assert_allclose(back.vector(), vector, atol=1e-6)


def test_warm_light_is_redder_than_cool_light():
    warm, cool = LightEdit(warmth=1).vector(), LightEdit(warmth=-1).vector()
    assert warm[2] > warm[4]
    assert cool[2] < cool[4]


def test_textures_are_swapped(studio, opened):
    work = opened.work
    own = studio.edited(opened).face_textures
    work.edits = [HandEdit(texture=COLOR, color="#ff8000")]
    assert studio.edited(opened).face_textures[0].tanh().mean(0).tolist() == pytest.approx(
        [0.98, 0.502, 0.02], abs=1e-3
    )
    work.edits = [HandEdit(texture=PARTS)]
    parts = studio.edited(opened).face_textures[0].tanh().round(decimals=2)
    assert len(parts.unique(dim=0)) > 5  # five fingers, a palm, and where they meet
    studio.open_photo(opened, sample_photos()[0], "right.jpg", refine=False)
    assert "Left hand of left.jpg" in texture_names(opened)
    opened.work.edits = [HandEdit(texture="Left hand of left.jpg")]
    torch.testing.assert_close(studio.edited(opened).face_textures, own)


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("#ff0080", (1, 0, 128 / 255)),
        ("rgba(255, 0, 51, 1)", (1, 0, 0.2)),
        ("rgb(300,-5,0)", (1, 0, 0)),
        ("#nonsense", (91 / 255, 141 / 255, 214 / 255)),
        ("", (91 / 255, 141 / 255, 214 / 255)),
    ],
)
def test_colors_are_read(text, color):
    assert parse_color(text) == pytest.approx(color)


def test_the_picture_follows_light_and_boxes(studio, opened):
    work = opened.work
    plain = drawn(work, studio.edited(opened)).astype(int)
    work.edits = [replace(work.edits[0], light=LightEdit(0.1, 0.0))]
    dark = drawn(work, studio.edited(opened)).astype(int)
    changed = np.abs(plain - dark).max(-1) > 30
    assert 0.05 < changed.mean() < 0.6
    assert dark[changed].mean() < plain[changed].mean()
    boxed = with_boxes(work.preview, work, 0)
    left, top, width, _ = work.box(0)
    assert (
        boxed[round(top), round(left) : round(left + width)] != work.preview[round(top), round(left)]
    ).any()


def test_a_box_replaces_or_adds_a_hand(studio, opened):
    work = opened.work
    before = work.hands.joints.clone()
    box, edit = work.box(0), HandEdit(shape=(1.0, 0, 0, 0, 0))
    work.edits = [edit]
    studio.look_again(opened, box, "left", None)
    assert (work.labels, work.edits) == (["Left hand 1", "Left hand 2"], [edit, HandEdit()])
    np.testing.assert_allclose(work.hands.joints[1], before[0], atol=0.03)
    with pytest.raises(S2HandError, match="remove one first"):
        studio.look_again(opened, box, "auto", None)
    studio.look_again(opened, box, "right", 0)
    assert work.hands.hands == ("right", "left")
    studio.remove(opened, 0)
    assert (work.labels, len(work.views), len(work.edits)) == (["Left hand"], 1, 1)
    studio.remove(opened, 0)
    assert studio.edited(opened) is None
    with pytest.raises(S2HandError, match="No hand was found in this box"):
        studio.look_again(opened, (0, 0, 30, 30), "auto", None)


def test_refinement_brings_the_hand_nearer_to_its_keypoints(studio, opened):
    def distance() -> float:
        hands = opened.work.hands
        return float((hands.keypoints_2d - hands.detected_keypoints).norm(dim=-1).mean())

    before = distance()
    studio.refine(opened, True)
    assert distance() < before
    assert math.isfinite(distance())
