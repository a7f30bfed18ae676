"""Backward kernels that lay out, line by line, what the visibility gradient's scans read.

Scanning needs, at every raster pixel, the side it shows, the upstream gradient G (rgb and alpha) and
P = sum_c I_c G_c. G is kept at image resolution, since all raster pixels of an image pixel share it, sides
and P as one plane per sample, so a scan reads contiguous memory. All exist once per axis, the scanned
coordinate last, for the lines that cross the mesh's rectangle and where G is not zero.

The image is cut into tiles of ``tile`` x ``tile`` pixels, a vector each way.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import Scene
from s2hand.rendering.vectors import VECTORS

wp.set_module_options({"enable_backward": False})


@wp.struct
class Lines:
    """What scans read, by scan line: the lines of axis 0 (columns), then those of axis 1 (rows).

    ``pitch`` is S rounded up to whole tiles. Pixels beyond S are empty and have no upstream gradient.
    """

    tile: wp.int32
    bounds: wp.array3d(dtype=wp.vec2i)  # (slots, 2, tiles) by axis and tile across: first and stop pixel
    upstream: wp.array4d(dtype=float)  # (slots, 2 pitch, 4 channels, pitch)
    products: wp.array4d(
        dtype=float
    )  # (slots, 2 pitch * samples, samples, pitch); [q, j]: P at j * samples + q
    sides: wp.array4d(dtype=wp.int32)  # likewise


IS_EMPTY = (
    VECTORS
    + """
    const size_t size = grad_silhouette.shape[1], plane = size * size;
    const float* planes[4] = {grad_rgb.data + item * 3 * plane, 0, 0, grad_silhouette.data + item * plane};
    planes[1] = planes[0] + plane;
    planes[2] = planes[1] + plane;
    const int rows = wp::min(lanes, (int)size - first_row);
    const int columns = wp::min(lanes, (int)size - first_column);
    bool found = false;
    for (const float* values : planes)
        for (int row = first_row; row < first_row + rows; ++row) {
            const float* line = values + row * size + first_column;
            if (columns == lanes)
                for (int x = 0; x < lanes; ++x) found |= line[x] != 0.0f;
            else
                for (int x = 0; x < columns; ++x) found |= line[x] != 0.0f;
        }
    return !found;
