"""Smooth renderings of the faces that a camera sees: clay, texture and depth.

The rasterizer colours whole faces, as training needs it. For figures, this module intersects the ray of every
pixel with the face that the rasterizer found there and interpolates normals and depth (Phong shading), so
that 1,538 faces look like one smooth surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np

CLAY_COLOR = (0.46, 0.60, 0.84)
"""Linear RGB: a blue unlike any skin, so that the overlay stands out from the photo."""

KEY_LIGHT = (-0.5, -0.7, -0.6)
FILL_LIGHT = (0.8, 0.1, -0.5)
"""Directions to the lights, camera frame: the key light is at the upper left, the fill light at the right."""

AMBIENT, KEY, FILL = 0.26, 0.72, 0.16
GLOSS, GLOSS_EXPONENT = 0.10, 28
CREASE = 0.5
"""Share by which deep creases between fingers are darkened."""

CREASE_DEPTH = 0.012
"""Metres behind the mean depth of the neighbourhood at which a crease is darkest."""

CREASE_SIGMA, COARSE_PX = 1 / 60, 256
"""The neighbourhood's deviation in sides of the image; and the side, in pixels, that is enough to blur."""

GAMMA = 2.2
"""Clay is shaded in linear light and shown in about sRGB."""

DEPTH_COLORMAP = matplotlib.colormaps["viridis"]
DEPTH_COLOR_RANGE = (0.02, 0.92)
"""Used part of the colormap, far to near; its brightest end would not stand out from white."""


@dataclass(frozen=True)
class Surface:
    """What a camera sees of a mesh at its N covered raster pixels, row by row.

    Attributes:
        covered: (R, R) bool, the N covered pixels.
        depth: (N,) camera z, metres; all numbers are float32.
        normals: (N, 3) unit, camera frame, on the side of the face that is seen.
        rays: (N, 3) unit, from the camera through the pixel.
        corners: (N, 3) vertex numbers of the face seen.
        barycentric: (N, 3) position on that face.
    """

    covered: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    rays: np.ndarray
    corners: np.ndarray
    barycentric: np.ndarray

    def image(self, values: np.ndarray, image_size: int) -> np.ndarray:
        """Averages colours (N, 3) over white down to an anti-aliased image (S, S, 3), of the same dtype."""
        raster = np.ones((*self.covered.shape, values.shape[-1]), values.dtype)
        raster[self.covered] = np.clip(values, 0, 1)
        return shrink(raster, image_size)


def seen_surface(
    vertices: np.ndarray, faces: np.ndarray, K: np.ndarray, face_index: np.ndarray, image_size: int
) -> Surface:
    """Interpolates depth and smooth normals over the seen faces.

    A point of the ray ``r`` lies on the face with corners ``M = [v0 v1 v2]`` where ``M b = t r``: the
    barycentrics are ``M^-1 r`` over its sum, and its depth is ``r_z`` over that sum.

    Args:
        vertices: (V, 3) metres, camera frame.
        faces: (F, 3) vertex numbers.
        K: (3, 3) pixels of an ``image_size`` image.
        face_index: (R, R) face seen, -1 for none; numbers from F on are faces seen from behind.
        image_size: side of the image in pixels; R may be a multiple of it.
    """
    covered = face_index >= 0
    seen = face_index[covered] % len(faces)
    rays = _pixel_rays(K, covered, image_size)
    edges = vertices[faces].transpose(0, 2, 1)
    volume = np.linalg.det(edges)
    # A face seen exactly from its side covers no pixel, but its singular matrix would stop the inversion.
    edges = np.where(np.abs(volume)[:, None, None] > 0, edges, np.eye(3))
    # Inverted in float64; there are many more pixels than faces, and they need no such precision.
    inverse = np.linalg.inv(edges).astype(np.float32)
    barycentric = np.einsum("nij,nj->ni", inverse[seen], rays)
    total = barycentric.sum(-1, keepdims=True)
    barycentric = np.clip(barycentric / total, 0, 1)
    corner_normals = vertex_normals(vertices, faces).astype(np.float32)[faces]
    normals = np.einsum("nk,nkc->nc", barycentric, corner_normals[seen])
    # With columns v0, v1, v2 the determinant is v0 . (v1 x v2): positive where the face looks away.
    normals *= -np.sign(volume).astype(np.float32)[seen, None]
    return Surface(covered, 1 / total[:, 0], _unit(normals), _unit(rays), faces[seen], barycentric)


def _pixel_rays(K: np.ndarray, covered: np.ndarray, image_size: int) -> np.ndarray:
    """Rays (N, 3) through the centres of the covered pixels of an (R, R) raster, with z = 1."""
    rows, columns = np.nonzero(covered)
    scale = image_size / len(covered)
    x = ((columns + 0.5) * scale - K[0, 2]) / K[0, 0]
    y = ((rows + 0.5) * scale - K[1, 2]) / K[1, 1]
    return np.stack([x, y, np.ones_like(x)], -1).astype(np.float32)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (V, 3): the mean of the adjoining faces' normals, weighted with their areas."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], face_normals)
    return _unit(normals)


