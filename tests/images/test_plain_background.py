"""Silhouettes before plain backgrounds: found where they are known, refused where nothing is sure."""

import cv2
import numpy as np
import pytest

from s2hand.images.plain_background import plain_silhouette

HEIGHT, WIDTH = 200, 300
SKIN = (205, 160, 140)


def hand_mask(arm=True, height=HEIGHT, width=WIDTH):
    """(H, W) bool: a palm, five fingers and an arm that leaves the image at the left."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (150, 100), 36, 1, -1)
    for tip in ((170, 30), (205, 45), (230, 85), (225, 130), (120, 35)):
        cv2.line(mask, (150, 100), tip, 1, 14)
    if arm:
        cv2.line(mask, (150, 100), (0, 120), 1, 40)
    return cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST) > 0


def photo_of(mask, background, noise=3.0, seed=0):
    """A photo of a hand before a background (3,) or (H, W, 3), lit unevenly, with noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]]
    light = 1 - 0.25 * (x / mask.shape[1]) * (y / mask.shape[0])
    colours = np.where(mask[..., None], np.array(SKIN), background) * light[..., None]
    return np.clip(colours + random.normal(0, noise, colours.shape), 0, 255).astype(np.uint8)


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("background", [(60, 160, 70), (235, 232, 228), (40, 44, 60), (90, 120, 200)])
@pytest.mark.parametrize("arm", [True, False])
def test_a_hand_before_one_colour_is_found(background, arm):
    mask = hand_mask(arm)
    found = plain_silhouette(photo_of(mask, background))
    assert set(np.unique(found)) == {0, 255}
    assert iou(found > 0, mask) > 0.95


def test_large_and_small_photos_give_the_same():
    for size in ((800, 1200), (67, 100)):
        mask = hand_mask(height=size[0], width=size[1])
        found = plain_silhouette(photo_of(mask, (60, 160, 70)))
        assert found.shape == size
        assert iou(found > 0, mask) > 0.93


def test_shadows_on_a_green_screen_are_background():
    mask = hand_mask()
    shadow = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    background = np.where(shadow[..., None], (30, 85, 36), (60, 160, 70))
    assert iou(plain_silhouette(photo_of(mask, background)) > 0, mask) > 0.95


def test_a_highlight_is_filled_and_a_gap_between_fingers_is_not():
    mask = hand_mask()
    photo = photo_of(mask, (60, 160, 70))
    photo[98:102, 148:152] = (60, 160, 70)
    cv2.circle(mask_with_gap := mask.astype(np.uint8), (150, 100), 12, 0, -1)
    assert plain_silhouette(photo)[100, 150] == 255
    assert plain_silhouette(photo_of(mask_with_gap > 0, (60, 160, 70)))[100, 150] == 0


def textured(seed):
    random = np.random.default_rng(seed)
    coarse = random.uniform(0, 255, (8, 12, 3)).astype(np.float32)
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("seed", range(5))
def test_backgrounds_that_are_not_plain_are_refused(seed):
    assert plain_silhouette(photo_of(hand_mask(), textured(seed))) is None


def test_two_colours_behind_the_hand_are_refused():
    halves = np.where(np.arange(WIDTH)[None, :, None] < WIDTH / 2, (60, 160, 70), (200, 60, 60))
    assert plain_silhouette(photo_of(hand_mask(), np.broadcast_to(halves, (HEIGHT, WIDTH, 3)))) is None


def test_nothing_and_several_things_are_refused():
    empty = np.zeros((HEIGHT, WIDTH), bool)
    assert plain_silhouette(photo_of(empty, (60, 160, 70))) is None
    several = hand_mask(arm=False)
    several[140:190, 20:90] = True
    assert plain_silhouette(photo_of(several, (60, 160, 70))) is None


def test_a_silhouette_that_leaves_out_the_keypoints_is_refused():
    mask = hand_mask()
    photo = photo_of(mask, (60, 160, 70))
    on_hand = np.argwhere(mask)[::200, ::-1].astype(float)
    assert plain_silhouette(photo, on_hand) is not None
    beside = np.array([[280.0, 20], [285, 180], [20, 20], [270, 100]])
    assert plain_silhouette(photo, np.concatenate([on_hand[:4], beside])) is None
    assert plain_silhouette(photo, beside + 1000) is None
