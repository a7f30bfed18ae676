"""Backward kernel of the neural mesh renderer's visibility gradient (Kato et al. 2018).

What an image would gain if an edge moved over a pixel: for every edge of a face that shows, and every raster
line across it, the pixels outside the edge are asked how much the loss would fall if they took the colour
just inside, the face's own pixels how much if they took the colour just outside; only gains count, divided by
the distance to the edge. Lines run along y (``axis`` 0, at integer columns) and along x (``axis`` 1).

Here pixel coordinates are the buffers': x right and y **down**, pixel i's centre at i.

The lines' buffers come from :mod:`~s2hand.rendering.line_kernels`, the sums along them from
:mod:`~s2hand.rendering.line_sums`.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import DrawnFace, Scene, load_face, shown_color, to_pixel
from s2hand.rendering.line_kernels import Lines
from s2hand.rendering.line_sums import sum_gains

wp.set_module_options({"enable_backward": False})


@wp.kernel
def scan_edges(
    first_item: int,
    scene: Scene,
    eps: float,
    block: int,
    owned: wp.array2d(dtype=wp.int32),
    lines: Lines,
    grad_edges: wp.array4d(dtype=wp.vec2),
):
    """One thread per face and ``block`` of its 6 pairs of edge and axis: what the edges' ends receive.

    Writes:
        grad_edges: scratch (F, 3, 2, 2): edge e between corners e and e + 1 of ``faces``; component of the
            gradient, x (scanned along axis 1) first; the two ends. Left alone where a face shows nowhere.
    """
    slot, index, part = wp.tid()
    item = first_item + slot
    if owned[slot, index] == 0:
        return
    face = load_face(scene, item, index)
    for pair in range(part * block, (part + 1) * block):
        number = pair // 2
        axis = pair % 2
        edge = load_edge(face, number, axis, scene.face_index.shape[1])
        ends = scan_edge(scene, face.side, edge, axis, item, slot, eps, lines)
        ends *= 1.0 / float(scene.samples * scene.samples)
        if axis == 0:  # y points up in NDC
            ends = -ends
        original = number
        if face.flipped:  # corners run 2, 1, 0: drawn edge e joins original corners 2 - e and 1 - e
            original = (4 - number) % 3
            ends = wp.vec2(ends[1], ends[0])
        grad_edges[slot, index, original, 1 - axis] = ends


@wp.struct
class Edge:
    """An edge a -> b and the opposite corner c in pixels: 0 is across the scan lines, 1 along them."""

    a0: wp.float32
    a1: wp.float32
    b0: wp.float32
    b1: wp.float32
    c0: wp.float32
    slope: wp.float32  # of a -> b, along by across
    slope_ac: wp.float32
    slope_bc: wp.float32
    outward: wp.int32  # the direction along a scan line that leaves the face


@wp.func
def load_edge(face: DrawnFace, number: int, axis: int, raster_size: int):
    after = (number + 1) % 3
    opposite = (number + 2) % 3
    across = face.x
    along = -face.y  # y points down here
    if axis == 1:
        across = -face.y
        along = face.x
    edge = Edge()
    edge.a0 = to_pixel(across[number], raster_size)
    edge.a1 = to_pixel(along[number], raster_size)
    edge.b0 = to_pixel(across[after], raster_size)
    edge.b1 = to_pixel(along[after], raster_size)
    edge.c0 = to_pixel(across[opposite], raster_size)
    c1 = to_pixel(along[opposite], raster_size)
    # Infinite or NaN where an edge runs along the lines; see leaving_at.
    edge.slope = (edge.b1 - edge.a1) / (edge.b0 - edge.a0)
    edge.slope_ac = (c1 - edge.a1) / (edge.c0 - edge.a0)
    edge.slope_bc = (c1 - edge.b1) / (edge.c0 - edge.b0)
    edge.outward = -1
    if (axis == 0) == (edge.a0 < edge.b0):
        edge.outward = 1
    return edge


@wp.func
def scan_edge(scene: Scene, side: int, edge: Edge, axis: int, item: int, slot: int, eps: float, lines: Lines):
    """Sums an edge's gains over its scan lines, for its two ends."""
    raster_size = scene.face_index.shape[1]
    ends = wp.vec2(0.0, 0.0)
    run = edge.b0 - edge.a0
    if run == 0.0:
        return ends
    own = shown_color(scene, item, side)
    # The published loops truncate towards zero where one would round down: an edge that ends in (-1, 0) still
    # counts on line 0. They count rows from the bottom.
    most = float(raster_size - 1)
    low = wp.min(edge.a0, edge.b0)
    high = wp.max(edge.a0, edge.b0)
    first_line = int(wp.clamp(wp.ceil(low), 0.0, most + 1.0))
    last_line = int(wp.clamp(high, -1.0, most))
    if axis == 1:
        first_line = raster_size - 1 - int(wp.clamp(most - low, -1.0, most))
        last_line = int(wp.clamp(wp.floor(high), -1.0, most))
    for line in range(first_line, last_line + 1):
        crossing = edge.a1 + edge.slope * (float(line) - edge.a0)
        if crossing > -1.0 and crossing < float(raster_size):
            # Pixels that the crossing moves along the line when an end moves by one NDC; negative for the
            # nearer end of an edge that ends before the line.
            levers = wp.vec2(edge.b0 - float(line), float(line) - edge.a0) * (0.5 * float(raster_size) / run)
            softening = eps * wp.vec2(wp.abs(levers[0]), wp.abs(levers[1]))
            gains = scan_line(scene, side, edge, axis, line, crossing, item, slot, own, softening, lines)
            ends += wp.cw_mul(gains, levers)
    return -float(edge.outward) * ends


