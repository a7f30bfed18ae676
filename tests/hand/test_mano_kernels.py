"""The hand layer's kernels against its plain operations in float64, and as an operator of PyTorch."""

import warnings

import pytest
import torch

from s2hand.hand import ManoLayer
from s2hand.hand.mano_operator import pose_hand_backward_op, pose_hand_op

TOLERANCE = 3e-6
"""Of float32, relative to the norm."""

OUTPUTS = {"vertices": (778, 3), "joints": (21, 3), "pose_axis_angle": (16, 3)}


def random_inputs(batch, scale=1.0, num_pca=30, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(batch, columns, generator=generator) for columns in (num_pca, 10, 3)]


def random_upstream(batch, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, *shape, generator=generator) for shape in OUTPUTS.values()]


def values_and_gradients(layer, inputs, upstream):
    inputs = [value.detach().requires_grad_() for value in inputs]
    output = layer(*inputs)
    outputs = [getattr(output, name) for name in OUTPUTS]
    upstream = [gradient.to(outputs[0].dtype) for gradient in upstream]
    return *outputs, *torch.autograd.grad(outputs, inputs, upstream)


def assert_near(values, expected):
    for value, reference in zip(values, expected, strict=True):
        assert value.shape == reference.shape
        assert value.dtype == torch.float32
        assert (value - reference).norm() <= TOLERANCE * reference.norm()


@pytest.fixture
def layer(generic_model):
    return ManoLayer(generic_model)


@pytest.fixture
def refuse_plain(monkeypatch):
    """The plain operations are not to be used."""

    def refuse(*_):
        raise AssertionError("the plain operations were used")

    monkeypatch.setattr(ManoLayer, "plain", refuse)


@pytest.mark.parametrize(
    ("batch", "scale", "num_pca", "tips"),
    [
        (0, 1, 30, "freihand"),
        (1, 1, 30, "s2hand"),
        (3, 0, 30, "freihand"),
        (3, 1e-9, 45, "freihand"),
        (3, 1e-4, 45, "s2hand"),
        (5, 0.3, 1, "freihand"),
        (9, 3, 45, "s2hand"),
        (130, 1, 30, "freihand"),
    ],
)
def test_matches_plain_operations_in_float64(random_model, batch, scale, num_pca, tips):
    inputs, upstream = random_inputs(batch, scale, num_pca), random_upstream(batch)
    layer = ManoLayer(random_model, num_pca, tips)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ManoLayer, "plain", None)
        values = values_and_gradients(layer, inputs, upstream)
    doubles = [value.double() for value in inputs]
    assert_near(values, values_and_gradients(layer.double().plain, doubles, upstream))


@pytest.mark.parametrize("angle", [0, 1e-7, 1e-3, 0.9999, 1.0001, 3.14159, 6.2832, 20])
def test_rotations_of_all_sizes(layer, generic_model, angle):
    """On both sides of where the series take over, at half and at whole turns."""
    batch = 4
    pose, betas, rotation = random_inputs(batch, num_pca=45)
    axes = torch.nn.functional.normalize(pose.view(batch, 15, 3), dim=-1)
    rotation = angle * torch.nn.functional.normalize(rotation, dim=-1)
    layer = ManoLayer(generic_model, 45)
    layer.pose_basis.copy_(torch.eye(45))
    layer.pose_mean.zero_()
    inputs, upstream = [angle * axes.flatten(1), betas, rotation], random_upstream(batch)
    values = values_and_gradients(layer, inputs, upstream)
    doubles = [value.double() for value in inputs]
    assert_near(values, values_and_gradients(layer.double().plain, doubles, upstream))


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_gradient_for_one_output_only(layer, name):
    inputs = [value.requires_grad_() for value in random_inputs(2)]
    asked = inputs[:1] if name == "pose_axis_angle" else inputs
    upstream = torch.randn(2, *OUTPUTS[name], generator=torch.Generator().manual_seed(1))
    values, expected = (
        torch.autograd.grad(getattr(function(*inputs), name), asked, upstream)
        for function in (layer, layer.plain)
    )
    assert_near(values, expected)


def test_strides_do_not_matter(layer, refuse_plain):
    inputs, upstream = random_inputs(4), random_upstream(4)
    expected = values_and_gradients(layer, inputs, upstream)
    strided = [value.t().contiguous().t() for value in inputs]
    transposed = [gradient.transpose(1, 2).contiguous().transpose(1, 2) for gradient in upstream]
    assert not any(value.is_contiguous() for value in (*strided, *transposed))
    torch.testing.assert_close(
        values_and_gradients(layer, strided, transposed), expected, rtol=1e-5, atol=1e-6
    )


