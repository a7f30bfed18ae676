from dataclasses import replace

import numpy as np
import pytest
import torch

from s2hand.visualize import evaluation_panel, evaluation_sheet, hero_strip, panel_titles
from s2hand.visualize.panels import COLUMNS
from s2hand.visualize.sheets import GAP

TILE = 96


def tile_of(scene, key: str, index: int = 0, **changes) -> np.ndarray:
    batch, prediction, faces = scene
    return evaluation_panel(batch, replace(prediction, **changes), index, faces, tile=TILE, columns=[key])


def test_a_full_panel_has_a_tile_for_each_title(scene):
    batch, prediction, faces = scene
    titles = panel_titles(batch, prediction)
    assert len(titles) == len(COLUMNS) - 1
    assert titles[-1] == "turned 60°"
    row = evaluation_panel(batch, prediction, 1, faces, tile=TILE, caption="#7")
    assert row.shape == (TILE, len(titles) * (TILE + GAP) - GAP, 3)
    assert row.dtype == np.uint8
    sheet = evaluation_sheet([row, row], titles)
    assert sheet.shape[1] == row.shape[1] + 2 * GAP


def test_columns_without_data_are_left_out(scene):
    batch, prediction, faces = scene
    bare = replace(prediction, face_textures=None, light=None, heatmap_keypoints=None)
    unlabelled = replace(batch, keypoints_2d=None, confidence=None)
    titles = panel_titles(unlabelled, bare)
    assert titles == ["input", "projected", "shape", "silhouette", "depth", "turned 60°"]
    row = evaluation_panel(unlabelled, bare, 0, faces, tile=TILE)
    assert row.shape[1] == 6 * (TILE + GAP) - GAP
    with pytest.raises(ValueError, match=r"textured.*available"):
        evaluation_panel(unlabelled, bare, 0, faces, columns=["textured"])


def test_the_silhouette_lies_where_the_vertices_project(scene):
    _, prediction, _ = scene
    tile = tile_of(scene, "silhouette", 1)[1:-1, 1:-1, 0] > 127
    rows, columns = (axis.mean() + 1.5 for axis in np.nonzero(tile))
    expected = prediction.keypoints_2d.new_tensor([32 + 180 * 0.02 / 0.7, 32 + 180 * 0.01 / 0.7]) * TILE / 64
    np.testing.assert_allclose([columns, rows], expected.numpy(), atol=0.6)


def test_overlays_keep_the_photo_around_the_hand(scene):
    photo, silhouette = tile_of(scene, "input"), tile_of(scene, "silhouette")
    outside, inside = (silhouette == 0).all(-1), (silhouette == 255).all(-1)
    outside[[0, -1]] = outside[:, [0, -1]] = False
    for key in ("shape", "textured", "portrait"):
        overlay = tile_of(scene, key)
        np.testing.assert_array_equal(overlay[outside], photo[outside])
        assert np.abs(overlay[inside].astype(int) - photo[inside]).mean() > 20


def test_each_sample_is_drawn_with_its_own_data(scene):
    for key in COLUMNS:
        assert np.any(tile_of(scene, key, 0) != tile_of(scene, key, 1)), key


def test_a_hand_out_of_view_is_said_to_be_so(scene):
    _, prediction, _ = scene
    for move in ([0.0, 0, -2], [9.0, 0, 0]):
        away = prediction.vertices + torch.tensor(move)
        photo = tile_of(scene, "input")
        np.testing.assert_array_equal(tile_of(scene, "shape", vertices=away), photo)
        depth = tile_of(scene, "depth", vertices=away)
        assert (depth[: TILE // 2, 1:-1][1:] == 255).all()
        assert (depth < 128).any()


def test_the_hero_strip_has_three_rows_per_sample(scene):
    batch, prediction, faces = scene
    strip = hero_strip(batch, prediction, [1, 0, 1], faces, tile=TILE)
    assert strip.shape[0] == 3 * TILE + 4 * GAP
    width = strip.shape[1] - 3 * (TILE + GAP)
    first, last = (strip[:, start : start + TILE] for start in (width, width + 2 * (TILE + GAP)))
    np.testing.assert_array_equal(first, last)
