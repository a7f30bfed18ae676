"""Hands that turn, as frames and as a GIF."""

import numpy as np
import pytest
import torch
from PIL import Image

from s2hand.visualize import turntable, write_gif


def test_turntable_frames_turn_whole_and_come_back_as_a_gif(scene, tmp_path):
    _, prediction, faces = scene
    frames = turntable(prediction.vertices[0], faces, frames=4, size=64)
    assert all((frame[[0, -1]] == 255).all() and (frame[:, [0, -1]] == 255).all() for frame in frames)
    widths = [np.ptp(np.nonzero((frame < 250).any(-1).any(0))[0]) for frame in frames]
    assert widths[0] > 1.5 * widths[1]
    assert abs(widths[0] - widths[2]) <= 1
    write_gif(tmp_path / "turn.gif", frames, fps=10)
    with Image.open(tmp_path / "turn.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["duration"], gif.info["loop"]) == (4, (64, 64), 100, 0)
        gif.seek(1)
        shown = np.asarray(gif.convert("RGB")).astype(int)
    assert np.abs(shown - frames[1]).mean() < 4
    with pytest.raises(ValueError, match="at least one frame"):
        write_gif(tmp_path / "none.gif", [])


def test_pictures_from_other_devices_and_graphs_are_taken(scene):
    _, prediction, faces = scene
    vertices = prediction.vertices[0].clone().requires_grad_()
    textures = torch.nn.Parameter(prediction.face_textures[0])
    frame = turntable(vertices, faces, frames=1, size=32, face_textures=textures, light=prediction.light[0])[
        0
    ]
    assert frame.shape == (32, 32, 3)