def test_same_bits_on_every_run_and_the_same_hand_in_every_thread(layer, refuse_plain):
    """The batch is large enough to be shared out."""
    inputs, upstream = random_inputs(200), random_upstream(200)
    threads = torch.get_num_threads()
    expected = values_and_gradients(layer, inputs, upstream)
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            first, again = (values_and_gradients(layer, inputs, upstream) for _ in range(2))
            assert all(map(torch.equal, first, again))
            assert_near(first, expected)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_autocast_leaves_float32(layer, refuse_plain, dtype):
    inputs, upstream = [value.to(dtype) for value in random_inputs(2)], random_upstream(2)
    expected = values_and_gradients(layer, [value.float() for value in inputs], upstream)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        values = values_and_gradients(layer, inputs, upstream)
    for value, reference in zip(values[:3], expected[:3], strict=True):
        assert torch.equal(value, reference)
    for value, reference in zip(values[3:], expected[3:], strict=True):
        assert torch.equal(value, reference.to(dtype))


def operator_arguments(layer, batch=2):
    constants = ("pose_basis", "pose_mean", "skeleton_basis", "skeleton_template", "vertex_basis")
    constants += ("vertex_template", "skinning", "root", "tip_numbers", "joint_slots")
    inputs = [value.requires_grad_() for value in random_inputs(batch)]
    return inputs, {name: getattr(layer, name) for name in constants}


@pytest.mark.slow
def test_opcheck(layer):
    inputs, constants = operator_arguments(layer)
    torch.library.opcheck(pose_hand_op, (*inputs, *constants.values()))


def test_opcheck_backward(layer):
    inputs, constants = operator_arguments(layer)
    saved = [tensor.detach() for tensor in pose_hand_op(*inputs, *constants.values())[3:]]
    for name in ("pose_mean", "skeleton_template", "vertex_template"):
        del constants[name]
    arguments = (inputs[2].detach(), *saved, *constants.values(), *random_upstream(2))
    torch.library.opcheck(pose_hand_backward_op, arguments)


def test_compiles_without_graph_breaks(layer, refuse_plain):
    inputs, upstream = random_inputs(2), random_upstream(2)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    expected = values_and_gradients(layer, inputs, upstream)
    torch.testing.assert_close(values_and_gradients(compiled, inputs, upstream), expected, rtol=0, atol=0)


def test_refuses_second_derivatives(layer):
    """Zero would be silently wrong; the plain operations have them."""
    pose, betas, rotation = random_inputs(1)
    pose.requires_grad_()
    for function in (layer, layer.plain):
        loss = function(pose, betas, rotation).vertices.square().sum()
        (gradient,) = torch.autograd.grad(loss, pose, create_graph=True)
        if function is layer:
            with pytest.raises(RuntimeError, match=r"no second derivatives.*ManoLayer\.plain"):
                gradient.square().sum().backward()
        else:
            assert torch.autograd.grad(gradient.square().sum(), pose)[0].abs().max() > 0


def test_transforms_of_functions_use_plain_operations(layer):
    pose, betas, rotation = random_inputs(2)
    jacobian = torch.func.jacrev(lambda r: layer(pose, betas, r).joints)(rotation)
    expected = torch.autograd.functional.jacobian(lambda r: layer.plain(pose, betas, r).joints, rotation)
    torch.testing.assert_close(jacobian, expected)


def test_traces_hold_only_pytorchs_operations(layer):
    def joints(*inputs):
        return layer(*inputs).joints

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing's age, and of the checks of shapes
        traced = torch.jit.trace(joints, tuple(random_inputs(2)))
    assert "s2hand::" not in str(traced.inlined_graph)
    inputs = random_inputs(3, seed=2)
    torch.testing.assert_close(traced(*inputs), joints(*inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_same_on_cuda_without_waiting(layer, refuse_plain):
    inputs, upstream = random_inputs(70), random_upstream(70)
    expected = values_and_gradients(layer, inputs, upstream)
    layer.cuda()
    inputs, upstream = ([value.cuda() for value in values] for values in (inputs, upstream))
    first = values_and_gradients(layer, inputs, upstream)
    torch.cuda.set_sync_debug_mode("error")
    try:
        again = values_and_gradients(layer, inputs, upstream)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(map(torch.equal, first, again))
    assert_near([value.cpu() for value in first], expected)
