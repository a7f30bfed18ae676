"""Backward kernels that lay out, line by line, what the visibility gradient's scans read.

Scanning needs, at every raster pixel, the upstream gradient G (rgb and alpha) and P = sum_c I_c G_c. G is
kept at picture resolution, since all raster pixels of a picture pixel share it, and P as one plane per
sample, so a scan reads contiguous memory. Both exist once per axis, the scanned coordinate last, for the
lines that cross the mesh's rectangle. Lines are ``pitch`` floats long, S rounded up to a whole vector.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import Scene, shown_color

wp.set_module_options({"enable_backward": False})

LANES = 8
"""Floats in a vector on common CPUs."""


@wp.kernel
def bound_lines(
    first_item: int,
    mesh: wp.array2d(dtype=wp.int32),
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    bounds: wp.array2d(dtype=wp.vec2i),
):
    """One thread per axis and picture line: where its upstream gradient is not zero.

    Args:
        mesh: (B, 4) see :func:`~s2hand.rendering.geometry_kernels.mesh_bounds`.

    Writes:
        bounds: scratch (2 S, 2) first and stop, picture pixels: the lines of axis 0, then those of axis 1.
            Lines outside the mesh's rectangle are left alone.
    """
    slot, axis, line = wp.tid()
    item = first_item + slot
    if line < mesh[item, 1 - axis] or line >= -mesh[item, 3 - axis]:
        return
    size = grad_silhouette.shape[1]
    first = wp.int32(0)
    stop = wp.int32(size)
    while first < stop and is_zero(grad_rgb, grad_silhouette, item, axis, line, first):
        first += 1
    while first < stop and is_zero(grad_rgb, grad_silhouette, item, axis, line, stop - 1):
        stop -= 1
    bounds[slot, axis * size + line] = wp.vec2i(first, stop)


@wp.func
def is_zero(
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    item: int,
    axis: int,
    line: int,
    position: int,
):
    row = line
    column = position
    if axis == 0:
        row = position
        column = line
    g = upstream_at(grad_rgb, grad_silhouette, item, row, column)
    return g[0] == 0.0 and g[1] == 0.0 and g[2] == 0.0 and g[3] == 0.0


@wp.kernel
def prepare_lines(
    first_item: int,
    scene: Scene,
    mesh: wp.array2d(dtype=wp.int32),
    bounds: wp.array2d(dtype=wp.vec2i),
    block: int,
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
):
    """One thread per ``block`` picture rows: their part of the scan buffers, within the lines' bounds.

    Writes:
        upstream: scratch (2 S, 4 channels, pitch): the S picture lines of axis 0, then those of axis 1.
        products: scratch (2 R, samples, pitch), likewise by raster line; [q, j] is P at j * samples + q.
    """
    slot, part = wp.tid()
    item = first_item + slot
    size = grad_silhouette.shape[1]
    first_row = part * block
    stop_row = wp.min(first_row + block, size)
    samples = scene.samples
    for row in range(wp.max(first_row, mesh[item, 0]), wp.min(stop_row, -mesh[item, 2])):
        bound = bounds[slot, size + row]
        for column in range(bound[0], bound[1]):
            g = upstream_at(grad_rgb, grad_silhouette, item, row, column)
            store_upstream(upstream, slot, size + row, column, g)
            for i in range(samples):
                raster_row = row * samples + i
                for q in range(samples):
                    product = product_at(scene, item, raster_row, column * samples + q, g)
                    products[slot, size * samples + raster_row, q, column] = product
    for column in range(mesh[item, 1], -mesh[item, 3]):
        bound = bounds[slot, column]
        for row in range(wp.max(first_row, bound[0]), wp.min(stop_row, bound[1])):
            g = upstream_at(grad_rgb, grad_silhouette, item, row, column)
            store_upstream(upstream, slot, column, row, g)
            for i in range(samples):
                raster_column = column * samples + i
                for q in range(samples):
                    product = product_at(scene, item, row * samples + q, raster_column, g)
                    products[slot, raster_column, q, row] = product


@wp.func
def upstream_at(
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    item: int,
    row: int,
    column: int,
):
    return wp.vec4(
        grad_rgb[item, 0, row, column],
        grad_rgb[item, 1, row, column],
        grad_rgb[item, 2, row, column],
        grad_silhouette[item, row, column],
    )


@wp.func
def store_upstream(upstream: wp.array4d(dtype=float), slot: int, line: int, position: int, g: wp.vec4):
    for channel in range(4):
        upstream[slot, line, channel, position] = g[channel]


@wp.func
def product_at(scene: Scene, item: int, row: int, column: int, g: wp.vec4):
    return wp.dot(shown_color(scene, item, scene.face_index[item, row, column]), g)


@wp.func
def load_upstream(upstream: wp.array4d(dtype=float), slot: int, line: int, position: int):
    return wp.vec4(
        upstream[slot, line, 0, position],
        upstream[slot, line, 1, position],
        upstream[slot, line, 2, position],
        upstream[slot, line, 3, position],
    )
