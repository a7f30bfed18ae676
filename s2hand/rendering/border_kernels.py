"""Backward kernels of the neural mesh renderer's visibility gradient (Kato et al. 2018).

What a picture would gain if an edge moved over a pixel: for every edge of a face that shows, and every raster
line across it, the pixels outside the edge are asked how much the loss would fall if they took the colour
just inside, the face's own pixels how much if they took the colour just outside; only gains count, divided by
the distance to the edge. Lines run along y (``axis`` 0, at integer columns) and along x (``axis`` 1).

Scanning needs, at every raster pixel, the upstream gradient G (rgb and alpha) and P = sum_c I_c G_c. G is
kept at picture resolution, since all raster pixels of a picture pixel share it, and P as one plane per
sample, so a scan reads contiguous memory. Both exist once per axis, the scanned coordinate last.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import DrawnFace, load_face, to_pixel

wp.set_module_options({"enable_backward": False})


@wp.kernel
def prepare_lines(
    first_item: int,
    face_index: wp.array3d(dtype=wp.int32),
    face_colors: wp.array2d(dtype=wp.vec3),
    background: wp.vec3,
    samples: int,
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
    bounds: wp.array3d(dtype=wp.int32),
):
    """One thread per axis and picture line: fills that line of the scan buffers.

    Writes:
        upstream: (B, 2 S, 4 channels, S): the S picture lines of axis 0, then those of axis 1.
        products: (B, 2 R, samples, S), likewise by raster line; [q, j] is P of raster pixel j * samples + q.
        bounds: (B, 2 S, 2): first and last position with a non-zero upstream gradient.
    """
    item_in_chunk, axis, line = wp.tid()
    item = first_item + item_in_chunk
    size = grad_silhouette.shape[1]
    raster_size = size * samples
    plane_line = axis * size + line
    first = size
    last = wp.int32(-1)
    for position in range(size):
        row = size - 1 - line
        column = position
        if axis == 0:
            row = size - 1 - position
            column = line
        g = wp.vec3(
            grad_rgb[item, 0, row, column], grad_rgb[item, 1, row, column], grad_rgb[item, 2, row, column]
        )
        alpha = grad_silhouette[item, row, column]
        for channel in range(3):
            upstream[item, plane_line, channel, position] = g[channel]
        upstream[item, plane_line, 3, position] = alpha
        if g[0] != 0.0 or g[1] != 0.0 or g[2] != 0.0 or alpha != 0.0:
            first = wp.min(first, position)
            last = position
        for i in range(samples):
            for q in range(samples):
                raster_line = line * samples + i
                raster_row = raster_size - 1 - raster_line
                raster_column = position * samples + q
                if axis == 0:
                    raster_row = raster_size - 1 - (position * samples + q)
                    raster_column = raster_line
                side = face_index[item, raster_row, raster_column]
                product = wp.float32(0.0)
                if side < 0:
                    product = wp.dot(background, g)
                else:
                    product = wp.dot(face_colors[item, side], g) + alpha
                products[item, axis * raster_size + raster_line, q, position] = product
    bounds[item, plane_line, 0] = first
    bounds[item, plane_line, 1] = last


@wp.func
def side_at(face_index: wp.array3d(dtype=wp.int32), item: int, axis: int, line: int, position: int):
    """The side that a raster pixel shows, addressed by scan line and position along it."""
    size = face_index.shape[1]
    if axis == 0:
        return face_index[item, size - 1 - position, line]
    return face_index[item, size - 1 - line, position]


@wp.kernel
def scan_edges(
    first_item: int,
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=wp.int32),
    near: float,
    fill_back: bool,
    samples: int,
    eps: float,
    background: wp.vec3,
    face_index: wp.array3d(dtype=wp.int32),
    face_colors: wp.array2d(dtype=wp.vec3),
    owned: wp.array2d(dtype=wp.int32),
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
    bounds: wp.array3d(dtype=wp.int32),
    grad_edges: wp.array4d(dtype=wp.vec2),
):
    """One thread per face, edge and axis: the visibility gradient of the edge's two ends.

    Writes:
        grad_edges: (B, F, 3, 2, 2): edge e between corners e and e + 1 of ``faces``; component of the
            gradient, x (scanned along axis 1) first; the two ends.
    """
    item_in_chunk, index, edge, axis = wp.tid()
    item = first_item + item_in_chunk
    if owned[item, index] == 0:
        return
    face = load_face(vertices, faces, item, index, near, fill_back)
    raster_size = face_index.shape[1]
    ends = scan_edge(
        face,
        edge,
        axis,
        item,
        raster_size,
        samples,
        eps,
        background,
        face_index,
        face_colors,
        upstream,
        products,
        bounds,
    )
    weight = 1.0 / float(samples * samples)
    original = edge
    if face.flipped:  # corners run 2, 1, 0: drawn edge e joins original corners 2 - e and 1 - e
        original = (4 - edge) % 3
        ends = wp.vec2(ends[1], ends[0])
    grad_edges[item, index, original, 1 - axis] = ends * weight


@wp.func
def scan_edge(
    face: DrawnFace,
    edge: int,
    axis: int,
    item: int,
    raster_size: int,
    samples: int,
    eps: float,
    background: wp.vec3,
    face_index: wp.array3d(dtype=wp.int32),
    face_colors: wp.array2d(dtype=wp.vec3),
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
    bounds: wp.array3d(dtype=wp.int32),
):
    """Sums an edge's gains over its scan lines; a -> b is the edge, c the opposite corner."""
    after = (edge + 1) % 3
    opposite = (edge + 2) % 3
    # Component 0 is across the scan lines, 1 along them.
    across = face.x
    along = face.y
    if axis == 1:
        across = face.y
        along = face.x
    a0 = to_pixel(across[edge], raster_size)
    a1 = to_pixel(along[edge], raster_size)
    b0 = to_pixel(across[after], raster_size)
    b1 = to_pixel(along[after], raster_size)
    c0 = to_pixel(across[opposite], raster_size)
    c1 = to_pixel(along[opposite], raster_size)
    ends = wp.vec2(0.0, 0.0)
    if a0 == b0:
        return ends
    outward = wp.int32(1)
    if (axis == 0) == (a0 < b0):
        outward = -1
    color = face_colors[item, face.side]
    last_index = float(raster_size - 1)
    first_line = int(wp.clamp(wp.ceil(wp.min(a0, b0)), 0.0, float(raster_size)))
    last_line = int(wp.clamp(wp.floor(wp.max(a0, b0)), -1.0, last_index))
    for line in range(first_line, last_line + 1):
        d0 = float(line)
        crossing = a1 + (b1 - a1) / (b0 - a0) * (d0 - a0)
        if crossing < -1.0 or crossing > float(raster_size):
            continue
        inner = int(wp.ceil(crossing))
        if outward > 0:
            inner = int(wp.floor(crossing))
        outer = inner + outward
        if wp.min(inner, outer) < 0 or wp.max(inner, outer) >= raster_size:
            continue
        plane_line = (axis * raster_size + line) // samples
        lo = bounds[item, plane_line, 0] * samples
        hi = bounds[item, plane_line, 1] * samples + samples - 1
        # How far the crossing moves per unit of an end's movement is the inverse of these, in NDC.
        reach = (b0 - a0) * 2.0 / float(raster_size)
        reach_a = reach / (b0 - d0)
        reach_b = reach / (d0 - a0)
        if side_at(face_index, item, axis, line, inner) == face.side:
            first = outer
            last = hi
            if outward < 0:
                first = lo
                last = outer
            for position in range(wp.max(first, lo), wp.min(last, hi) + 1):
                j = position // samples
                gain = products[item, axis * raster_size + line, position - j * samples, j]
                gain -= gradient_dot(upstream, item, plane_line, j, color, 1.0)
                if gain > 0.0:
                    ends += pulls(gain, float(position) - crossing, d0, a0, b0, reach_a, reach_b, eps)
        # Where the line leaves the face through another edge.
        leaving = b1 + (c1 - b1) / (c0 - b0) * (d0 - b0)
        if (d0 - a0) * (d0 - c0) < 0.0:
            leaving = a1 + (c1 - a1) / (c0 - a0) * (d0 - a0)
        leaving = wp.clamp(leaving, -1.0, float(raster_size))
        first = inner
        last = int(wp.floor(leaving))
        if outward > 0:
            first = int(wp.ceil(leaving))
            last = inner
        outer_color = background
        outer_alpha = wp.float32(0.0)
        outer_side = side_at(face_index, item, axis, line, outer)
        if outer_side >= 0:
            outer_color = face_colors[item, outer_side]
            outer_alpha = 1.0
        for position in range(wp.max(first, lo), wp.min(last, hi) + 1):
            if side_at(face_index, item, axis, line, position) == face.side:
                j = position // samples
                gain = gradient_dot(upstream, item, plane_line, j, color - outer_color, 1.0 - outer_alpha)
                if gain > 0.0:
                    ends += pulls(gain, float(position) - crossing, d0, a0, b0, reach_a, reach_b, eps)
    return -ends


@wp.func
def gradient_dot(
    upstream: wp.array4d(dtype=float),
    item: int,
    plane_line: int,
    position: int,
    color: wp.vec3,
    alpha: float,
):
    return (
        color[0] * upstream[item, plane_line, 0, position]
        + color[1] * upstream[item, plane_line, 1, position]
        + color[2] * upstream[item, plane_line, 2, position]
        + alpha * upstream[item, plane_line, 3, position]
    )


@wp.func
def pulls(
    gain: float, offset: float, d0: float, a0: float, b0: float, reach_a: float, reach_b: float, eps: float
):
    """Divides a gain by how far each end would have to move for the edge to reach the pixel."""
    result = wp.vec2(0.0, 0.0)
    sign = wp.float32(-1.0)
    if offset > 0.0:
        sign = 1.0
    if b0 != d0:
        result[0] = gain / (reach_a * offset + sign * eps)
    if a0 != d0:
        result[1] = gain / (reach_b * offset + sign * eps)
    return result
