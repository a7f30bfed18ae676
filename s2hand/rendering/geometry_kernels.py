"""Warp functions shared by all kernels: which side of a face is seen, and which pixels it covers.

Coordinates: NDC, x right and y up, both in [-1, 1] between the image's borders; z is the camera's, metres.
The raster has ``size`` x ``size`` pixels, column i and row i counted from the left and the **bottom** here;
pixel i has its centre at ``(2 i + 1 - size) / size``. Buffers keep their top row first, so a pixel of row y
lies at index ``size - 1 - y``.
"""

import warp as wp

wp.set_module_options({"enable_backward": False})

MAX_NDC = wp.constant(1.0e5)
"""Faces with a corner further off are left out: edge tests in float32 mean nothing there."""

MIN_DEPTH_OF_NEAR = wp.constant(1.0e-3)
"""Faces with a corner nearer than this share of the near plane, or behind the camera, are left out."""


@wp.struct
class Scene:
    """What is drawn and how. An image pixel holds ``samples`` x ``samples`` pixels of the R x R raster."""

    vertices: wp.array2d(dtype=wp.vec3)  # (B, V)
    faces: wp.array2d(dtype=wp.int32)  # (F, 3)
    face_colors: wp.array2d(dtype=wp.vec3)  # (B, F or 2F)
    face_index: wp.array3d(dtype=wp.int32)  # (B, R, R): the side that each raster pixel shows, -1 where none
    background: wp.vec3
    near: wp.float32
    far: wp.float32
    samples: wp.int32
    fill_back: wp.bool


@wp.struct
class DrawnFace:
    """A face as the camera sees it, corners counter-clockwise. Edge k lies opposite to corner k."""

    visible: wp.bool
    side: wp.int32  # face index, plus the number of faces where the back side shows
    flipped: wp.bool  # the back side shows: corners are stored in reverse, (v2, v1, v0)
    x: wp.vec3
    y: wp.vec3
    inverse_z: wp.vec3
    area: wp.float32  # twice the area in NDC, positive
    edge_x: wp.vec3  # the edge's vector
    edge_y: wp.vec3
    slope: wp.vec3  # edge_x / edge_y; 0 for level edges
    origin_x: wp.vec3  # the edge's lower end
    origin_y: wp.vec3


@wp.struct
class Interval:
    """The pixels ``range(first, stop)`` of a line."""

    first: wp.int32
    stop: wp.int32


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
def load_face(scene: Scene, item: int, face: int):
    """Reads a face and turns it so that its corners run counter-clockwise on screen."""
    drawn = DrawnFace()
    drawn.visible = False
    i0 = scene.faces[face, 0]
    i1 = scene.faces[face, 1]
    i2 = scene.faces[face, 2]
    if wp.min(wp.min(i0, i1), i2) < 0 or wp.max(wp.max(i0, i1), i2) >= scene.vertices.shape[1]:
        return drawn
    v0 = scene.vertices[item, i0]
    v1 = scene.vertices[item, i1]
    v2 = scene.vertices[item, i2]
    if not (is_drawable(v0, scene.near) and is_drawable(v1, scene.near) and is_drawable(v2, scene.near)):
        return drawn
    area = (v2[1] - v0[1]) * (v1[0] - v0[0]) - (v1[1] - v0[1]) * (v2[0] - v0[0])
    drawn.side = face
    drawn.flipped = False
    if area < 0.0 and scene.fill_back:
        v0, v2 = v2, v0
        area = -area
        drawn.side = face + scene.faces.shape[0]
        drawn.flipped = True
    # A face of zero area covers no pixel's centre, except by rounding.
    drawn.visible = area > 0.0
    drawn.x = wp.vec3(v0[0], v1[0], v2[0])
    drawn.y = wp.vec3(v0[1], v1[1], v2[1])
    drawn.inverse_z = wp.vec3(1.0 / v0[2], 1.0 / v1[2], 1.0 / v2[2])
    drawn.area = area
    drawn.edge_x = wp.vec3(v2[0] - v1[0], v0[0] - v2[0], v1[0] - v0[0])
    drawn.edge_y = wp.vec3(v2[1] - v1[1], v0[1] - v2[1], v1[1] - v0[1])
    drawn.slope = wp.vec3(
        slope_of(drawn.edge_x[0], drawn.edge_y[0]),
        slope_of(drawn.edge_x[1], drawn.edge_y[1]),
        slope_of(drawn.edge_x[2], drawn.edge_y[2]),
    )
    # Two faces that share an edge run along it in opposite directions. Both measure from the same end, so
    # that their edge values differ in sign only and no pixel falls between them.
    low0 = lower_end(v1, v2)
    low1 = lower_end(v2, v0)
    low2 = lower_end(v0, v1)
    drawn.origin_x = wp.vec3(low0[0], low1[0], low2[0])
    drawn.origin_y = wp.vec3(low0[1], low1[1], low2[1])
    return drawn


