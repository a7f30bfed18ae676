"""Backward kernels of the neural mesh renderer's visibility gradient (Kato et al. 2018).

What a picture would gain if an edge moved over a pixel: for every edge of a face that shows, and every raster
line across it, the pixels outside the edge are asked how much the loss would fall if they took the colour
just inside, the face's own pixels how much if they took the colour just outside; only gains count, divided by
the distance to the edge. Lines run along y (``axis`` 0, at integer columns) and along x (``axis`` 1).

Here pixel coordinates are the buffers': x right and y **down**, pixel i's centre at i.

The lines' buffers come from :mod:`~s2hand.rendering.line_kernels`.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import DrawnFace, Scene, load_face, shown_color, to_pixel
from s2hand.rendering.line_kernels import load_upstream

wp.set_module_options({"enable_backward": False})

OUTWARD_RAY = """
    const int begin = first / samples;
    const int end = last / samples + 1;
#if defined(__CUDA_ARCH__)
    const int lanes = 1;
#else
    const int lanes = 8;
#endif
    const size_t pitch = upstream.shape[3];
    const float* g0 = upstream.data + (slot * (size_t)upstream.shape[1] + line / samples) * 4 * pitch;
    const float* g1 = g0 + pitch;
    const float* g2 = g1 + pitch;
    const float* g3 = g2 + pitch;
    const float red = color[0], green = color[1], blue = color[2];
    float sum_a = 0.0f, sum_b = 0.0f;
    for (int q = 0; q < samples; ++q) {
        #pragma clang fp reassociate(on)
        const float* p = products.data + ((slot * (size_t)products.shape[1] + line) * samples + q) * pitch;
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
    slot: int,
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
    scene: Scene,
    eps: float,
    owned: wp.array2d(dtype=wp.int32),
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
    bounds: wp.array2d(dtype=wp.vec2i),
    grad_edges: wp.array4d(dtype=wp.vec2),
):
    """One thread per face, edge and axis: the visibility gradient of the edge's two ends.

    Writes:
        grad_edges: scratch (F, 3, 2, 2): edge e between corners e and e + 1 of ``faces``; component of the
            gradient, x (scanned along axis 1) first; the two ends. Left alone where a face shows nowhere.
    """
    slot, index, edge, axis = wp.tid()
    item = first_item + slot
    if owned[slot, index] == 0:
        return
    face = load_face(scene, item, index)
    ends = scan_edge(scene, face, edge, axis, item, slot, eps, upstream, products, bounds)
    ends *= 1.0 / float(scene.samples * scene.samples)
    if axis == 0:  # y points up in NDC
        ends = -ends
    original = edge
    if face.flipped:  # corners run 2, 1, 0: drawn edge e joins original corners 2 - e and 1 - e
        original = (4 - edge) % 3
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
    c1: wp.float32
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
    edge.c1 = to_pixel(along[opposite], raster_size)
    edge.outward = -1
    if (axis == 0) == (edge.a0 < edge.b0):
        edge.outward = 1
    return edge


