"""The rasterizer as a citizen of PyTorch: operator checks, compilation, precision, determinism, errors."""

import multiprocessing

import pytest
import torch
from meshes import gradients, octahedron, random_soup

from s2hand.rendering import rasterize
from s2hand.rendering.rasterize import rasterize_backward_op, rasterize_op
from s2hand.rendering.scene import Settings, corners_by_vertex

SIZE = 16


def settings(**changes):
    defaults = Settings([1.0, 1.0, 1.0], 0.1, 100.0, 1e-3, samples=1, fill_back=True, antialias=False)
    return defaults._replace(**changes).numbers()


def picture_loss(vertices, faces, colors, **options):
    output = rasterize(vertices, faces, colors, SIZE, fill_back=True, **options)
    ramp = torch.linspace(-1, 1, SIZE, device=vertices.device)
    return (output.rgb * ramp).sum() + (output.silhouette * ramp[:, None]).sum() + (output.depth * ramp).sum()


@pytest.mark.parametrize("antialias", [False, True])
def test_opcheck(antialias):
    vertices, faces, colors = octahedron(batch=2)
    arguments = (faces.int(), colors.requires_grad_(), SIZE, settings(antialias=antialias, samples=2))
    torch.library.opcheck(rasterize_op, (vertices.requires_grad_(), *arguments))


def test_opcheck_backward():
    vertices, faces, colors = octahedron(batch=2)
    face_index = rasterize_op(vertices, faces.int(), colors, SIZE, settings())[3]
    upstream = (torch.randn(2, 3, SIZE, SIZE), torch.randn(2, SIZE, SIZE), torch.randn(2, SIZE, SIZE))
    torch.library.opcheck(
        rasterize_backward_op, (vertices, faces.int(), colors, face_index, *upstream, settings())
    )


def test_compiles_without_graph_breaks():
    vertices, faces, colors = octahedron(batch=2)
    compiled = torch.compile(picture_loss, fullgraph=True, backend="aot_eager")
    expected = gradients(lambda v, c: picture_loss(v, faces, c), vertices, colors)
    value = gradients(lambda v, c: compiled(v, faces, c), vertices, colors)
    torch.testing.assert_close(value, expected, rtol=0, atol=0)