@wp.func
def slope_of(run: float, rise: float):
    if rise == 0.0:
        return 0.0
    return run / rise


@wp.func
def lower_end(a: wp.vec3, b: wp.vec3):
    if a[1] < b[1] or (a[1] == b[1] and a[0] < b[0]):
        return a
    return b


@wp.func
def pixel_centre(index: int, size: int):
    return float(2 * index + 1 - size) * (1.0 / float(size))


@wp.func
def to_pixel(ndc: float, size: int):
    """NDC to pixel coordinates in which pixel i's centre is i."""
    return 0.5 * (ndc * float(size) + float(size) - 1.0)


@wp.func
def pixels_between(low: float, high: float, size: int):
    """The pixels whose centres lie in [low, high] (NDC) or a hair outside, clipped to the image."""
    pixels = Interval()
    slack = 0.01 + 1.0e-6 * float(size) * (wp.abs(low) + wp.abs(high))
    # Clamped as floats, so that no cast overflows.
    pixels.first = int(wp.clamp(wp.ceil(to_pixel(low, size) - slack), 0.0, float(size)))
    pixels.stop = int(wp.clamp(wp.floor(to_pixel(high, size) + slack) + 1.0, 0.0, float(size)))
    return pixels


@wp.func
def rows_of(face: DrawnFace, size: int):
    """The pixel rows that the face may cover."""
    return pixels_between(wp.min(face.y), wp.max(face.y), size)


@wp.func
def columns_of(face: DrawnFace, py: float, size: int):
    """The pixel columns that the face may cover in the row with its centre at ``py``."""
    low = wp.min(face.x)
    high = wp.max(face.x)
    for k in range(3):
        rise = face.edge_y[k]
        if rise != 0.0:
            crossing = face.origin_x[k] + face.slope[k] * (py - face.origin_y[k])
            slack = 1.0e-6 * (wp.abs(face.origin_x[k]) + wp.abs(face.edge_x[k]))
            if rise > 0.0:  # the inside is on the left of an edge that goes up
                high = wp.min(high, crossing + slack)
            else:
                low = wp.max(low, crossing - slack)
    return pixels_between(low, high, size)


@wp.func
def edge_values(face: DrawnFace, px: float, py: float):
    """Twice the signed areas between a point and each edge: none is negative inside the face."""
    return wp.cw_mul(face.edge_x, wp.vec3(py, py, py) - face.origin_y) - wp.cw_mul(
        face.edge_y, wp.vec3(px, px, px) - face.origin_x
    )


@wp.func
def is_inside(edges: wp.vec3):
    return wp.min(edges) >= 0.0


@wp.func
def barycentrics(edges: wp.vec3):
    """Barycentric coordinates on screen from the edge values of a covered pixel."""
    return edges / (edges[0] + edges[1] + edges[2])


@wp.func
def shown_color(scene: Scene, item: int, side: int):
    """RGB and alpha of a side, or of the background for -1."""
    rgb = scene.background
    alpha = wp.float32(0.0)
    if side >= 0:
        rgb = scene.face_colors[item, side]
        alpha = 1.0
    return wp.vec4(rgb[0], rgb[1], rgb[2], alpha)


@wp.kernel
def mesh_bounds(first_item: int, scene: Scene, bounds: wp.array2d(dtype=wp.int32)):
    """One thread per vertex: the rectangle of image pixels that a mesh may cover.

    Writes:
        bounds: (B, 4) minima of first row (from the top), first column, -stop of rows, -stop of columns; the
            caller fills it with S.
    """
    slot, index = wp.tid()
    item = first_item + slot
    vertex = scene.vertices[item, index]
    samples = scene.samples
    if is_drawable(vertex, scene.near):
        size = scene.face_index.shape[1]
        columns = pixels_between(vertex[0], vertex[0], size)
        rows = pixels_between(-vertex[1], -vertex[1], size)
        wp.atomic_min(bounds, item, 0, rows.first // samples)
        wp.atomic_min(bounds, item, 1, columns.first // samples)
        wp.atomic_min(bounds, item, 2, -((rows.stop + samples - 1) // samples))
        wp.atomic_min(bounds, item, 3, -((columns.stop + samples - 1) // samples))


@wp.func
def clip_to_mesh(bounds: wp.array2d(dtype=wp.int32), item: int, row: int, first: int, stop: int):
    """The part of an image row's pixels ``range(first, stop)`` inside the mesh's rectangle.

    An empty part keeps ``first <= Interval.first == Interval.stop <= stop``.
    """
    inside = Interval()
    inside.first = first
    inside.stop = first
    if row >= bounds[item, 0] and row < -bounds[item, 2]:
        inside.first = wp.clamp(bounds[item, 1], first, stop)
        inside.stop = wp.clamp(-bounds[item, 3], inside.first, stop)
    return inside
