"""Texture and light of a hand from the one photo that shows it.

A hand that was answered from landmarks has no texture. Each face that the camera sees takes the mean
colour of the photo's pixels that show it; pixels that are no skin (background beside the silhouette,
another hand) are left out by their colour. One ambient and one directional light
(:mod:`s2hand.rendering.lighting`) are fitted to the brightness of the seen faces and divided out, and the
faces that the camera does not see are filled in from their neighbours over the mesh.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import spsolve
from torch import Tensor

from s2hand.fitting.photo_window import photo_window
from s2hand.geometry.cameras import project_points
from s2hand.rendering import MeshRenderer
from s2hand.rendering.lighting import face_normals

RASTER_PX = 192
"""Side of the raster on which pixels are given to faces; most of the 1,538 faces then own several."""

WINDOW_MARGIN = 0.02
"""Free border about the hand, as a share of its larger side."""

BORDER_SHARE = 0.012
"""Pixels within this share of the raster's side from the silhouette's border may show the background."""

SKIN_DEVIATIONS = 4.0
"""A pixel farther than this many robust deviations from the median colour is not taken for skin."""

SMALLEST_DEVIATION = 0.04
"""Least robust deviation, as evenly lit skin hardly varies; RGB in [0, 1]."""

PULL_TO_SKIN = 1e-3
"""Weight of the median skin colour against one neighbour where unseen faces are filled in."""

LARGEST_CONTRAST = 2.0
"""Largest ratio of directional to ambient light: hard shadows come from occlusion, which is not modelled."""

DARKEST_SHADING = 0.35
"""Shading below this divides no further: noise of dark pixels would be amplified."""

ALBEDO_RANGE = (0.02, 0.98)
"""Textures are stored before tanh, which reaches neither 0 nor 1 sensibly."""

DEFAULT_SKIN = (200 / 256, 150 / 256, 150 / 256)
"""The mean skin colour of the published texture head, for hands of which no pixel is seen."""


class Appearance(NamedTuple):
    """Texture and light of one hand.

    Attributes:
        face_textures: (F, 3) before tanh and light, float32.
        light: (11,) float32, camera frame.
    """

    face_textures: Tensor
    light: Tensor


def appearance_from_photo(photo: np.ndarray, vertices: Tensor, faces: Tensor, K: Tensor) -> Appearance:
    """Takes texture and light of a hand from its photo.

    Args:
        photo: (H, W, 3) uint8 RGB.
        vertices: (V, 3) metres, camera frame of the photo.
        faces: (F, 3) vertex numbers, counter-clockwise from outside.
        K: (3, 3) px of the photo.

    Returns:
        The hand's appearance; a plain skin colour under white light if the photo does not show the hand.
    """
    vertices, K = vertices.float(), K.float()
    window, pixels = photo_window(
        photo, project_points(vertices[None], K[None])[0].numpy(), RASTER_PX, WINDOW_MARGIN
    )
    shown = _face_per_pixel(vertices, faces, torch.from_numpy(window).float() @ K)
    seen = (shown >= 0) & np.isfinite(pixels).all(-1)
    colors, skin = pixels[seen], _is_skin(pixels[seen])
    count = np.bincount(shown[seen][skin], minlength=len(faces))
    if not count.any():
        textures = torch.tensor(DEFAULT_SKIN).atanh().expand(len(faces), 3).contiguous()
        return Appearance(textures, torch.tensor([1.0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1]))
    sums = [np.bincount(shown[seen][skin], channel, len(faces)) for channel in colors[skin].T]
    mean = np.stack(sums, -1) / np.maximum(count, 1)[:, None]
    normals = face_normals(vertices[None], faces)[0].numpy()
    light, shading = fit_light(mean.mean(-1), normals, count)
    albedo = fill_unseen(mean / np.maximum(shading, DARKEST_SHADING)[:, None], count > 0, faces.numpy())
    textures = torch.from_numpy(np.clip(albedo, *ALBEDO_RANGE)).float().atanh()
    return Appearance(textures, torch.from_numpy(light).float())


@torch.no_grad()
def _face_per_pixel(vertices: Tensor, faces: Tensor, K: Tensor) -> np.ndarray:
    """(R, R) number of the face that each raster pixel shows, -1 at the silhouette's border and outside."""
    renderer = MeshRenderer(faces, RASTER_PX, anti_aliasing=False, fill_back=False)
    output = renderer(vertices[None], K[None], vertices.new_ones(1, len(faces), 3))
    shown = output.face_index[0].numpy().copy()
    width = max(1, round(BORDER_SHARE * RASTER_PX))
    covered = cv2.erode((shown >= 0).astype(np.uint8), np.ones((2 * width + 1, 2 * width + 1), np.uint8))
    shown[covered == 0] = -1
    return shown


