"""Backward kernels of the neural mesh renderer's visibility gradient (Kato et al. 2018).

What a picture would gain if an edge moved over a pixel: for every edge of a face that shows, and every raster
line across it, the pixels outside the edge are asked how much the loss would fall if they took the colour
just inside, the face's own pixels how much if they took the colour just outside; only gains count, divided by
the distance to the edge. Lines run along y (``axis`` 0, at integer columns) and along x (``axis`` 1).

Here pixel coordinates are the buffers': x right and y **down**, pixel i's centre at i.

Scanning needs, at every raster pixel, the upstream gradient G (rgb and alpha) and P = sum_c I_c G_c. G is
kept at picture resolution, since all raster pixels of a picture pixel share it, and P as one plane per
sample, so a scan reads contiguous memory. Both exist once per axis, the scanned coordinate last, for the
lines that cross the mesh's rectangle. Lines are ``pitch`` floats long, S rounded up to a whole vector.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import DrawnFace, load_face, to_pixel

wp.set_module_options({"enable_backward": False})

LANES = 8
"""Floats in a vector on common CPUs."""


@wp.kernel
def prepare_lines(
    first_item: int,
    mesh: wp.array2d(dtype=wp.int32),
    face_index: wp.array3d(dtype=wp.int32),
    face_colors: wp.array2d(dtype=wp.vec3),
    background: wp.vec3,
    samples: int,
    block: int,
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
):
    """One thread per ``block`` picture rows and ``strip`` columns: their part of the scan buffers.

    Args:
        mesh: (B, 4) see :func:`~s2hand.rendering.geometry_kernels.mesh_bounds`.

    Writes:
        upstream: (B, 2 S, 4 channels, pitch): the S picture lines of axis 0, then those of axis 1.
        products: (B, 2 R, samples, pitch), likewise by raster line; [q, j] is P at j * samples + q.
    """
    item_in_chunk, part = wp.tid()
    item = first_item + item_in_chunk
    size = grad_silhouette.shape[1]
    first_row = part * block
    stop_row = wp.min(first_row + block, size)
    for row in range(wp.max(first_row, mesh[item, 0]), wp.min(stop_row, -mesh[item, 2])):
        for column in range(size):
            prepare_pixel(
                item,
                row,
                column,
                size + row,
                column,
                size * samples + row * samples,
                0,
                face_index,
                face_colors,
                background,
                samples,
                grad_rgb,
                grad_silhouette,
                upstream,
                products,
            )
    for column in range(mesh[item, 1], -mesh[item, 3]):
        for row in range(first_row, stop_row):
            prepare_pixel(
                item,
                row,
                column,
                column,
                row,
                column * samples,
                1,
                face_index,
                face_colors,
                background,
                samples,
                grad_rgb,
                grad_silhouette,
                upstream,
                products,
            )


@wp.func
def prepare_pixel(
    item: int,
    row: int,
    column: int,
    line: int,
    position: int,
    raster_line: int,
    transposed: int,
    face_index: wp.array3d(dtype=wp.int32),
    face_colors: wp.array2d(dtype=wp.vec3),
    background: wp.vec3,
    samples: int,
    grad_rgb: wp.array4d(dtype=float),
    grad_silhouette: wp.array3d(dtype=float),
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
):
    g = wp.vec3(
        grad_rgb[item, 0, row, column], grad_rgb[item, 1, row, column], grad_rgb[item, 2, row, column]
    )
    alpha = grad_silhouette[item, row, column]
    upstream[item, line, 0, position] = g[0]
    upstream[item, line, 1, position] = g[1]
    upstream[item, line, 2, position] = g[2]
    upstream[item, line, 3, position] = alpha
    empty = wp.dot(background, g)
    for i in range(samples):
        for q in range(samples):
            side = face_index[item, row * samples + i, column * samples + q]
            product = empty
            if side >= 0:
                product = wp.dot(face_colors[item, side], g) + alpha
            if transposed == 1:
                products[item, raster_line + q, i, position] = product
            else:
                products[item, raster_line + i, q, position] = product


@wp.kernel
def bound_lines(
    first_item: int,
    mesh: wp.array2d(dtype=wp.int32),
    upstream: wp.array4d(dtype=float),
    size: int,
    bounds: wp.array2d(dtype=wp.vec2i),
):
    """One thread per axis and picture line: where its upstream gradient is not zero.

    Writes:
        bounds: (B, 2 S, 2) first and stop, picture pixels.
    """
    item_in_chunk, axis, line = wp.tid()
    item = first_item + item_in_chunk
    if line < mesh[item, 1 - axis] or line >= -mesh[item, 3 - axis]:
        return
    first = wp.int32(0)
    stop = wp.int32(size)
    index = axis * size + line
    while first < stop and is_zero(upstream, item, index, first):
        first += 1
    while first < stop and is_zero(upstream, item, index, stop - 1):
        stop -= 1
    bounds[item, index] = wp.vec2i(first, stop)


@wp.func
def is_zero(upstream: wp.array4d(dtype=float), item: int, line: int, position: int):
    return (
        upstream[item, line, 0, position] == 0.0
        and upstream[item, line, 1, position] == 0.0
        and upstream[item, line, 2, position] == 0.0
        and upstream[item, line, 3, position] == 0.0
    )


OUTWARD_RAY = """
    const int begin = first / samples;
    const int end = last / samples + 1;
