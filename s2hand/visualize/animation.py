"""A hand that turns: frames and GIFs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from s2hand.files import written_whole
from s2hand.visualize.pixels import to_image
from s2hand.visualize.views import framing_camera, render_view, turn, yaw_rotation


def turntable(
    vertices: Tensor,
    faces: Tensor,
    *,
    frames: int = 36,
    size: int = 256,
    face_textures: Tensor | None = None,
    light: Tensor | None = None,
    start_deg: float = 0.0,
    sweep_deg: float = 360.0,
) -> list[np.ndarray]:
    """Renders a hand turning about the vertical axis through its centre, before a fixed camera.

    Args:
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) vertex numbers.
        frames: number of frames.
        size: their side in pixels.
        face_textures: (F, 3) RGB before light; None shows clay.
        light: (11,) light vector; it stays with the camera.
        start_deg: angle of the first frame.
        sweep_deg: angle covered; the last frame stops one step short of it, so a full turn loops smoothly.

    Returns:
        Frames (size, size, 3) uint8 on white.
    """
    faces = torch.as_tensor(faces)
    angles = start_deg + sweep_deg * np.arange(frames) / frames
    turned = [turn(vertices, yaw_rotation(float(angle))) for angle in angles]
    K = framing_camera(torch.cat(turned), size)
    views = (render_view(posed, faces, K, size, face_textures, light) for posed in turned)
    return [to_image(view.smooth) for view in views]


def write_gif(path: str | Path, frames: Sequence[np.ndarray], fps: float = 15.0) -> None:
    """Saves frames as an endless GIF with one palette for all, so that colours do not flicker.

    Args:
        path: file to write; its folder is made.
        frames: (H, W, 3) uint8, all of one size.
        fps: frames per second.

    Raises:
        ValueError: there is no frame.
    """
    if not len(frames):
        raise ValueError(f"{path}: a GIF needs at least one frame")
    sampled = np.concatenate([frame[::2, ::2] for frame in frames])
    palette = Image.fromarray(sampled).quantize(256, method=Image.Quantize.MEDIANCUT)
    first, *others = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        for frame in frames
    )
    timing = {"duration": round(1000 / fps), "loop": 0}
    with written_whole(path) as partial:
        first.save(partial, save_all=True, append_images=others, optimize=True, **timing)