def _is_skin(colors: np.ndarray) -> np.ndarray:
    """(N,) whether each colour (N, 3) is near the others."""
    if not len(colors):
        return np.zeros(0, bool)
    median = np.median(colors, 0)
    deviation = 1.4826 * np.median(np.abs(colors - median), 0)  # of a normal distribution
    return (np.abs(colors - median) <= SKIN_DEVIATIONS * np.maximum(deviation, SMALLEST_DEVIATION)).all(-1)


def fit_light(
    brightness: np.ndarray, normals: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fits ambient and directional white light to the brightness of faces of one albedo.

    The direction is that of the linear fit ``brightness = a + n . v``; both intensities then follow from
    ``brightness = a + d max(0, n . l)`` by least squares.

    Args:
        brightness: (F,) of the faces.
        normals: (F, 3) unit, pointing away from the viewer as in :mod:`s2hand.rendering.lighting`.
        weight: (F,) how much each face counts, 0 where it was not seen.

    Returns:
        (11,) light vector, scaled so that the weighted mean shading is 1; (F,) shading of every face.
    """
    root = np.sqrt(weight)[:, None]
    design = np.concatenate([np.ones((len(normals), 1)), normals], 1)
    linear = np.linalg.lstsq(root * design, root[:, 0] * brightness, rcond=None)[0][1:]
    length = np.linalg.norm(linear)
    direction = linear / length if length > 1e-9 else np.array([0.0, 0.0, 1.0])
    cosine = np.clip(normals @ direction, 0, None)
    design = np.stack([np.ones_like(cosine), cosine], 1)
    ambient, directional = np.linalg.lstsq(root * design, root[:, 0] * brightness, rcond=None)[0]
    directional = max(float(directional), 0.0)
    ambient = max(float(ambient), directional / LARGEST_CONTRAST, 1e-6)
    shading = ambient + directional * cosine
    mean = float((weight * shading).sum() / weight.sum())
    light = np.array([ambient / mean, directional / mean, 1, 1, 1, 1, 1, 1, *direction])
    return light, shading / mean


def fill_unseen(colors: np.ndarray, seen: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Colours of all faces from those seen: each unseen one is the mean of its neighbours.

    Args:
        colors: (F, 3), any value where not seen.
        seen: (F,) bool, at least one of them true.
        faces: (F, 3) vertex numbers.

    Returns:
        (F, 3): seen colours as they are, the others the solution of Laplace's equation over the mesh with a
        slight pull to the median of the seen ones.
    """
    adjacency = _face_neighbours(faces)
    unseen = ~seen
    if not unseen.any():
        return colors
    skin = np.median(colors[seen], 0)
    degree = np.asarray(adjacency.sum(1))[:, 0]
    system = diags(degree[unseen] + PULL_TO_SKIN) - adjacency[unseen][:, unseen]
    known = adjacency[unseen][:, seen] @ colors[seen] + PULL_TO_SKIN * skin
    filled = colors.copy()
    filled[unseen] = spsolve(csr_matrix(system), known).reshape(-1, colors.shape[1])
    return filled


def _face_neighbours(faces: np.ndarray) -> csr_matrix:
    """(F, F) with 1 where two faces share an edge; not to be changed, as it is kept for the next hand."""
    return _neighbours_of_faces(np.ascontiguousarray(faces, np.int64).tobytes())


@lru_cache(maxsize=4)  # right and left hands, of a hand model or two
def _neighbours_of_faces(stored: bytes) -> csr_matrix:
    faces = np.frombuffer(stored, np.int64).reshape(-1, 3)
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
    owner = np.repeat(np.arange(len(faces)), 3)
    _, edge = np.unique(edges, axis=0, return_inverse=True)
    edge = edge.reshape(-1)
    incidence = coo_matrix((np.ones(len(edge)), (owner, edge)), (len(faces), edge.max() + 1)).tocsr()
    adjacency = (incidence @ incidence.T).tolil()
    adjacency.setdiag(0)
    return adjacency.tocsr()
