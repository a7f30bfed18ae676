"""Kernels between the hand layer's matrix products: axis-angles to rotations and along the kinematic tree.

One thread poses one hand. Joints are in MANO's order: the wrist, then five fingers of three joints each.
Rotations, quotients and signs are those of :mod:`s2hand.geometry.rotations` and :mod:`s2hand.hand.mano`.
"""

import warp as wp

wp.set_module_options({"enable_backward": False, "max_unroll": 0})

FINGERS = wp.constant(5)
LEVELS = wp.constant(3)
JOINTS = wp.constant(16)
BETAS = wp.constant(10)

SERIES_BELOW = wp.constant(0.25)
"""Squares of half the angle, rad^2, below which series of five terms are exact to float32's last digit."""


@wp.func
def sine_quotient(squared: float):
    """sin(h) / h, given the square of h."""
    half = wp.sqrt(squared)
    quotient = wp.sin(half) / half
    if squared < SERIES_BELOW:
        quotient = 1.0 + squared * (
            -1.0 / 6.0 + squared * (1.0 / 120.0 + squared * (-1.0 / 5040.0 + squared / 362880.0))
        )
    return quotient


@wp.func
def sine_quotient_slope(squared: float, quotient: float):
    """The derivative of :func:`sine_quotient`, whose difference of near equals would lose digits near 0."""
    slope = (wp.cos(wp.sqrt(squared)) - quotient) / (2.0 * squared)
    if squared < SERIES_BELOW:
        slope = -1.0 / 6.0 + squared * (1.0 / 60.0 + squared * (-1.0 / 1680.0 + squared / 90720.0))
    return slope


@wp.func
def rotation_matrix(axis_angle: wp.vec3):
    """R = I + 2 c [v]x + 2 [v]x^2 with the unit quaternion (c, v)."""
    half = 0.5 * axis_angle
    squared = wp.dot(half, half)
    cosine = wp.cos(wp.sqrt(squared))
    cross = wp.skew(sine_quotient(squared) * half)
    return wp.identity(n=3, dtype=float) + 2.0 * (cosine * cross + cross * cross)


@wp.func
def rotation_gradient(axis_angle: wp.vec3, upstream: wp.mat33):
    """The gradient of :func:`rotation_matrix`, given that of its matrix."""
    half = 0.5 * axis_angle
    squared = wp.dot(half, half)
    cosine = wp.cos(wp.sqrt(squared))
    quotient = sine_quotient(squared)
    cross = wp.skew(quotient * half)
    of_cross = 2.0 * (cosine * upstream - upstream * cross - cross * upstream)
    of_vector = wp.vec3(
        of_cross[2, 1] - of_cross[1, 2], of_cross[0, 2] - of_cross[2, 0], of_cross[1, 0] - of_cross[0, 1]
    )
    of_cosine = 2.0 * wp.ddot(upstream, cross)
    of_squared = wp.dot(of_vector, half) * sine_quotient_slope(squared, quotient) - 0.5 * quotient * of_cosine
    return 0.5 * quotient * of_vector + of_squared * half


@wp.func
def store_transform(
    transforms: wp.array3d(dtype=float), item: int, joint: int, rotation: wp.mat33, offset: wp.vec3
):
    for row in range(3):
        for column in range(3):
            transforms[item, 4 * row + column, joint] = rotation[row, column]
        transforms[item, 4 * row + 3, joint] = offset[row]


@wp.func
def rotation_of(transforms: wp.array3d(dtype=float), item: int, joint: int):
    rotation = wp.mat33()
    for row in range(3):
        for column in range(3):
            rotation[row, column] = transforms[item, 4 * row + column, joint]
    return rotation


@wp.func
def offset_of(transforms: wp.array3d(dtype=float), item: int, joint: int):
    return wp.vec3(transforms[item, 3, joint], transforms[item, 7, joint], transforms[item, 11, joint])


