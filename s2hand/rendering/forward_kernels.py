"""The rasterizer's forward kernels: draw every face into a depth buffer, then turn the buffer into images.

A depth buffer's entry is one 64-bit integer: the bits of the (positive) float depth above, the side of the
face below. Its minimum is the nearest face, ties going to the lower index, in any order of drawing: the
image does not depend on how the GPU schedules its threads. Only the mesh's rectangle of the buffer is used.

A launch takes items ``first_item`` and on; ``slot`` counts them from 0 and is their place in scratch buffers.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import (
    Scene,
    barycentrics,
    clip_to_mesh,
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
def clear_buffer(
    first_item: int,
    scene: Scene,
    bounds: wp.array2d(dtype=wp.int32),
    strip: int,
    buffer: wp.array3d(dtype=wp.int64),
):
    """One thread per ``strip`` image pixels of a row: empties the mesh's rectangle."""
    slot, row, part = wp.tid()
    item = first_item + slot
    samples = scene.samples
    size = buffer.shape[1] // samples
    inside = clip_to_mesh(bounds, item, row, part * strip, wp.min((part + 1) * strip, size))
    for i in range(samples):
        for column in range(inside.first * samples, inside.stop * samples):
            buffer[slot, row * samples + i, column] = EMPTY


@wp.kernel
def draw_faces(first_item: int, scene: Scene, buffer: wp.array3d(dtype=wp.int64)):
    """One thread per face: lowers the buffer where the face is nearer than what is there."""
    slot, face_index = wp.tid()
    item = first_item + slot
    face = load_face(scene, item, face_index)
    if not face.visible:
        return
    size = buffer.shape[1]
    rows = rows_of(face, size)
    for row in range(rows.first, rows.stop):
        py = pixel_centre(row, size)
        columns = columns_of(face, py, size)
        for column in range(columns.first, columns.stop):
            edges = edge_values(face, pixel_centre(column, size), py)
            if is_inside(edges):
                z = 1.0 / wp.dot(barycentrics(edges), face.inverse_z)
                if scene.near < z and z < scene.far:
                    key = (wp.int64(wp.cast(z, wp.int32)) << wp.int64(32)) | wp.int64(face.side)
                    wp.atomic_min(buffer, slot, size - 1 - row, column, key)


FILL_BACKGROUND = """
    const int size = depth.shape[1];
    const size_t plane = (size_t)size * size;
    const size_t start = (size_t)row * size;
    for (int channel = 0; channel < 3; ++channel) {
        float* line = rgb.data + (item * 3 + channel) * plane + start;
        const float value = background[channel];
        for (int column = first; column < stop; ++column) line[column] = value;
    }
    float* coverage = silhouette.data + item * plane + start;
    for (int column = first; column < stop; ++column) coverage[column] = 0.0f;
    float* distance = depth.data + item * plane + start;
    for (int column = first; column < stop; ++column) distance[column] = far;
    const size_t width = (size_t)size * samples;
    for (int i = 0; i < samples; ++i) {
        int* sides = face_index.data + (item * width + row * samples + i) * width;
        for (int column = first * samples; column < stop * samples; ++column) sides[column] = -1;
    }
"""
"""C++, because plain loops over raw pointers become vector instructions on the CPU: most pixels are empty."""


@wp.func_native(FILL_BACKGROUND)
def fill_background(
    item: int,
    row: int,
    first: int,
    stop: int,
    samples: int,
    background: wp.vec3,
    far: float,
    rgb: wp.array4d(dtype=float),
    silhouette: wp.array3d(dtype=float),
    depth: wp.array3d(dtype=float),
    face_index: wp.array3d(dtype=wp.int32),
):
    """Writes an empty image's pixels ``range(first, stop)`` of a row; all buffers are contiguous."""
    ...


@wp.kernel
def resolve(
    first_item: int,
    scene: Scene,
    bounds: wp.array2d(dtype=wp.int32),
    buffer: wp.array3d(dtype=wp.int64),
    strip: int,
    rgb: wp.array4d(dtype=float),
    silhouette: wp.array3d(dtype=float),
    depth: wp.array3d(dtype=float),
):
    """One thread per ``strip`` image pixels of a row: averages ``samples`` x ``samples`` raster pixels."""
    slot, row, part = wp.tid()
    item = first_item + slot
    samples = scene.samples
    size = depth.shape[1]
    start = part * strip
    stop = wp.min(start + strip, size)
    inside = clip_to_mesh(bounds, item, row, start, stop)
    weight = 1.0 / float(samples * samples)
    for end in range(2):
        first = start
        last = inside.first
        if end == 1:
            first = inside.stop
            last = stop
        fill_background(
            item,
            row,
            first,
            last,
            samples,
            scene.background,
            scene.far,
            rgb,
            silhouette,
            depth,
            scene.face_index,
        )
    for column in range(inside.first, inside.stop):
        color = wp.vec3(0.0, 0.0, 0.0)
        covered = wp.float32(0.0)
        depth_sum = wp.float32(0.0)
        for i in range(samples):
            for j in range(samples):
                key = buffer[slot, row * samples + i, column * samples + j]
                side = wp.int32(-1)
                if key == EMPTY:
                    color += scene.background
                    depth_sum += scene.far
                else:
                    side = int(key & LOW_WORD)
                    color += scene.face_colors[item, side]
                    covered += 1.0
                    depth_sum += wp.cast(wp.int32(key >> wp.int64(32)), wp.float32)
                scene.face_index[item, row * samples + i, column * samples + j] = side
        for channel in range(3):
            rgb[item, channel, row, column] = color[channel] * weight
        silhouette[item, row, column] = covered * weight
        depth[item, row, column] = depth_sum * weight