@wp.func
def scan_edge(
    scene: Scene,
    face: DrawnFace,
    number: int,
    axis: int,
    item: int,
    slot: int,
    eps: float,
    upstream: wp.array4d(dtype=float),
    products: wp.array4d(dtype=float),
    bounds: wp.array2d(dtype=wp.vec2i),
):
    """Sums an edge's gains over its scan lines, for its two ends."""
    raster_size = scene.face_index.shape[1]
    edge = load_edge(face, number, axis, raster_size)
    ends = wp.vec2(0.0, 0.0)
    run = edge.b0 - edge.a0
    if run == 0.0:
        return ends
    slope = (edge.b1 - edge.a1) / run
    first_line = int(wp.clamp(wp.ceil(wp.min(edge.a0, edge.b0)), 0.0, float(raster_size)))
    last_line = int(wp.clamp(wp.floor(wp.max(edge.a0, edge.b0)), -1.0, float(raster_size - 1)))
    for line in range(first_line, last_line + 1):
        d0 = float(line)
        crossing = edge.a1 + slope * (d0 - edge.a0)
        if crossing < -1.0 or crossing > float(raster_size):
            continue
        inner = int(wp.ceil(crossing))
        if edge.outward > 0:
            inner = int(wp.floor(crossing))
        outer = inner + edge.outward
        if wp.min(inner, outer) < 0 or wp.max(inner, outer) >= raster_size:
            continue
        # NDC that an end must move along the line for the crossing to move by a pixel; 0 stands for never.
        reach_a = wp.float32(0.0)
        if d0 != edge.b0:
            reach_a = run / (edge.b0 - d0) * 2.0 / float(raster_size)
        reach_b = wp.float32(0.0)
        if d0 != edge.a0:
            reach_b = run / (d0 - edge.a0) * 2.0 / float(raster_size)
        raster_line = axis * raster_size + line
        bound = bounds[slot, raster_line // scene.samples] * scene.samples
        pull = wp.vec2(0.0, 0.0)
        if side_at(scene, item, axis, line, inner) == face.side:
            first = bound[0]
            last = wp.min(outer, bound[1] - 1)
            if edge.outward > 0:
                first = wp.max(outer, bound[0])
                last = bound[1] - 1
            if first <= last:
                color = scene.face_colors[item, face.side]
                pull = outward_ray(
                    products,
                    upstream,
                    slot,
                    raster_line,
                    scene.samples,
                    first,
                    last,
                    crossing,
                    color,
                    reach_a,
                    reach_b,
                    eps,
                )
        first = inner
        last = int(wp.floor(leaving_at(edge, d0, raster_size)))
        if edge.outward > 0:
            first = int(wp.ceil(leaving_at(edge, d0, raster_size)))
            last = inner
        first = wp.max(first, bound[0])
        last = wp.min(last, bound[1] - 1)
        if first <= last:
            outer_color = shown_color(scene, item, side_at(scene, item, axis, line, outer))
            contrast = shown_color(scene, item, face.side) - outer_color
            for position in range(first, last + 1):
                if side_at(scene, item, axis, line, position) == face.side:
                    j = position // scene.samples
                    gain = wp.dot(contrast, load_upstream(upstream, slot, raster_line // scene.samples, j))
                    # A pixel on the edge itself counts as inside: its distance is pushed that way.
                    if gain > 0.0:
                        offset = float(edge.outward) * (float(position) - crossing)
                        sign = wp.float32(-1.0)
                        if offset > 0.0:
                            sign = 1.0
                        pull += wp.vec2(
                            gain / (reach_a * offset + sign * eps), gain / (reach_b * offset + sign * eps)
                        )
        if d0 != edge.b0:
            ends[0] -= float(edge.outward) * pull[0]
        if d0 != edge.a0:
            ends[1] -= float(edge.outward) * pull[1]
    return ends


@wp.func
def side_at(scene: Scene, item: int, axis: int, line: int, position: int):
    """The side that a raster pixel shows, addressed by scan line and position along it."""
    if axis == 0:
        return scene.face_index[item, position, line]
    return scene.face_index[item, line, position]


@wp.func
def leaving_at(edge: Edge, d0: float, raster_size: int):
    """Where a scan line across an edge leaves the face through another one, clamped about the image."""
    leaving = edge.b1 + (edge.c1 - edge.b1) / (edge.c0 - edge.b0) * (d0 - edge.b0)
    if (d0 - edge.a0) * (d0 - edge.c0) < 0.0:
        leaving = edge.a1 + (edge.c1 - edge.a1) / (edge.c0 - edge.a0) * (d0 - edge.a0)
    # In this order: a line along an edge has no crossing, and NaN must not reach the cast to int.
    if not (leaving > -1.0):
        leaving = -1.0
    return wp.min(leaving, float(raster_size))