@wp.func
def local_of(coefficients: wp.array2d(dtype=float), item: int, joint: int):
    """A finger joint's 3 x 3 among the coefficients."""
    matrix = wp.mat33()
    for k in range(9):
        matrix[k // 3, k % 3] = coefficients[item, BETAS + 9 * (joint - 1) + k]
    return matrix


@wp.kernel
def pose_joints(
    first: int,
    finger_axis_angles: wp.array2d(dtype=wp.vec3),  # (B, 15)
    rotations: wp.array1d(dtype=wp.vec3),  # (B,)
    betas: wp.array2d(dtype=float),  # (B, 10)
    skeleton: wp.array2d(dtype=wp.vec3),  # (B, 16 + 15): joints and bones at rest, metres
    root: wp.array1d(dtype=wp.vec3),  # (1 + 3,): the wrist's constant axis-angle and its matrix's rows
    slots: wp.array1d(dtype=wp.int32),  # (21,): where each joint and tip goes among the output's joints
    coefficients: wp.array2d(dtype=float),  # (B, 10 + 135), written: betas and the fingers' rotations
    transforms: wp.array3d(dtype=float),  # (B, 12, 16), written: rows of [A t], which moves x to A x + t
    joints: wp.array2d(dtype=wp.vec3),  # (B, 21), written but for the tips
    axis_angles: wp.array2d(dtype=wp.vec3),  # (B, 16), written
):
    """Axis-angles and rest joints to posed joints, their transforms and the blend shapes' coefficients."""
    item = first + wp.tid()
    for k in range(BETAS):
        coefficients[item, k] = betas[item, k]
    turn = rotation_matrix(rotations[item])
    wrist = turn * wp.matrix_from_rows(root[1], root[2], root[3])
    wrist_position = turn * skeleton[item, 0]
    axis_angles[item, 0] = root[0]
    joints[item, slots[0]] = wrist_position
    store_transform(transforms, item, 0, wrist, wrist_position - wrist * skeleton[item, 0])
    for finger in range(FINGERS):
        rotation = wp.mat33(wrist)
        position = wp.vec3(wrist_position)
        for level in range(LEVELS):
            joint = 1 + LEVELS * finger + level
            axis_angle = finger_axis_angles[item, joint - 1]
            local = rotation_matrix(axis_angle)
            for k in range(9):
                coefficients[item, BETAS + 9 * (joint - 1) + k] = local[k // 3, k % 3]
            position += rotation * skeleton[item, JOINTS + joint - 1]
            rotation = rotation * local
            axis_angles[item, joint] = axis_angle
            joints[item, slots[joint]] = position
            store_transform(transforms, item, joint, rotation, position - rotation * skeleton[item, joint])


@wp.kernel
def pose_joints_backward(
    first: int,
    finger_axis_angles: wp.array2d(dtype=wp.vec3),
    rotations: wp.array1d(dtype=wp.vec3),
    skeleton: wp.array2d(dtype=wp.vec3),
    root: wp.array1d(dtype=wp.vec3),
    slots: wp.array1d(dtype=wp.int32),
    coefficients: wp.array2d(dtype=float),
    transforms: wp.array3d(dtype=float),
    grad_coefficients: wp.array2d(dtype=float),
    grad_transforms: wp.array3d(dtype=float),
    grad_joints: wp.array2d(dtype=wp.vec3),
    grad_axis_angles: wp.array2d(dtype=wp.vec3),
    grad_fingers: wp.array2d(dtype=wp.vec3),  # (B, 15), written
    grad_rotations: wp.array1d(dtype=wp.vec3),  # (B,), written
    grad_skeleton: wp.array2d(dtype=wp.vec3),  # (B, 16 + 15), written
):
    """The gradients of :func:`pose_joints`, from each finger's last joint to the wrist; of betas, a part."""
    item = first + wp.tid()
    wrist = rotation_of(transforms, item, 0)
    of_wrist = wp.mat33()
    of_wrist_position = wp.vec3()
    for finger in range(FINGERS):
        of_rotation = wp.mat33()  # what a joint's children pass to its rotation and position
        of_position = wp.vec3()
        for up in range(LEVELS):
            joint = LEVELS * (finger + 1) - up
            parent = wp.mat33(wrist)
            if up < LEVELS - 1:
                parent = rotation_of(transforms, item, joint - 1)
            local = local_of(coefficients, item, joint)
            rest = skeleton[item, joint]
            bone = skeleton[item, JOINTS + joint - 1]
            of_offset = offset_of(grad_transforms, item, joint)
            of_position += of_offset + grad_joints[item, slots[joint]]
            of_rotation += rotation_of(grad_transforms, item, joint) - wp.outer(of_offset, rest)
            grad_skeleton[item, joint] = -(wp.transpose(parent * local) * of_offset)
            grad_skeleton[item, JOINTS + joint - 1] = wp.transpose(parent) * of_position
            of_local = local_of(grad_coefficients, item, joint) + wp.transpose(parent) * of_rotation
            of_axis_angle = rotation_gradient(finger_axis_angles[item, joint - 1], of_local)
            grad_fingers[item, joint - 1] = of_axis_angle + grad_axis_angles[item, joint]
            of_rotation = of_rotation * wp.transpose(local) + wp.outer(of_position, bone)
        of_wrist += of_rotation
        of_wrist_position += of_position
    wrist_rest = skeleton[item, 0]
    root_matrix = wp.matrix_from_rows(root[1], root[2], root[3])
    of_wrist_offset = offset_of(grad_transforms, item, 0)
    of_wrist += rotation_of(grad_transforms, item, 0) - wp.outer(of_wrist_offset, wrist_rest)
    of_wrist_position += of_wrist_offset + grad_joints[item, slots[0]]
    of_turn = of_wrist * wp.transpose(root_matrix) + wp.outer(of_wrist_position, wrist_rest)
    turn = wrist * wp.transpose(root_matrix)
    grad_skeleton[item, 0] = wp.transpose(turn) * of_wrist_position - wp.transpose(wrist) * of_wrist_offset
    grad_rotations[item] = rotation_gradient(rotations[item], of_turn)
