"""Backward kernels of what changes smoothly inside a face: its colour and its depth; and the last gather.

Every kernel writes only to places of its own, and sums run in a fixed order: the same bits on every run.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import (
    DrawnFace,
    Scene,
    barycentrics,
    columns_of,
    edge_values,
    load_face,
    pixel_centre,
    rows_of,
)

wp.set_module_options({"enable_backward": False})


@wp.struct
class Shown:
    """Sums over the raster pixels that show a face."""

    count: wp.int32
    color: wp.vec3  # of the upstream gradient of rgb
    depth: wp.vec3  # of upstream * z^2 * w_k, by drawn corner


@wp.func
def sum_shown(
    scene: Scene,
    item: int,
    face: DrawnFace,
    grad_rgb: wp.array4d(dtype=float),
    grad_depth: wp.array3d(dtype=float),
):
    shown = Shown()
    size = scene.face_index.shape[1]
    samples = scene.samples
    rows = rows_of(face, size)
    for row in range(rows.first, rows.stop):
        py = pixel_centre(row, size)
        columns = columns_of(face, py, size)
        line = size - 1 - row
        for column in range(columns.first, columns.stop):
            if scene.face_index[item, line, column] == face.side:
                i = line // samples
                j = column // samples
                shown.count += 1
                shown.color += wp.vec3(
                    grad_rgb[item, 0, i, j], grad_rgb[item, 1, i, j], grad_rgb[item, 2, i, j]
                )
                upstream = grad_depth[item, i, j]
                if upstream != 0.0:
                    w = barycentrics(edge_values(face, pixel_centre(column, size), py))
                    z = 1.0 / wp.dot(w, face.inverse_z)
                    shown.depth += upstream * z * z * w
    return shown


@wp.kernel
def interior_gradient(
    first_item: int,
    scene: Scene,
    grad_rgb: wp.array4d(dtype=float),
    grad_depth: wp.array3d(dtype=float),
    owned: wp.array2d(dtype=wp.int32),
    grad_colors: wp.array2d(dtype=wp.vec3),
    grad_corners: wp.array3d(dtype=wp.vec3),
    grad_edges: wp.array4d(dtype=wp.vec2),
):
    """One thread per face: the gradients of its colour and, through depth, of its corners.

    Depth: dz/dz_k = w_k z^2 / z_k^2. Moving corner k on screen moves 1/z's plane under the pixel by w_k times
    as much, so dz/dx_k = w_k z^2 d(1/z)/dx, with d(1/z)/dx = sum_m (dw_m/dx) / z_m (Kato et al. 2018
    leave depth out; this is the published renderer's addition).

    Writes:
        owned: scratch (F,) raster pixels that show the face.
        grad_colors: (B, sides, 3) of the side that shows, 0 for the other.
        grad_corners: scratch (F, 3, 3) by the corners' order in ``faces``.
        grad_edges: scratch (F, 3, 2, 2), 0.
    """
    slot, index = wp.tid()
    item = first_item + slot
    face = load_face(scene, item, index)
    grad_colors[item, index] = wp.vec3(0.0, 0.0, 0.0)
    if scene.fill_back:
        grad_colors[item, index + scene.faces.shape[0]] = wp.vec3(0.0, 0.0, 0.0)
    for k in range(3):
        grad_corners[slot, index, k] = wp.vec3(0.0, 0.0, 0.0)
        for axis in range(2):
            grad_edges[slot, index, k, axis] = wp.vec2(0.0, 0.0)
    shown = Shown()
    if face.visible:
        shown = sum_shown(scene, item, face, grad_rgb, grad_depth)
    owned[slot, index] = shown.count
    if shown.count > 0:
        weight = 1.0 / float(scene.samples * scene.samples)
        grad_colors[item, face.side] = shown.color * weight
        # Screen derivatives of the barycentrics: of edge values over the area.
        inverse_z_x = -wp.dot(face.edge_y, face.inverse_z) / face.area
        inverse_z_y = wp.dot(face.edge_x, face.inverse_z) / face.area
        for k in range(3):
            corner = k
            if face.flipped:
                corner = 2 - k
            grad_corners[slot, index, corner] = (
                weight
                * shown.depth[k]
                * wp.vec3(inverse_z_x, inverse_z_y, face.inverse_z[k] * face.inverse_z[k])
            )


@wp.kernel
def group_corners(
    faces: wp.array2d(dtype=wp.int32),
    corner_order: wp.array(dtype=wp.int64),
    corner_start: wp.array(dtype=wp.int64),
):
    """One thread in all, for the CPU: sorts the faces' corners by vertex, by counting.

    Writes:
        corner_order: (3F,) see :func:`gather_vertices`; corners of vertices that there are not are left out.
        corner_start: (V + 2,) likewise, with one entry to spare; the caller fills it with 0.
    """
    num_vertices = corner_start.shape[0] - 2
    for corner in range(3 * faces.shape[0]):
        vertex = faces[corner // 3, corner % 3]
        if vertex >= 0 and vertex < num_vertices:
            corner_start[vertex + 2] += wp.int64(1)
    for vertex in range(num_vertices):
        corner_start[vertex + 2] += corner_start[vertex + 1]
    # While corners arrive, entry v + 1 stands where vertex v's next one goes: at last, where v + 1's begin.
    for corner in range(3 * faces.shape[0]):
        vertex = faces[corner // 3, corner % 3]
        if vertex >= 0 and vertex < num_vertices:
            corner_order[int(corner_start[vertex + 1])] = wp.int64(corner)
            corner_start[vertex + 1] += wp.int64(1)


@wp.kernel
def gather_vertices(
    first_item: int,
    corner_order: wp.array(dtype=wp.int64),
    corner_start: wp.array(dtype=wp.int64),
    grad_corners: wp.array3d(dtype=wp.vec3),
    grad_edges: wp.array4d(dtype=wp.vec2),
    grad_vertices: wp.array2d(dtype=wp.vec3),
):
    """One thread per vertex: sums what its corners received, in the order of ``faces``.

    Args:
        corner_order: (3F,) flat corner numbers 3 f + k, sorted by vertex.
        corner_start: (V + 1,) where each vertex's corners begin in ``corner_order``.
        grad_corners: scratch (F, 3, 3).
        grad_edges: scratch (F, 3, 2, 2): edge e runs between corners e and e + 1; screen axis; its two ends.
    """
    slot, vertex = wp.tid()
    item = first_item + slot
    total = wp.vec3(0.0, 0.0, 0.0)
    for position in range(int(corner_start[vertex]), int(corner_start[vertex + 1])):
        corner = int(corner_order[position])
        face = corner // 3
        k = corner % 3
        previous = (k + 2) % 3
        total += grad_corners[slot, face, k]
        total[0] += grad_edges[slot, face, k, 0][0] + grad_edges[slot, face, previous, 0][1]
        total[1] += grad_edges[slot, face, k, 1][0] + grad_edges[slot, face, previous, 1][1]
    grad_vertices[item, vertex] = total
