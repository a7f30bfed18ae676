"""Warp functions shared by all kernels: which side of a face is seen, and which pixels it may cover.

Coordinates: NDC, x right and y up, both in [-1, 1] between the image's borders; z is the camera's, metres.
The raster has ``size`` x ``size`` pixels, column i and row i counted from the left and the **bottom** here;
pixel i has its centre at ``(2 i + 1 - size) / size``. Buffers keep their top row first, so a pixel of row y
lies at index ``size - 1 - y``.
"""

import warp as wp

MAX_NDC = wp.constant(1.0e5)
"""Faces with a corner further off are left out: edge tests in float32 mean nothing there."""

MIN_DEPTH_OF_NEAR = wp.constant(1.0e-3)
"""Faces with a corner nearer than this share of the near plane, or behind the camera, are left out."""


@wp.struct
class DrawnFace:
    """A face as the camera sees it: its corners counter-clockwise, and the side that shows."""

    visible: wp.bool
    side: wp.int32  # face index, plus the number of faces where the back side shows
    flipped: wp.bool  # the back side shows: corners are stored in reverse, (v2, v1, v0)
    x: wp.vec3
    y: wp.vec3
    z: wp.vec3
    area: wp.float32  # twice the area in NDC, positive


@wp.struct
class Columns:
    """The pixel columns ``first <= i <= last`` that a face may cover in one row."""

    first: wp.int32
    last: wp.int32


@wp.func
def is_drawable(corner: wp.vec3, near: float):
    # Comparisons with NaN are false, so this also refuses NaN and infinity.
    return (
        wp.abs(corner[0]) < MAX_NDC
        and wp.abs(corner[1]) < MAX_NDC
        and corner[2] > near * MIN_DEPTH_OF_NEAR
        and corner[2] < 1.0e30
    )


@wp.func
def load_face(
    vertices: wp.array2d(dtype=wp.vec3),
    faces: wp.array2d(dtype=wp.int32),
    item: int,
    face: int,
    near: float,
    fill_back: bool,
):
    """Reads a face and turns it so that its corners run counter-clockwise on screen."""
    drawn = DrawnFace()
    drawn.visible = False
    i0 = faces[face, 0]
    i1 = faces[face, 1]
    i2 = faces[face, 2]
    count = vertices.shape[1]
    if wp.min(wp.min(i0, i1), i2) < 0 or wp.max(wp.max(i0, i1), i2) >= count:
        return drawn
    v0 = vertices[item, i0]
    v1 = vertices[item, i1]
    v2 = vertices[item, i2]
    if not (is_drawable(v0, near) and is_drawable(v1, near) and is_drawable(v2, near)):
        return drawn
    area = (v2[1] - v0[1]) * (v1[0] - v0[0]) - (v1[1] - v0[1]) * (v2[0] - v0[0])
    drawn.side = face
    drawn.flipped = False
    if area < 0.0 and fill_back:
        v0, v2 = v2, v0
        area = -area
        drawn.side = face + faces.shape[0]
        drawn.flipped = True
    drawn.x = wp.vec3(v0[0], v1[0], v2[0])
    drawn.y = wp.vec3(v0[1], v1[1], v2[1])
    drawn.z = wp.vec3(v0[2], v1[2], v2[2])
    drawn.area = area
    # A face of zero area covers no pixel's centre, except by rounding.
    drawn.visible = area > 0.0
    return drawn


@wp.func
def pixel_centre(index: int, size: int):
    return float(2 * index + 1 - size) / float(size)


@wp.func
def to_pixel(ndc: float, size: int):
    """NDC to pixel coordinates in which pixel i's centre is i."""
    return 0.5 * (ndc * float(size) + float(size) - 1.0)


@wp.func
def rows_of(y: wp.vec3, size: int):
    """The pixel rows whose centres the face may reach, clipped to the image."""
    rows = Columns()
    low = to_pixel(wp.min(wp.min(y[0], y[1]), y[2]), size)
    high = to_pixel(wp.max(wp.max(y[0], y[1]), y[2]), size)
    # One more on either side than exact arithmetic needs; clamped as floats, so the cast cannot overflow.
    rows.first = int(wp.clamp(wp.ceil(low) - 1.0, 0.0, float(size)))
    rows.last = int(wp.clamp(wp.floor(high) + 1.0, -1.0, float(size - 1)))
    return rows


@wp.func
def edge_value(ax: float, ay: float, bx: float, by: float, px: float, py: float):
    """Twice the signed area of (a, b, p): not negative where p lies on or left of the edge a -> b.

    The edge is evaluated from its lower end whichever way it runs, so two faces that share it get values that
    differ in sign only: no pixel falls between them.
    """
    if ay < by or (ay == by and ax < bx):
        return (bx - ax) * (py - ay) - (by - ay) * (px - ax)
    return -((ax - bx) * (py - by) - (ay - by) * (px - bx))


@wp.func
def edge_values(face: DrawnFace, px: float, py: float):
    """The three edge values at a point, number k belonging to the edge opposite to corner k."""
    return wp.vec3(
        edge_value(face.x[1], face.y[1], face.x[2], face.y[2], px, py),
        edge_value(face.x[2], face.y[2], face.x[0], face.y[0], px, py),
        edge_value(face.x[0], face.y[0], face.x[1], face.y[1], px, py),
    )


@wp.func
def is_inside(edges: wp.vec3):
    return edges[0] >= 0.0 and edges[1] >= 0.0 and edges[2] >= 0.0


@wp.func
def barycentrics(edges: wp.vec3):
    """Barycentric coordinates on screen from the edge values of a covered pixel."""
    total = edges[0] + edges[1] + edges[2]
    return edges / total


@wp.func
def clip_columns(columns: Columns, ax: float, ay: float, bx: float, by: float, py: float, size: int):
    """Narrows a row's columns to the inner side of the edge a -> b, with a pixel to spare."""
    rise = by - ay
    if rise == 0.0:
        return columns
    slope = (bx - ax) / rise
    crossing = ax + slope * (py - ay)
    slack = 1.0e-6 * (wp.abs(ax) + wp.abs(bx) + wp.abs(crossing))
    if rise > 0.0:  # inside is on the left of an edge that goes up
        right = wp.floor(to_pixel(crossing + slack, size)) + 1.0
        columns.last = int(wp.clamp(right, -1.0, float(columns.last)))
    else:
        left = wp.ceil(to_pixel(crossing - slack, size)) - 1.0
        columns.first = int(wp.clamp(left, float(columns.first), float(size)))
    return columns


@wp.func
def columns_of(face: DrawnFace, py: float, size: int):
    """The pixel columns that the face may cover in the row whose centre is ``py``."""
    every = Columns()
    every.first = 0
    every.last = size - 1
    one = clip_columns(every, face.x[0], face.y[0], face.x[1], face.y[1], py, size)
    two = clip_columns(one, face.x[1], face.y[1], face.x[2], face.y[2], py, size)
    return clip_columns(two, face.x[2], face.y[2], face.x[0], face.y[0], py, size)