def clay(surface: Surface, image_size: int, color=CLAY_COLOR) -> np.ndarray:
    """Shades a surface like matte clay under a key and a fill light.

    Args:
        surface: what the camera sees, at a multiple of the image's resolution.
        image_size: side S of the image.
        color: linear RGB of the clay.

    Returns:
        (S, S, 3) in [0, 1] over white, anti-aliased.
    """
    to_key, to_fill = (_unit(np.array(light, np.float32)) for light in (KEY_LIGHT, FILL_LIGHT))
    key, fill = (np.clip(surface.normals @ towards, 0, None) for towards in (to_key, to_fill))
    sky = 0.5 - 0.5 * surface.normals[:, 1]  # camera y points down
    half = _unit(to_key - surface.rays)
    gloss = GLOSS * _power(np.clip(np.einsum("nc,nc->n", surface.normals, half), 0, 1), GLOSS_EXPONENT)
    light = AMBIENT * (0.6 + 0.8 * sky) + KEY * key + FILL * fill
    linear = (light * _crease(surface))[:, None] * np.array(color, np.float32) + gloss[:, None]
    return surface.image(_power(linear, 1 / GAMMA), image_size)


def depth_image(surface: Surface, image_size: int) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Colours depth, near bright and far dark, on white.

    Args:
        surface: what the camera sees, at a multiple of the image's resolution.
        image_size: side S of the image.

    Returns:
        rgb (S, S, 3) in [0, 1] and the range (nearest, farthest) in metres, None if nothing is seen.
    """
    if not len(surface.depth):
        return np.ones((image_size, image_size, 3)), None
    near, far = float(surface.depth.min()), float(surface.depth.max())
    nearness = (far - surface.depth) / max(far - near, 1e-6)
    low, high = DEPTH_COLOR_RANGE
    colors = DEPTH_COLORMAP(low + (high - low) * nearness)[:, :3]
    return surface.image(colors, image_size), (near, far)


def lit_texture(
    surface: Surface, faces: np.ndarray, face_colors: np.ndarray, light: np.ndarray, image_size: int
) -> np.ndarray:
    """Shows lit texture without the facets of the renderer used in training.

    The equation is that of :mod:`s2hand.rendering.lighting`, with normals and colours interpolated over each
    face; a vertex has the mean colour of its faces.

    Args:
        surface: what the camera sees, at a multiple of the image's resolution.
        faces: (F, 3) vertex numbers.
        face_colors: (F, 3) RGB in [0, 1], after tanh.
        light: (11,) light vector; its direction is the one in which light travels.
        image_size: side S of the image.

    Returns:
        (S, S, 3) in [0, 1] over white, anti-aliased.
    """
    count = np.bincount(faces.ravel(), minlength=faces.max() + 1)
    sums = [np.bincount(faces.ravel(), np.repeat(channel, 3), len(count)) for channel in face_colors.T]
    vertex_colors = np.stack(sums, -1) / np.maximum(count, 1)[:, None]
    color = np.einsum("nk,nkc->nc", surface.barycentric, vertex_colors[surface.corners])
    strength = np.clip(-surface.normals @ light[8:], 0, None)[:, None]
    shaded = color * (light[0] * light[2:5] + light[1] * strength * light[5:8])
    return surface.image(shaded, image_size)


def shrink(values: np.ndarray, image_size: int) -> np.ndarray:
    """Averages blocks of raster pixels down to the image's pixels: (R, R, ...) to (S, S, ...)."""
    return cv2.resize(values, (image_size, image_size), interpolation=cv2.INTER_AREA)


def _crease(surface: Surface) -> np.ndarray:
    """Factor (N,) that darkens points behind their neighbourhood (Luft et al. 2006, unsharp-masked depth)."""
    weight = surface.covered.astype(np.float32)
    depth = np.zeros_like(weight)
    depth[surface.covered] = surface.depth
    size = len(weight)
    coarse = min(size, COARSE_PX)  # a blurred map needs no more pixels
    total, blurred = (
        cv2.GaussianBlur(
            cv2.resize(values, (coarse, coarse), interpolation=cv2.INTER_AREA), (0, 0), coarse * CREASE_SIGMA
        )
        for values in (weight, depth)
    )
    around = cv2.resize(blurred / np.maximum(total, 1e-6), (size, size), interpolation=cv2.INTER_LINEAR)
    behind = surface.depth - around[surface.covered]
    return 1 - CREASE * np.clip(behind / CREASE_DEPTH, 0, 1)


def _power(values: np.ndarray, exponent: float) -> np.ndarray:
    """Numbers (N,) or (N, C) from 0 on to a power; OpenCV takes a tenth of NumPy's time."""
    return cv2.pow(values, exponent).reshape(values.shape) if values.size else values


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., 3) scaled to length 1; a zero vector stays zero."""
    length = np.sqrt(np.einsum("...c,...c->...", vectors, vectors))[..., None]
    return vectors / np.maximum(length, 1e-12)
