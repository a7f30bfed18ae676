"""MediaPipe's hand networks against the published files under their own interpreter."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from s2hand.models.mediapipe import WeightsError, load_landmark_net, load_palm_net
from s2hand.models.mediapipe.blocks import SameConv2d
from s2hand.models.mediapipe.packed import can_pack, pack_network

RECORDED = Path(__file__).parents[1] / "fixtures" / "mediapipe.npz"
TOLERANCE = 1e-3
PALM_WINDOW = slice(16, 208)
BOX_STEP = 5


@pytest.fixture(scope="module")
def recorded():
    return np.load(RECORDED)


@pytest.fixture(scope="module")
def images(recorded):
    """(3, 3, 224, 224): noise, and two drawn hands."""
    return torch.from_numpy(recorded["images"]).permute(0, 3, 1, 2).float() / 255


def stacked(recorded, name):
    return np.stack([recorded[f"{name}{index}"] for index in range(len(recorded["images"]))])


@torch.inference_mode()
def test_palm_net_answers_as_the_published_file(recorded, images):
    output = load_palm_net()(images[:, :, PALM_WINDOW, PALM_WINDOW])
    assert output.boxes.shape == (3, 2016, 18)
    np.testing.assert_allclose(
        output.boxes[:, ::BOX_STEP], stacked(recorded, "boxes"), atol=TOLERANCE, rtol=0
    )
    np.testing.assert_allclose(output.logits, stacked(recorded, "logits"), atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_landmark_net_answers_as_the_published_file(recorded, images):
    output = load_landmark_net()(images)
    for name in ("landmarks", "world"):
        np.testing.assert_allclose(getattr(output, name), stacked(recorded, name), atol=TOLERANCE, rtol=0)
    for name in ("presence", "right"):
        expected = stacked(recorded, name)[:, 0]
        np.testing.assert_allclose(getattr(output, name), expected, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_trunk_alone_encodes(images):
    net = load_landmark_net()
    output = net.trunk(images)
    assert output.stride4.shape == (3, 24, 56, 56)
    assert output.feature.shape == (3, 1152)
    torch.testing.assert_close(net.read(output.feature).world, net(images).world)


def test_trunk_can_be_trained(images):
    net = load_landmark_net()
    net.trunk(images[:1]).feature.sum().backward()
    assert all(parameter.grad is not None for parameter in net.trunk.parameters())


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_puts_the_odd_cell_behind(kernel_size, stride):
    convolution = SameConv2d(1, 1, kernel_size, stride, bias=False)
    nn.init.zeros_(convolution.weight)
    before = (kernel_size - stride) // 2
    with torch.no_grad():
        convolution.weight[0, 0, before, before] = 1
    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    torch.testing.assert_close(convolution(image), image[..., ::stride, ::stride])


@pytest.mark.parametrize("load", [load_palm_net, load_landmark_net])
def test_unusable_weights_are_named(load, tmp_path):
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors.*convert_mediapipe"):
        load(tmp_path / "nowhere.safetensors")
    (tmp_path / "damaged.safetensors").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match=r"damaged\.safetensors"):
        load(tmp_path / "damaged.safetensors")


def test_another_networks_weights_are_refused():
    with pytest.raises(WeightsError, match="expected the weights of PalmNet"):
        load_palm_net(Path(load_palm_net.__defaults__[0]).with_name("landmarks.safetensors"))


@pytest.mark.parametrize(("load", "side"), [(load_palm_net, 192), (load_landmark_net, 224)])
def test_onnx_gives_the_same(load, side, images, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    net, batch = load(), images[1:, :, :side, :side].contiguous()
    path = str(tmp_path / "net.onnx")
    torch.onnx.export(
        net, (batch,), path, dynamo=False, input_names=["image"], dynamic_axes={"image": {0: "batch"}}
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = net(batch[:1])
    for answer, tensor in zip(session.run(None, {"image": batch[:1].numpy()}), expected, strict=True):
        np.testing.assert_allclose(answer, tensor, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("load", "side"), [(load_palm_net, 192), (load_landmark_net, 224)])
def test_networks_are_one_graph_to_the_compiler(load, side, images):
    net = load()
    with torch.inference_mode():
        batch = images[:2, :, :side, :side]
        compiled = torch.compile(net, backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(batch), net(batch))


@pytest.mark.parametrize(("load", "side"), [(load_palm_net, 192), (load_landmark_net, 224)])
@torch.inference_mode()
def test_packed_networks_give_the_same(load, side, images):
    if not can_pack():
        pytest.skip("this build of PyTorch cannot pack")
    batch = images[:, :, :side, :side].contiguous(memory_format=torch.channels_last)
    packed, expected, given = pack_network(load(), side), load()(batch), batch.clone()
    for _ in range(2):  # blocks overwrite their inputs, but not the network's
        for answer, wanted in zip(packed(batch), expected, strict=True):
            torch.testing.assert_close(answer, wanted, atol=1e-3, rtol=0)
    torch.testing.assert_close(batch, given, atol=0, rtol=0)


@torch.inference_mode()
def test_packed_trunk_keeps_the_map_of_stride_4(images):
    if not can_pack():
        pytest.skip("this build of PyTorch cannot pack")
    packed = pack_network(load_landmark_net(), 224).trunk(images)
    expected = load_landmark_net().trunk(images)
    torch.testing.assert_close(packed.stride4, expected.stride4, atol=1e-3, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@torch.inference_mode()
def test_cuda_gives_the_same(images):
    net = load_landmark_net()
    torch.testing.assert_close(
        net.cuda()(images.cuda()).world.cpu(), load_landmark_net()(images).world, atol=1e-3, rtol=0
    )
