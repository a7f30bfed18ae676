"""Refuses what the rasterizer cannot draw, saying what was expected."""

from __future__ import annotations

import torch
from torch import Tensor


def check_inputs(
    vertices: Tensor,
    faces: Tensor,
    face_colors: Tensor,
    image_size: int,
    background,
    depth_range: tuple[float, float],
    eps: float,
    fill_back: bool,
) -> None:
    """Checks the arguments of :func:`~s2hand.rendering.rasterize`.

    Vertex numbers are looked at on the CPU only: on a GPU that would wait for the device. There, faces with
    a wrong number are left out.

    Raises:
        TypeError: if something is no tensor, a tensor of the wrong kind of number, or the size no integer.
        ValueError: if a shape, a device, a setting or a vertex number does not fit.
    """
    _check_kinds(vertices, faces, face_colors)
    _check_shapes(vertices, faces, face_colors, fill_back)
    if faces.device != vertices.device or face_colors.device != vertices.device:
        raise ValueError(
            f"faces and face_colors: expected on {vertices.device} like vertices, "
            f"got {faces.device} and {face_colors.device}"
        )
    _check_settings(image_size, background, depth_range, eps)
    if faces.device.type == "cpu" and faces.numel() and not torch.compiler.is_compiling():
        low, high = faces.aminmax()
        if low < 0 or high >= vertices.shape[1]:
            raise ValueError(
                f"faces: expected vertex numbers in [0, {vertices.shape[1]}), got {int(low)} to {int(high)}"
            )


def check_mesh(vertices: Tensor, K: Tensor, face_textures: Tensor, num_faces: int) -> None:
    """Checks the arguments of :class:`~s2hand.rendering.MeshRenderer`; cameras and textures may be shared.

    Raises:
        ValueError: if a shape does not fit.
    """
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise ValueError(f"vertices: expected (B, V, 3), got {tuple(vertices.shape)}")
    batch_sizes = (1, vertices.shape[0])
    if K.ndim != 3 or K.shape[0] not in batch_sizes or K.shape[1:] != (3, 3):
        raise ValueError(f"K: expected ({batch_sizes[1]}, 3, 3) or (1, 3, 3), got {tuple(K.shape)}")
    expected = (num_faces, 3)
    if (
        face_textures.ndim != 3
        or face_textures.shape[0] not in batch_sizes
        or face_textures.shape[1:] != expected
    ):
        raise ValueError(
            f"face_textures: expected ({batch_sizes[1]}, {num_faces}, 3), one colour per item and face, "
            f"got {tuple(face_textures.shape)}"
        )


def _check_settings(image_size: int, background, depth_range: tuple[float, float], eps: float) -> None:
    if not hasattr(image_size, "__index__"):
        raise TypeError(f"image_size: expected an integer, got {image_size!r}")
    if image_size < 1:
        raise ValueError(f"image_size: expected at least 1 pixel, got {image_size}")
    if not hasattr(background, "__len__") or len(background) != 3:
        raise ValueError(f"background: expected 3 numbers, got {background!r}")
    near, far = depth_range
    if not 0 < near < far:
        raise ValueError(f"near and far: expected 0 < near < far, got {near} and {far}")
    if not eps > 0:
        raise ValueError(f"eps: expected more than 0, got {eps}")


def _check_kinds(vertices: Tensor, faces: Tensor, face_colors: Tensor) -> None:
    for name, tensor in (("vertices", vertices), ("faces", faces), ("face_colors", face_colors)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected a torch.Tensor, got {type(tensor).__name__}")
    for name, tensor in (("vertices", vertices), ("face_colors", face_colors)):
        if not tensor.is_floating_point():
            raise TypeError(f"{name}: expected floating point numbers, got {tensor.dtype}")
    if faces.is_floating_point() or faces.is_complex() or faces.dtype == torch.bool:
        raise TypeError(f"faces: expected integers, got {faces.dtype}")


def _check_shapes(vertices: Tensor, faces: Tensor, face_colors: Tensor, fill_back: bool) -> None:
    if vertices.ndim != 3 or vertices.shape[-1] != 3:
        raise ValueError(f"vertices: expected (B, V, 3), got {tuple(vertices.shape)}")
    if faces.ndim != 2 or faces.shape[-1] != 3:
        raise ValueError(f"faces: expected (F, 3), the same for the whole batch, got {tuple(faces.shape)}")
    sides = faces.shape[0] * (2 if fill_back else 1)
    expected = (vertices.shape[0], sides, 3)
    if tuple(face_colors.shape) != expected:
        raise ValueError(
            f"face_colors: expected {expected}, one colour per item and drawn side "
            f"(fill_back={fill_back}), got {tuple(face_colors.shape)}"
        )