def test_autocast_changes_nothing():
    vertices, faces, colors = octahedron()
    expected = picture_loss(vertices, faces, colors)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = rasterize(vertices, faces, colors, SIZE, fill_back=True)
    assert output.rgb.dtype == torch.float32
    torch.testing.assert_close(
        output, rasterize(vertices, faces, colors, SIZE, fill_back=True), rtol=0, atol=0
    )
    assert torch.isfinite(expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_precisions_come_back_in_kind(dtype):
    vertices, faces, colors = (t.to(dtype) if t.is_floating_point() else t for t in octahedron())
    output = rasterize(vertices, faces, colors, SIZE, fill_back=True)
    assert output.rgb.dtype == torch.float32
    expected = rasterize(vertices.float(), faces, colors.float(), SIZE, fill_back=True)
    torch.testing.assert_close(output.rgb, expected.rgb, rtol=0, atol=0)
    (gradient,) = gradients(lambda v: picture_loss(v, faces, colors), vertices)
    assert gradient.dtype == dtype
    assert gradient.abs().max() > 0


def test_strides_do_not_matter():
    vertices, faces, colors = random_soup()
    expected = gradients(lambda v, c: picture_loss(v, faces, c), vertices, colors)
    strided = vertices.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    expanded = colors.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert not strided.is_contiguous()
    assert not expanded.is_contiguous()
    value = gradients(lambda v, c: picture_loss(v, faces.t().contiguous().t(), c), strided, expanded)
    torch.testing.assert_close(value, expected, rtol=0, atol=0)


@pytest.mark.parametrize("gradient", ["nmr", "antialias"])
def test_same_bits_on_every_run_with_any_number_of_threads(gradient):
    vertices, faces, colors = random_soup(batch=3, count=60)

    def run():
        return gradients(lambda v, c: picture_loss(v, faces, c, gradient=gradient), vertices, colors)

    threads = torch.get_num_threads()
    expected = run()
    try:
        for count in (1, 2, 3, 8):
            torch.set_num_threads(count)
            for value, first in zip(run(), expected, strict=True):
                assert torch.equal(value, first)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("gradient", ["nmr", "antialias"])
def test_items_of_a_batch_do_not_mix(gradient):
    vertices, faces, colors = random_soup(batch=4)
    together = rasterize(vertices, faces, colors, SIZE, fill_back=True, gradient=gradient)
    whole = gradients(lambda v, c: picture_loss(v, faces, c, gradient=gradient), vertices, colors)
    for item in range(4):
        one = slice(item, item + 1)
        alone = rasterize(vertices[one], faces, colors[one], SIZE, fill_back=True, gradient=gradient)
        assert torch.equal(alone.rgb, together.rgb[one])
        assert torch.equal(alone.face_index, together.face_index[one])
        single = gradients(
            lambda v, c: picture_loss(v, faces, c, gradient=gradient), vertices[one], colors[one]
        )
        for value, expected in zip(single, whole, strict=True):
            assert torch.equal(value, expected[one])


@pytest.mark.parametrize(("batch", "count", "size"), [(0, 4, 8), (2, 0, 8), (1, 1, 1), (1, 3, 7)])
def test_odd_sizes(batch, count, size):
    vertices, faces, colors = random_soup(batch=batch, count=count)
    output = rasterize(
        vertices, faces, colors, size, fill_back=True, anti_aliasing=True, background=(0.5, 0, 0)
    )
    assert output.rgb.shape == (batch, 3, size, size)
    if count == 0:
        assert (output.face_index == -1).all()
        assert (output.rgb[:, 0] == 0.5).all()
    grads = gradients(lambda v: rasterize(v, faces, colors, size, fill_back=True).silhouette.sum(), vertices)
    assert grads[0].shape == vertices.shape


def test_a_gradient_for_one_output_only():
    vertices, faces, colors = octahedron()
    (gradient,) = gradients(lambda v: rasterize(v, faces, colors[:, :8], SIZE).depth.sum(), vertices)
    assert gradient[..., 2].abs().max() > 0


def test_corners_come_in_the_order_of_the_faces():
    generator = torch.Generator().manual_seed(0)
    faces = torch.randint(0, 30, (50, 3), generator=generator).int()
    faces[faces == 17] = 18  # a vertex of no face
    order, start = corners_by_vertex(faces, 30)
    for vertex in range(30):
        expected = (faces.flatten() == vertex).nonzero().flatten().tolist()
        assert order[start[vertex] : start[vertex + 1]].tolist() == expected


def test_bytes_kept_for_backward():
    vertices, faces, colors = octahedron()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        rasterize(vertices.requires_grad_(), faces, colors, 64, fill_back=True, anti_aliasing=True)
    per_picture = [t for t in saved if t.numel() >= 64 * 64]
    assert sum(t.numel() * t.element_size() for t in per_picture) <= 16 * 64 * 64


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"vertices": torch.zeros(2, 6)}, ValueError, r"vertices: expected \(B, V, 3\)"),
        ({"vertices": torch.zeros(1, 6, 3).int()}, TypeError, "vertices: expected floating"),
        ({"faces": torch.zeros(8, 3)}, TypeError, "faces: expected integers"),
        ({"faces": torch.zeros(1, 8, 3).int()}, ValueError, r"faces: expected \(F, 3\)"),
        ({"faces": torch.full((8, 3), 6)}, ValueError, r"vertex numbers in \[0, 6\)"),
        ({"face_colors": torch.zeros(1, 9, 3)}, ValueError, r"face_colors: expected \(1, 8, 3\)"),
        ({"image_size": 0}, ValueError, "image_size"),
        ({"image_size": 16.0}, TypeError, "image_size: expected an integer, got 16.0"),
        ({"vertices": [[0, 0, 1]]}, TypeError, "vertices: expected a torch.Tensor, got list"),
        ({"background": (1, 1)}, ValueError, "background: expected 3"),
        ({"background": 0.5}, ValueError, "background: expected 3"),
        ({"eps": 0.0}, ValueError, "eps: expected more than 0"),
        ({"near": 2.0, "far": 1.0}, ValueError, "0 < near < far"),
        ({"gradient": "soft"}, ValueError, "expected one of nmr, antialias"),
    ],
)
def test_refuses_with_a_clear_line(changes, error, message):
    vertices, faces, colors = octahedron()
    arguments = {"vertices": vertices, "faces": faces, "face_colors": colors[:, :8], "image_size": SIZE}
    with pytest.raises(error, match=message):
        rasterize(**{**arguments, **changes})


def test_refuses_second_derivatives():
    """Zero would be silently wrong."""
    vertices, faces, colors = octahedron()
    vertices.requires_grad_()
    loss = rasterize(vertices, faces, colors, SIZE, fill_back=True).rgb.square().sum()
    (gradient,) = torch.autograd.grad(loss, vertices, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivatives"):
        gradient.square().sum().backward()


def _draw_in_child(queue, arguments):
    torch.set_num_threads(2)
    queue.put(rasterize(*arguments, fill_back=True).rgb.numpy())


def test_works_in_a_forked_process():
    """A data loader's worker inherits the thread pool's object, but not its threads."""
    arguments = (*random_soup(batch=4), SIZE)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        expected = rasterize(*arguments, fill_back=True).rgb
    finally:
        torch.set_num_threads(threads)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=_draw_in_child, args=(queue, arguments))
    worker.start()
    picture = queue.get(timeout=60)
    worker.join(timeout=60)
    assert torch.equal(torch.from_numpy(picture), expected)
