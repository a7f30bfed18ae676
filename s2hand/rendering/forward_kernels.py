"""The rasterizer's forward kernels: draw every face into a depth buffer, then turn the buffer into pictures.

A depth buffer's entry is one 64-bit integer: the bits of the (positive) float depth above, the side of the
face below. Its minimum is the nearest face, ties going to the lower index, in any order of drawing: the
picture does not depend on how the GPU schedules its threads.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import (
    barycentrics,
    columns_of,
    edge_values,
    is_inside,
    load_face,
    pixel_centre,
    rows_of,
)

wp.set_module_options({"enable_backward": False})

EMPTY = wp.constant(wp.int64(0x7FFFFFFFFFFFFFFF))
LOW_WORD = wp.constant(wp.int64(0xFFFFFFFF))


@wp.kernel
def draw_faces(
    first_item: int,
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=wp.int32),
    near: float,
    far: float,
    fill_back: bool,
    buffer: wp.array3d(dtype=wp.int64),
):
    """One thread per face: lowers the buffer where the face is nearer than what is there."""
    item_in_chunk, face_index = wp.tid()
    item = first_item + item_in_chunk
    face = load_face(vertices, faces, item, face_index, near, fill_back)
    if not face.visible:
        return
    size = buffer.shape[1]
    rows = rows_of(face.y, size)
    inverse_z = wp.vec3(1.0 / face.z[0], 1.0 / face.z[1], 1.0 / face.z[2])
    for row in range(rows.first, rows.last + 1):
        py = pixel_centre(row, size)
        columns = columns_of(face, py, size)
        for column in range(columns.first, columns.last + 1):
            edges = edge_values(face, pixel_centre(column, size), py)
            if is_inside(edges):
                z = 1.0 / wp.dot(barycentrics(edges), inverse_z)
                if near < z and z < far:
                    key = (wp.int64(wp.cast(z, wp.int32)) << wp.int64(32)) | wp.int64(face.side)
                    wp.atomic_min(buffer, item, size - 1 - row, column, key)


@wp.kernel
def resolve(
    first_item: int,
    buffer: wp.array3d(dtype=wp.int64),
    face_colors: wp.array2d(dtype=wp.vec3),
    background: wp.vec3,
    far: float,
    samples: int,
    rgb: wp.array4d(dtype=float),
    silhouette: wp.array3d(dtype=float),
    depth: wp.array3d(dtype=float),
    face_index: wp.array3d(dtype=wp.int32),
):
    """One thread per picture pixel: averages its ``samples`` x ``samples`` raster pixels."""
    item_in_chunk, row, column = wp.tid()
    item = first_item + item_in_chunk
    color = wp.vec3(0.0, 0.0, 0.0)
    covered = wp.float32(0.0)
    depth_sum = wp.float32(0.0)
    for i in range(samples):
        for j in range(samples):
            key = buffer[item, row * samples + i, column * samples + j]
            side = wp.int32(-1)
            if key == EMPTY:
                color += background
                depth_sum += far
            else:
                side = int(key & LOW_WORD)
                color += face_colors[item, side]
                covered += 1.0
                depth_sum += wp.cast(wp.int32(key >> wp.int64(32)), wp.float32)
            face_index[item, row * samples + i, column * samples + j] = side
    weight = 1.0 / float(samples * samples)
    for channel in range(3):
        rgb[item, channel, row, column] = color[channel] * weight
    silhouette[item, row, column] = covered * weight
    depth[item, row, column] = depth_sum * weight
