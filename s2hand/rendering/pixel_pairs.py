"""Warp functions on two neighbouring raster pixels that show different sides: which edge passes between them?

Pixels are (row from the top, column); points are NDC.
"""

import warp as wp

from s2hand.rendering.geometry_kernels import (
    DrawnFace,
    Scene,
    barycentrics,
    edge_values,
    load_face,
    pixel_centre,
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
