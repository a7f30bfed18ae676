"""Analytic edge anti-aliasing (Laine et al. 2020, "Modular primitives for high-performance differentiable
rendering", section 3.5), here for flat-coloured faces.

Two neighbouring raster pixels that show different sides have an edge between their centres: the one through
which the line between them leaves the side in front. Let D in [0, 1] be how far along the line that happens.
Beyond the half-way point the front colour reaches into the far pixel, by D - 1/2; before it, the other colour
reaches into the near pixel, by 1/2 - D. Steep edges are blended along rows and flat ones along columns only,
so that no edge counts twice. As an edge passes a pixel's centre, the blended image changes continuously and
its derivative is exact; it jumps only where two edges meet about a pixel.

Differs from the paper: every edge between different sides counts, not only silhouettes. With flat colours
the image jumps at inner edges too.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import (
    DrawnFace,
    Scene,
    clip_to_mesh,
    columns_of,
    load_face,
    pixel_centre,
    rows_of,
    shown_color,
)
from s2hand.rendering.pixel_pairs import (
    NO_EDGE,
    centre_of,
    is_in_raster,
    load_side,
    neighbour,
    separate,
    side_of,
)

wp.set_module_options({"enable_backward": False})


@wp.kernel
def blend_edges(
    first_item: int,
    scene: Scene,
    bounds: wp.array2d(dtype=wp.int32),
    strip: int,
    rgb: wp.array4d(dtype=float),
    silhouette: wp.array3d(dtype=float),
):
    """One thread per ``strip`` image pixels of a row: adds what their neighbours' colours bring."""
    slot, row, part = wp.tid()
    item = first_item + slot
    size = silhouette.shape[1]
    # Pixels just outside the mesh's rectangle can take colour too.
    nearest_row = wp.clamp(row, bounds[item, 0], -bounds[item, 2] - 1)
    if wp.abs(row - nearest_row) > 1:
        return
    inside = clip_to_mesh(bounds, item, nearest_row, 0, size)
    samples = scene.samples
    weight = 1.0 / float(samples * samples)
    first = wp.max(inside.first - 1, part * strip)
    stop = wp.min(wp.min(inside.stop + 1, (part + 1) * strip), size)
    for column in range(first, stop):
        change = wp.vec4(0.0, 0.0, 0.0, 0.0)
        for i in range(samples):
            for j in range(samples):
                change += blended(scene, item, wp.vec2i(row * samples + i, column * samples + j))
        for channel in range(3):
            rgb[item, channel, row, column] += change[channel] * weight
        silhouette[item, row, column] += change[3] * weight


@wp.func
def blended(scene: Scene, item: int, pixel: wp.vec2i):
    """How a raster pixel's RGB and alpha change by its four neighbours."""
    change = wp.vec4(0.0, 0.0, 0.0, 0.0)
    size = scene.face_index.shape[1]
    side = side_of(scene, item, pixel)
    for number in range(4):
        other = neighbour(pixel, number)
        if is_in_raster(scene, other):
            other_side = side_of(scene, item, other)
            if other_side != side:
                pair = separate(
                    load_side(scene, item, side),
                    load_side(scene, item, other_side),
                    centre_of(pixel, size),
                    centre_of(other, size),
                )
                if pair.edge != NO_EDGE and pair.here_is_blended:
                    change += pair.share * (
                        shown_color(scene, item, other_side) - shown_color(scene, item, side)
                    )
    return change


@wp.struct
class FaceGradient:
    """What a face receives: its colour, and by drawn corner its screen positions."""

    color: wp.vec3
    x: wp.vec3
    y: wp.vec3


@wp.kernel
def edge_gradient(
    first_item: int,
    scene: Scene,
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    owned: wp.array2d(dtype=wp.int32),
    grad_colors: wp.array2d(dtype=wp.vec3),
    grad_corners: wp.array3d(dtype=wp.vec3),
):
    """One thread per face: the derivative of :func:`blend_edges`, pair by pair of pixels.

    Adds to ``grad_colors`` (B, sides, 3) and ``grad_corners``, scratch (F, 3, 3).
    """
    slot, index = wp.tid()
    item = first_item + slot
    if owned[slot, index] == 0:
        return
    face = load_face(scene, item, index)
    size = scene.face_index.shape[1]
    total = FaceGradient()
    rows = rows_of(face, size)
    for row in range(rows.first, rows.stop):
        columns = columns_of(face, pixel_centre(row, size), size)
        for column in range(columns.first, columns.stop):
            pixel = wp.vec2i(size - 1 - row, column)
            if side_of(scene, item, pixel) == face.side:
                for number in range(4):
                    other = neighbour(pixel, number)
                    if is_in_raster(scene, other) and side_of(scene, item, other) != face.side:
                        pair = pair_gradient(scene, item, face, pixel, other, grad_rgb, grad_silhouette)
                        total.color += pair.color
                        total.x += pair.x
                        total.y += pair.y
    weight = 1.0 / float(scene.samples * scene.samples)
    grad_colors[item, face.side] += weight * total.color
    for k in range(3):
        corner = k
        if face.flipped:
            corner = 2 - k
        grad_corners[slot, index, corner] += weight * wp.vec3(total.x[k], total.y[k], 0.0)


@wp.func
def pair_gradient(
    scene: Scene,
    item: int,
    face: DrawnFace,
    pixel: wp.vec2i,
    other: wp.vec2i,
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
):
    """A pair's gradient: of the face's colour, and of its corners where the face is in front."""
    total = FaceGradient()
    size = scene.face_index.shape[1]
    point = centre_of(pixel, size)
    other_point = centre_of(other, size)
    other_side = side_of(scene, item, other)
    pair = separate(face, load_side(scene, item, other_side), point, other_point)
    if pair.edge == NO_EDGE:
        return total
    blended_pixel = other
    sign = wp.float32(1.0)
    if pair.here_is_blended:
        blended_pixel = pixel
        sign = -1.0
    i = blended_pixel[0] // scene.samples
    j = blended_pixel[1] // scene.samples
    g = wp.vec4(
        grad_rgb[item, 0, i, j], grad_rgb[item, 1, i, j], grad_rgb[item, 2, i, j], grad_silhouette[item, i, j]
    )
    total.color = sign * pair.share * wp.vec3(g[0], g[1], g[2])
    if not pair.here_in_front:
        return total
    # Whichever pixel is blended, it gains the front colour and loses the other as D grows.
    slope = wp.dot(g, shown_color(scene, item, face.side) - shown_color(scene, item, other_side))
    step = other_point - point
    run = face.edge_x[pair.edge]
    rise = face.edge_y[pair.edge]
    # D = E / (E - E'), where E is the edge value here, E' there, and E - E' = rise * step_x - run * step_y.
    drop = rise * step[0] - run * step[1]
    after = (pair.edge + 1) % 3
    before = (pair.edge + 2) % 3
    crossing = point + pair.distance * step
    # Share of each end in the crossing: a point that far along the edge moves with both.
    along = wp.dot(crossing - wp.vec2(face.x[after], face.y[after]), wp.vec2(run, rise)) / (
        run * run + rise * rise
    )
    # The edge moving by (dx, dy) at the crossing moves it by (rise dx - run dy) / drop along the step.
    for_x = slope * rise / drop
    for_y = -slope * run / drop
    total.x[after] = (1.0 - along) * for_x
    total.y[after] = (1.0 - along) * for_y
    total.x[before] = along * for_x
    total.y[before] = along * for_y
    return total
