"""Analytic edge anti-aliasing (Laine et al. 2020, "Modular primitives for high-performance differentiable
rendering", section 3.5), here for flat-coloured faces.

Two neighbouring raster pixels that show different sides have an edge between their centres: the one through
which the line between them leaves the side in front. Let D in [0, 1] be how far along the line that happens.
Beyond the half-way point the front colour reaches into the far pixel, by D - 1/2; before it, the other colour
reaches into the near pixel, by 1/2 - D. Steep edges are blended along rows and flat ones along columns only,
so that no edge counts twice. As an edge passes a pixel's centre its picture changes continuously, so the
derivative of the blended picture tells the truth; it jumps only where two edges meet about a pixel.

Differs from the paper: every edge between different sides counts, not only silhouettes. With flat colours
the picture jumps at inner edges too.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import (
    DrawnFace,
    Scene,
    barycentrics,
    clip_to_mesh,
    columns_of,
    edge_values,
    load_face,
    pixel_centre,
    rows_of,
    shown_color,
)

wp.set_module_options({"enable_backward": False})

NO_EDGE = wp.constant(-1)


@wp.struct
class Pair:
    """Two neighbouring raster pixels, here and there, and the edge of the side in front between them."""

    edge: wp.int32  # NO_EDGE if none separates them
    distance: wp.float32  # D, from the centre of the pixel in front, in pixels
    here_in_front: wp.bool
    here_is_blended: wp.bool  # this pixel takes some of the other's colour; else the other of this one's
    share: wp.float32  # how much, in [0, 1/2]


@wp.func
def load_side(scene: Scene, item: int, side: int):
    """The face of a side; for -1 one that is not visible."""
    count = scene.faces.shape[0]
    if side < 0:
        nothing = DrawnFace()
        nothing.visible = False
        return nothing
    if side >= count:
        return load_face(scene, item, side - count)
    return load_face(scene, item, side)


@wp.func
def centre_of(pixel: wp.vec2i, size: int):
    """NDC of a pixel (row from the top, column)."""
    return wp.vec2(pixel_centre(pixel[1], size), -pixel_centre(pixel[0], size))


@wp.func
def neighbour(pixel: wp.vec2i, number: int):
    """The pixel on the left, on the right, above or below: numbers 0 to 3."""
    step = 2 * (number % 2) - 1
    if number < 2:
        return pixel + wp.vec2i(0, step)
    return pixel + wp.vec2i(step, 0)


@wp.func
def side_of(scene: Scene, item: int, pixel: wp.vec2i):
    return scene.face_index[item, pixel[0], pixel[1]]


@wp.func
def is_in_raster(scene: Scene, pixel: wp.vec2i):
    return wp.min(pixel) >= 0 and wp.max(pixel) < scene.face_index.shape[1]


@wp.func
def depth_at(face: DrawnFace, point: wp.vec2):
    return 1.0 / wp.dot(barycentrics(edge_values(face, point[0], point[1])), face.inverse_z)


@wp.func
def separate(here: DrawnFace, there: DrawnFace, point: wp.vec2, other: wp.vec2):
    """Finds the edge between two pixel centres that show different sides."""
    pair = Pair()
    pair.here_in_front = here.visible
    if here.visible and there.visible:
        z = depth_at(here, point)
        other_z = depth_at(there, other)
        pair.here_in_front = z < other_z or (z == other_z and here.side < there.side)
    inner = edge_values(there, other[0], other[1])
    outer = edge_values(there, point[0], point[1])
    if pair.here_in_front:
        inner = edge_values(here, point[0], point[1])
        outer = edge_values(here, other[0], other[1])
    pair.edge = NO_EDGE
    pair.distance = 1.0
    for k in range(3):
        if outer[k] < 0.0:
            leaving = inner[k] / (inner[k] - outer[k])
            if pair.edge == NO_EDGE or leaving < pair.distance:
                pair.distance = leaving
                pair.edge = k
    if pair.edge != NO_EDGE:
        run = there.edge_x[pair.edge]
        rise = there.edge_y[pair.edge]
        if pair.here_in_front:
            run = here.edge_x[pair.edge]
            rise = here.edge_y[pair.edge]
        along_row = point[1] == other[1]
        if along_row != (wp.abs(rise) >= wp.abs(run)):
            pair.edge = NO_EDGE
    pair.share = wp.abs(pair.distance - 0.5)
    pair.here_is_blended = (pair.distance < 0.5) == pair.here_in_front
    return pair


@wp.kernel
def blend_edges(
    first_item: int,
    scene: Scene,
    bounds: wp.array2d(dtype=wp.int32),
    strip: int,
    rgb: wp.array4d(dtype=float),
    silhouette: wp.array3d(dtype=float),
):
    """One thread per ``strip`` picture pixels of a row: adds what their neighbours' colours bring."""
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
