"""The inner loop of the visibility gradient: sums over the pixels of a scan line, a vector at a time."""

import warp as wp

from s2hand.rendering.line_kernels import Lines
from s2hand.rendering.vectors import VECTORS

wp.set_module_options({"enable_backward": False})

SUM_GAINS = (
    VECTORS
    + """
    const int shift = samples / 2;  // samples is 1 or 2: shifting is faster than dividing
    const size_t pitch = lines.upstream.shape[3];
    const wp::vec2i bound = lines.bounds.data[(slot * 2 + axis) * (pitch / lanes) + (line >> shift) / lanes];
    if (bound[0] >= bound[1]) return wp::vec2(0.0f, 0.0f);
    const size_t raster_line = (slot * 2 + axis) * (pitch << shift) + line;
    const float* g = lines.upstream.data + (raster_line >> shift) * 4 * pitch;
    const float* p = lines.products.data + (raster_line << shift) * pitch;
    const int* s = lines.sides.data + (raster_line << shift) * pitch;
    const float soft_a = wp::max(softening[0], SMALLEST), soft_b = wp::max(softening[1], SMALLEST);
    const float sign = (float)outward;
    Floats sum_a = none, sum_b = none;

    // Pixels outside are those at a positive distance. Beyond its bounds a line has no gains, so no other
    // limit is needed.
    int begin = bound[0], end = bound[1];
    if (outward > 0) begin = wp::max(begin, (inner >> shift) / lanes * lanes);
    else end = wp::min(end, (inner >> shift) + 1);
    if (!inner_shows_side) end = begin;
    for (int j = begin; j < end; j += lanes) {
        const Floats taken = own[0] * *(const Floats*)(g + j) + own[1] * *(const Floats*)(g + pitch + j)
            + own[2] * *(const Floats*)(g + 2 * pitch + j) + own[3] * *(const Floats*)(g + 3 * pitch + j);
        Floats distance = (((float)j + lane) * (float)samples - crossing) * sign;
        for (int q = 0; q < 2 && q < samples; ++q, distance += sign) {
            const Floats gain = *(const Floats*)(p + q * pitch + j) - taken;
            const Floats pull_a = distance + soft_a, pull_b = distance + soft_b;
            const Floats share = gain / (pull_a * pull_b);
            const auto counts = (gain > none) & (distance > none);
            sum_a += counts ? share * pull_b : none;
            sum_b += counts ? share * pull_a : none;
        }
    }

    // Beyond the edge's ends the lines of two edges may cross: then the pixels between are outside, their
    // distance is negative, and as published it is still pushed away from 0.
    const int first = wp::max(wp::min(leaving, inner), bound[0] << shift);
    const int last = wp::min(wp::max(leaving, inner), (bound[1] << shift) - 1);
    for (int j = (first >> shift) / lanes * lanes; j <= last >> shift; j += lanes) {
        const Floats taken = other[0] * *(const Floats*)(g + j) + other[1] * *(const Floats*)(g + pitch + j)
            + other[2] * *(const Floats*)(g + 2 * pitch + j) + other[3] * *(const Floats*)(g + 3 * pitch + j);
        Floats position = ((float)j + lane) * (float)samples;
        for (int q = 0; q < 2 && q < samples; ++q, position += 1.0f) {
            const Floats gain = *(const Floats*)(p + q * pitch + j) - taken;
            const Floats distance = (crossing - position) * sign;
            const Floats away = distance < none ? none - 1.0f : none + 1.0f;
            const Floats pull_a = distance * away + soft_a, pull_b = distance * away + soft_b;
            const Floats share = gain * away / (pull_a * pull_b);
            const auto counts = (gain > none) & (position >= (float)first) & (position <= (float)last)
                & (*(const Ints*)(s + q * pitch + j) == side);
            sum_a -= counts ? share * pull_b : none;
            sum_b -= counts ? share * pull_a : none;
        }
    }
    return wp::vec2(sum(sum_a), sum(sum_b));
""".replace("SMALLEST", "1e-12f")  # keeps a pixel right at an end's line and crossing from dividing 0 by 0
)


@wp.func_native(SUM_GAINS)
def sum_gains(
    lines: Lines,
    slot: int,
    axis: int,
    line: int,
    samples: int,
    outward: int,
    inner: int,
    leaving: int,
    inner_shows_side: bool,
    own: wp.vec4,
    other: wp.vec4,
    side: int,
    crossing: float,
    softening: wp.vec2,
) -> wp.vec2:
    """Sums gain / (distance + softening) over the raster pixels of a line that crosses an edge.

    Args:
        outward: the direction along the line that leaves the face, 1 or -1.
        inner: the last pixel inside the edge. Those beyond gain by the face's colour, if it shows there.
        leaving: the last pixel inside the face in the other direction. Pixels between here and ``inner``
            that show the face gain by the other colour.
        inner_shows_side: whether ``inner`` shows the face.
        own: RGB and alpha of the face's side.
        other: RGB and alpha just outside the edge.
        side: the face's side.
        crossing: where the line crosses the edge.
        softening: for either end of the edge, in raster pixels.

    Returns:
        By softening: what pixels outside would gain less what pixels inside would.
    """
    ...
