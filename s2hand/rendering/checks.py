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
        TypeError: an argument is not a tensor or has the wrong kind of number, or the size is no integer.
        ValueError: a shape, a device, a setting or a vertex number does not fit.
    """
    _check_kinds(vertices, faces, face_colors)
    _check_shape("vertices", vertices, (None, None, 3), "(B, V, 3)")
    _check_shape("faces", faces, (None, 3), "(F, 3), the same for the whole batch")
    sides = (vertices.shape[0], faces.shape[0] * (2 if fill_back else 1), 3)
    _check_shape(
        "face_colors", face_colors, sides, f"{sides}, a colour for each item and side (fill_back={fill_back})"
    )
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
        ValueError: a shape does not fit.
    """
    _check_shape("vertices", vertices, (None, None, 3), "(B, V, 3)")
    batch = vertices.shape[0]
    size = 1 if len(K) == 1 else batch
    _check_shape("K", K, (size, 3, 3), f"({batch}, 3, 3) or (1, 3, 3)")
    expected = f"({batch}, {num_faces}, 3) or (1, {num_faces}, 3), one colour for each item and face"
    size = 1 if len(face_textures) == 1 else batch
    _check_shape("face_textures", face_textures, (size, num_faces, 3), expected)


def _check_shape(name: str, tensor: Tensor, shape: tuple[int | None, ...], expected: str) -> None:
    """Refuses a tensor of another shape; None fits any length."""
    found = tuple(tensor.shape)
    if len(found) != len(shape) or any(a not in (None, b) for a, b in zip(shape, found, strict=True)):
        raise ValueError(f"{name}: expected {expected}, got {found}")


def _check_kinds(vertices: Tensor, faces: Tensor, face_colors: Tensor) -> None:
    for name, tensor in (("vertices", vertices), ("faces", faces), ("face_colors", face_colors)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: expected a torch.Tensor, got {type(tensor).__name__}")
        if name != "faces" and not tensor.is_floating_point():
            raise TypeError(f"{name}: expected floating point numbers, got {tensor.dtype}")
    if faces.is_floating_point() or faces.is_complex() or faces.dtype == torch.bool:
        raise TypeError(f"faces: expected integers, got {faces.dtype}")


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
