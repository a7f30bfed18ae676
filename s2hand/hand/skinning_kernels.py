"""Kernels of linear blend skinning; no vertex's blended transform is ever written to memory.

A thread takes a run of one hand's vertices: the whole hand on the CPU, eight vertices at a time in clang's
vector types, and one vertex on CUDA.
"""

import warp as wp

wp.set_module_options({"enable_backward": False, "max_unroll": 0})

JOINTS = wp.constant(16)

VERTEX_LANES = 8
"""Floats in a vector on common CPUs; no hand has fewer vertices."""

BLEND = """
    #pragma clang fp contract(fast)
#if defined(__CUDA_ARCH__)
    constexpr int lanes = 1;
    typedef float Floats;
#else
    constexpr int lanes = LANES;
    typedef float Floats __attribute__((ext_vector_type(lanes), aligned(4)));
#endif
    const int count = skinning.shape[1];
    const size_t hand = item;  // offsets of a large batch exceed 32 bits
    const float* transform = transforms.data + hand * 12 * 16;
    for (int start = begin; start < end; start += lanes) {
        const int v = wp::min(start, count - lanes);  // the last run overlaps the one before
        Floats blended[12] = {};
        for (int joint = 0; joint < 16; ++joint) {
            const Floats weight = *(const Floats*)(skinning.data + joint * count + v);
            for (int k = 0; k < 12; ++k) blended[k] += transform[k * 16 + joint] * weight;
        }
        const float* at = rest.data + hand * 3 * count + v;
        const Floats x = *(const Floats*)at;
        const Floats y = *(const Floats*)(at + count);
        const Floats z = *(const Floats*)(at + 2 * count);
""".replace("LANES", str(VERTEX_LANES))
"""Opens both functions: a loop over runs of vertices, with their blended transforms and rest positions."""

SKIN = (
    BLEND
    + """
        float* moved = (float*)(vertices.data + hand * count + v);
        for (int row = 0; row < 3; ++row) {
            const Floats* a = blended + 4 * row;
            const Floats value = a[0] * x + a[1] * y + a[2] * z + a[3];
            for (int lane = 0; lane < lanes; ++lane) moved[3 * lane + row] = ((const float*)&value)[lane];
        }
    }
"""
)

SKIN_BACKWARD = (
    BLEND
    + """
        Floats upstream[3];
        const float* of_vertex = (const float*)(grad_vertices.data + hand * count + v);
        for (int row = 0; row < 3; ++row)
            for (int lane = 0; lane < lanes; ++lane)
                ((float*)&upstream[row])[lane] = of_vertex[3 * lane + row];
        for (int tip = 0; tip < tips.shape[0]; ++tip) {
            const int lane = tips.data[tip] - v;
            if (lane < 0 || lane >= lanes) continue;
            const float* of_tip = (const float*)(grad_joints.data + hand * 21 + slots.data[16 + tip]);
            for (int row = 0; row < 3; ++row) ((float*)&upstream[row])[lane] += of_tip[row];
        }
        float* of_rest = grad_rest.data + hand * 3 * count + v;
        for (int column = 0; column < 3; ++column)
            *(Floats*)(of_rest + column * count) = blended[column] * upstream[0]
                + blended[4 + column] * upstream[1] + blended[8 + column] * upstream[2];
        float* of_blended = grad_blended.data + hand * 12 * count + v;
        for (int row = 0; row < 3; ++row) {
            float* to = of_blended + 4 * row * count;
            *(Floats*)to = upstream[row] * x;
            *(Floats*)(to + count) = upstream[row] * y;
            *(Floats*)(to + 2 * count) = upstream[row] * z;
            *(Floats*)(to + 3 * count) = upstream[row];
        }
    }
"""
)


@wp.func_native(SKIN)
def skin_run(
    item: int,
    begin: int,
    end: int,
    rest: wp.array3d(dtype=float),
    transforms: wp.array3d(dtype=float),
    skinning: wp.array2d(dtype=float),
    vertices: wp.array2d(dtype=wp.vec3),
):
    """Moves the vertices from ``begin`` to ``end``, exclusive."""
    ...


@wp.func_native(SKIN_BACKWARD)
def skin_run_backward(
    item: int,
    begin: int,
    end: int,
    rest: wp.array3d(dtype=float),
    transforms: wp.array3d(dtype=float),
    skinning: wp.array2d(dtype=float),
    tips: wp.array1d(dtype=wp.int32),
    slots: wp.array1d(dtype=wp.int32),
    grad_vertices: wp.array2d(dtype=wp.vec3),
    grad_joints: wp.array2d(dtype=wp.vec3),
    grad_rest: wp.array3d(dtype=float),
    grad_blended: wp.array3d(dtype=float),
):
    """The gradients of the vertices from ``begin`` to ``end``, exclusive."""
    ...


@wp.kernel
def skin_vertices(
    first: int,
    run: int,  # vertices a thread takes
    rest: wp.array3d(dtype=float),  # (B, 3, V) metres
    transforms: wp.array3d(dtype=float),  # (B, 12, 16)
    skinning: wp.array2d(dtype=float),  # (16, V)
    tips: wp.array1d(dtype=wp.int32),  # (5,) vertices
    slots: wp.array1d(dtype=wp.int32),  # (21,): where each joint and tip goes among the output's joints
    vertices: wp.array2d(dtype=wp.vec3),  # (B, V), written
    joints: wp.array2d(dtype=wp.vec3),  # (B, 21), the tips written
):
    """Moves each vertex by the weighted mean of the joints' transforms, and copies the fingertips."""
    index, part = wp.tid()
    item = first + index
    begin = part * run
    end = wp.min(begin + run, skinning.shape[1])
    skin_run(item, begin, end, rest, transforms, skinning, vertices)
    for tip in range(tips.shape[0]):
        vertex = tips[tip]
        if begin <= vertex and vertex < end:
            joints[item, slots[JOINTS + tip]] = vertices[item, vertex]


@wp.kernel
def skin_vertices_backward(
    first: int,
    run: int,
    rest: wp.array3d(dtype=float),
    transforms: wp.array3d(dtype=float),
    skinning: wp.array2d(dtype=float),
    tips: wp.array1d(dtype=wp.int32),
    slots: wp.array1d(dtype=wp.int32),
    grad_vertices: wp.array2d(dtype=wp.vec3),
    grad_joints: wp.array2d(dtype=wp.vec3),
    grad_rest: wp.array3d(dtype=float),  # (B, 3, V), written
    grad_blended: wp.array3d(dtype=float),  # (B, 12, V), written: what each vertex passes to its transform
):
    """The gradients of :func:`skin_vertices`; those of blended transforms are summed by a matrix product."""
    index, part = wp.tid()
    begin = part * run
    end = wp.min(begin + run, skinning.shape[1])
    skin_run_backward(
        first + index, begin, end, rest, transforms, skinning, tips, slots,
        grad_vertices, grad_joints, grad_rest, grad_blended,
    )  # fmt: skip