#if defined(__CUDA_ARCH__)
    const int lanes = 1;
#else
    const int lanes = 8;
#endif
    const size_t pitch = upstream.shape[3];
    const float* g0 = upstream.data + (item * (size_t)upstream.shape[1] + line / samples) * 4 * pitch;
    const float* g1 = g0 + pitch;
    const float* g2 = g1 + pitch;
    const float* g3 = g2 + pitch;
    const float red = color[0], green = color[1], blue = color[2];
    float sum_a = 0.0f, sum_b = 0.0f;
    for (int q = 0; q < samples; ++q) {
        #pragma clang fp reassociate(on)
        const float* p = products.data + ((item * (size_t)products.shape[1] + line) * samples + q) * pitch;
        #pragma clang loop vectorize(enable) vectorize_width(8) interleave_count(1)
        for (int j = begin / lanes * lanes; j < (end + lanes - 1) / lanes * lanes; ++j) {
            const int position = j * samples + q;
            const bool on_ray = position >= first && position <= last;
            const float gain = p[j] - (red * g0[j] + green * g1[j] + blue * g2[j] + g3[j]);
            const float distance = on_ray ? fabsf((float)position - crossing) : 1.0f;
            const float pull_a = reach_a * distance + eps;
            const float pull_b = reach_b * distance + eps;
            const float share = on_ray && gain > 0.0f ? gain / (pull_a * pull_b) : 0.0f;
            sum_a += share * pull_b;
            sum_b += share * pull_a;
        }
    }
    return wp::vec2(sum_a, sum_b);
"""
"""C++, because this loop is where the time goes: the pragmas, which CUDA's compiler ignores, let the CPU's
take a vector of pixels at a time. ``lanes`` rounds its bounds to whole vectors, as the buffers are padded."""


@wp.func_native(OUTWARD_RAY)
def outward_ray(
    products: wp.array4d(dtype=float),
    upstream: wp.array4d(dtype=float),
    item: int,
    line: int,
    samples: int,
    first: int,
    last: int,
    crossing: float,
    color: wp.vec3,
    reach_a: float,
    reach_b: float,
    eps: float,
) -> wp.vec2:
    """Sums the gains of raster pixels ``first <= d <= last``, each divided by both ends' distances."""
    ...


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
    bounds: wp.array2d(dtype=wp.vec2i),
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
    if axis == 0:  # y points up in NDC
        weight = -weight
    grad_edges[item, index, original, 1 - axis] = ends * weight


@wp.func
def side_at(face_index: wp.array3d(dtype=wp.int32), item: int, axis: int, line: int, position: int):
    """The side that a raster pixel shows, addressed by scan line and position along it."""
    if axis == 0:
        return face_index[item, position, line]
    return face_index[item, line, position]


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
    bounds: wp.array2d(dtype=wp.vec2i),
):
    """Sums an edge's gains over its scan lines; a -> b is the edge, c the opposite corner."""
    after = (edge + 1) % 3
    opposite = (edge + 2) % 3
    # Component 0 is across the scan lines, 1 along them; y points down here.
    across = face.x
    along = -face.y
    if axis == 1:
        across = -face.y
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
    outward = wp.int32(-1)
    if (axis == 0) == (a0 < b0):
        outward = 1
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
        raster_line = axis * raster_size + line
        bound = bounds[item, raster_line // samples]
        lo = bound[0] * samples
        hi = bound[1] * samples - 1
        # How far the crossing moves per unit of an end's movement is the inverse of these, in NDC.
        reach = (b0 - a0) * 2.0 / float(raster_size)
        reach_a = 0.0
        if d0 != b0:
            reach_a = reach / (b0 - d0)
        reach_b = 0.0
        if d0 != a0:
            reach_b = reach / (d0 - a0)
        if side_at(face_index, item, axis, line, inner) == face.side:
            first = outer
            last = hi
            if outward < 0:
                first = lo
                last = outer
            first = wp.max(first, lo)
            last = wp.min(last, hi)
            if first <= last:
                pull = outward_ray(
                    products,
                    upstream,
                    item,
                    raster_line,
                    samples,
                    first,
                    last,
                    crossing,
                    color,
                    reach_a,
                    reach_b,
                    eps,
                )
                if d0 != b0:
                    ends[0] += float(outward) * pull[0]
                if d0 != a0:
                    ends[1] += float(outward) * pull[1]
        # Where the line leaves the face through another edge.
        leaving = b1 + (c1 - b1) / (c0 - b0) * (d0 - b0)
        if (d0 - a0) * (d0 - c0) < 0.0:
            leaving = a1 + (c1 - a1) / (c0 - a0) * (d0 - a0)
        # In this order: a line along an edge has no crossing, and NaN must not reach the cast.
        if not (leaving > -1.0):
            leaving = -1.0
        leaving = wp.min(leaving, float(raster_size))
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
                gain = gradient_dot(
                    upstream, item, raster_line // samples, j, color - outer_color, 1.0 - outer_alpha
                )
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