"""
)


@wp.func_native(IS_EMPTY)
def is_empty(
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    item: int,
    first_row: int,
    first_column: int,
) -> bool:
    """Whether the upstream gradient is 0 in a whole tile."""
    ...


@wp.kernel
def bound_lines(
    first_item: int,
    scene: Scene,
    mesh: wp.array2d(dtype=wp.int32),
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    lines: Lines,
):
    """One thread per axis and row or column of tiles: where its upstream gradient is not zero.

    Args:
        mesh: (B, 4) see :func:`~s2hand.rendering.geometry_kernels.mesh_bounds`.

    Writes:
        lines: ``bounds``; empty outside the mesh's rectangle.
    """
    slot, axis, number = wp.tid()
    item = first_item + slot
    tile = lines.tile
    across = number * tile
    first = wp.int32(0)
    stop = wp.int32(0)
    if across + tile > mesh[item, 1 - axis] and across < -mesh[item, 3 - axis]:
        stop = tile * lines.bounds.shape[2]
    while first < stop and tile_is_empty(grad_rgb, grad_silhouette, item, axis, across, first):
        first += tile
    while first < stop and tile_is_empty(grad_rgb, grad_silhouette, item, axis, across, stop - tile):
        stop -= tile
    lines.bounds[slot, axis, number] = wp.vec2i(first, stop)


@wp.func
def tile_is_empty(
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    item: int,
    axis: int,
    across: int,
    along: int,
):
    if axis == 0:
        return is_empty(grad_rgb, grad_silhouette, item, along, across)
    return is_empty(grad_rgb, grad_silhouette, item, across, along)


LAY_OUT = (
    VECTORS
    + """
    const int size = grad_silhouette.shape[1], raster_size = size * samples;
    const size_t plane = (size_t)size * size, pitch = lines.upstream.shape[3];
    const float* planes[4] = {grad_rgb.data + item * 3 * plane, 0, 0, grad_silhouette.data + item * plane};
    planes[1] = planes[0] + plane;
    planes[2] = planes[1] + plane;
    const int* sides = scene.face_index.data + (size_t)item * raster_size * raster_size;
    const auto* colors = scene.face_colors.data + (size_t)item * scene.face_colors.shape[1];
    float g[4][lanes][lanes] = {}, p[lanes][lanes];
    int s[lanes][lanes];
    const int rows = wp::min(lanes, size - row), columns = wp::min(lanes, size - column);
    for (int channel = 0; channel < 4; ++channel)
        for (int y = 0; y < rows; ++y)
            for (int x = 0; x < columns; ++x)
                g[channel][y][x] = planes[channel][(size_t)(row + y) * size + column + x];
    // Where the rows of tile-sized arrays go: as they are to the rows' lines, transposed to the columns'.
    auto store = [&](const auto& values, auto* base, size_t stride, size_t of_rows, size_t of_columns) {
        auto* to_columns = base + of_columns + row;
        auto* to_rows = base + of_rows + column;
        if (for_rows)
            for (int y = 0; y < lanes; ++y)
                for (int x = 0; x < lanes; ++x) to_rows[y * stride + x] = values[y][x];
        if (for_columns)
            for (int x = 0; x < lanes; ++x)
                for (int y = 0; y < lanes; ++y) to_columns[x * stride + y] = values[y][x];
    };
    const size_t first_line = slot * 2 * pitch, first_row_line = first_line + pitch + row;
    for (int channel = 0; channel < 4; ++channel)
        store(g[channel], lines.upstream.data, 4 * pitch, (first_row_line * 4 + channel) * pitch,
            ((first_line + column) * 4 + channel) * pitch);
    for (int i = 0; i < samples; ++i)
        for (int j = 0; j < samples; ++j) {
            for (int y = 0; y < lanes; ++y)
                for (int x = 0; x < lanes; ++x) {
                    int side = -1;
                    if (has_faces && y < rows && x < columns) {
                        const size_t raster_row = (row + y) * samples + i;
                        side = sides[raster_row * raster_size + (column + x) * samples + j];
                    }
                    const wp::vec3 color = side < 0 ? scene.background : colors[side];
                    s[y][x] = side;
                    p[y][x] = color[0] * g[0][y][x] + color[1] * g[1][y][x] + color[2] * g[2][y][x]
                        + (side < 0 ? 0.0f : g[3][y][x]);
                }
            const size_t of_rows = ((first_row_line * samples + i) * samples + j) * pitch;
            const size_t of_columns = (((first_line + column) * samples + j) * samples + i) * pitch;
            store(p, lines.products.data, samples * samples * pitch, of_rows, of_columns);
            store(s, lines.sides.data, samples * samples * pitch, of_rows, of_columns);
        }
"""
)


@wp.func_native(LAY_OUT)
def lay_out(
    scene: Scene,
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    item: int,
    slot: int,
    samples: int,
    row: int,
    column: int,
    has_faces: bool,
    for_rows: bool,
    for_columns: bool,
    lines: Lines,
):
    """Copies the tile at (row, column) to the lines that cross it."""
    ...


@wp.kernel
def prepare_lines(
    first_item: int,
    scene: Scene,
    mesh: wp.array2d(dtype=wp.int32),
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    lines: Lines,
):
    """One thread per tile: writes its part of ``lines`` where the lines' bounds take it in."""
    slot, i, j = wp.tid()
    item = first_item + slot
    tile = lines.tile
    row = i * tile
    column = j * tile
    along_row = lines.bounds[slot, 1, i]
    along_column = lines.bounds[slot, 0, j]
    for_rows = along_row[0] <= column and column < along_row[1]
    for_columns = along_column[0] <= row and row < along_column[1]
    if for_rows or for_columns:
        has_faces = (
            row + tile > mesh[item, 0]
            and row < -mesh[item, 2]
            and column + tile > mesh[item, 1]
            and column < -mesh[item, 3]
        )
        lay_out(
            scene,
            grad_rgb,
            grad_silhouette,
            item,
            slot,
            scene.samples,
            row,
            column,
            has_faces,
            for_rows,
            for_columns,
            lines,
        )