@wp.func
def scan_line(
    scene: Scene,
    side: int,
    edge: Edge,
    axis: int,
    line: int,
    crossing: float,
    item: int,
    slot: int,
    own: wp.vec4,
    softening: wp.vec2,
    lines: Lines,
):
    """An edge's gains on one line; see :func:`~s2hand.rendering.line_sums.sum_gains`."""
    raster_size = scene.face_index.shape[1]
    other_crossing = leaving_at(edge, float(line), raster_size)
    inner = int(wp.ceil(crossing))
    leaving = int(wp.floor(other_crossing))
    if edge.outward > 0:
        inner = int(wp.floor(crossing))
        leaving = int(wp.ceil(other_crossing))
    outer = inner + edge.outward
    if wp.min(inner, outer) < 0 or wp.max(inner, outer) >= raster_size:
        return wp.vec2(0.0, 0.0)
    shows = side_at(scene, item, axis, line, inner) == side
    other = shown_color(scene, item, side_at(scene, item, axis, line, outer))
    return sum_gains(
        lines,
        slot,
        axis,
        line,
        scene.samples,
        edge.outward,
        inner,
        leaving,
        shows,
        own,
        other,
        side,
        crossing,
        softening,
    )


@wp.func
def side_at(scene: Scene, item: int, axis: int, line: int, position: int):
    """The side that a raster pixel shows, addressed by scan line and position along it."""
    if axis == 0:
        return scene.face_index[item, position, line]
    return scene.face_index[item, line, position]


@wp.func
def leaving_at(edge: Edge, d0: float, raster_size: int):
    """Where a scan line across an edge leaves the face through another one, clamped about the image."""
    leaving = edge.b1 + edge.slope_bc * (d0 - edge.b0)
    if (d0 - edge.a0) * (d0 - edge.c0) < 0.0:
        leaving = edge.a1 + edge.slope_ac * (d0 - edge.a0)
    # In this order: a line along an edge has no crossing, and NaN must not reach the cast to int.
    if not (leaving > -1.0):
        leaving = -1.0
    return wp.min(leaving, float(raster_size))
