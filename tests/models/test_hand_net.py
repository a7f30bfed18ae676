"""The composition: what is computed, from what, and in which precision."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from s2hand.config.sections import NetworkSection
from s2hand.geometry.cameras import project_points
from s2hand.hand import load_hand_model
from s2hand.models import PARTS, HandHead, HandNet, TextureLightHead, build_hand_net
from s2hand.models.lifting import RAY_GAIN, keypoint_rays
from s2hand.structures import HandParameters, ManoOutput

SIZE = 64


class TinyBackbone(nn.Module):
    """Low-level map and feature by averaging; counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.mix = nn.Linear(3, 16)

    def forward(self, image):
        self.calls += 1
        low_features = nn.functional.avg_pool2d(image, 4)
        return low_features, self.mix(image.mean((2, 3)))


class TinyMano(nn.Module):
    """Points that depend on every input; notes the precision it is given."""

    def forward(self, pose_pca, betas, rotation):
        self.dtypes = {pose_pca.dtype, betas.dtype, rotation.dtype, (pose_pca @ pose_pca.T).dtype}
        offset = (pose_pca.sum(-1) + betas.sum(-1))[:, None, None] + rotation[:, None]
        grid = torch.linspace(-0.05, 0.05, 778 * 3).view(1, 778, 3)
        return ManoOutput(grid + 0.01 * offset, grid[:, :21] + 0.01 * offset, offset.expand(-1, 16, 3))


class TinyKeypointNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, image):
        self.calls += 1
        return SimpleNamespace(
            encoding=image,
            keypoints=torch.zeros(2, len(image), 21, 2),
            heatmaps=[torch.zeros(len(image), 21, 8, 8)] * 2,
        )


@pytest.fixture
def network():
    torch.manual_seed(0)
    return HandNet(
        backbone=TinyBackbone(),
        hand_head=HandHead(16),
        mano_layer=TinyMano(),
        texture_light_head=TextureLightHead(3, num_faces=5),
        renderer=lambda vertices, K, face_textures, light: (vertices, K, face_textures, light),
        keypoint_net=TinyKeypointNet(),
    ).eval()


@pytest.fixture
def image():
    return torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def K():
    return torch.tensor([[100.0, 0, SIZE / 2], [0, 100, SIZE / 2], [0, 0, 1]]).expand(2, 3, 3)


def test_only_what_is_asked_for_is_computed(network, image, K):
    alone = network(image, parts={"heatmaps"})
    assert alone.heatmap_keypoints.shape == (2, 2, 21, 2)
    assert alone.vertices is alone.face_textures is alone.render is None
    assert network.backbone.calls == 0
    hand = network(image, K, parts={"hand"})
    assert hand.heatmap_keypoints is hand.face_textures is hand.light is hand.render is None
    assert (network.backbone.calls, network.keypoint_net.calls) == (1, 1)
    texture = network(image, parts=["texture"])
    assert texture.vertices is None
    assert texture.face_textures.shape == (2, 5, 3)


def test_render_brings_hand_and_texture(network, image, K):
    everything = network(image, K, parts={"render"})
    vertices, camera, face_textures, light = everything.render
    assert torch.equal(vertices, everything.vertices)
    assert torch.equal(camera, K)
    assert torch.equal(face_textures, everything.face_textures)
    assert torch.equal(light, everything.light)


def test_hand_is_scaled_by_the_absolute_value_and_moved(network, image, K):
    parameters = HandParameters(
        hand_pose=torch.randn(2, 30),
        betas=torch.randn(2, 10),
        rotation=torch.randn(2, 3),
        translation=torch.tensor([[0.1, -0.2, 0.6], [0, 0.05, 0.9]]),
        scale=torch.tensor([-1.5, 0.8]),
    )
    placed = network.place_hand(parameters, K)
    bare = network.mano_layer(parameters.hand_pose, parameters.betas, parameters.rotation)
    for hand, scale in enumerate((1.5, 0.8)):
        expected = parameters.translation[hand] + scale * bare.vertices[hand]
        torch.testing.assert_close(placed["vertices"][hand], expected)
        expected = parameters.translation[hand] + scale * bare.joints[hand]
        torch.testing.assert_close(placed["joints"][hand], expected)
    torch.testing.assert_close(placed["keypoints_2d"], project_points(placed["joints"], K))
    torch.testing.assert_close(placed["pose_axis_angle"], bare.pose_axis_angle)


def test_attention_multiplies_the_feature(network, image, K):
    network.attention = lambda encoding: torch.zeros(len(encoding), 16)
    attended = network(image, K)
    silent = network.hand_head(torch.zeros(2, 16))
    assert torch.equal(attended.parameters.hand_pose, silent.hand_pose)
    assert network.keypoint_net.calls == 1
    assert attended.heatmap_keypoints is None


def test_geometry_is_float32_under_autocast(network, image, K):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hand = network(image, K, parts={"render"})
        assert network.backbone(image)[1].dtype == torch.bfloat16
    assert network.mano_layer.dtypes == {torch.float32}
    outputs = (hand.vertices, hand.joints, hand.keypoints_2d, hand.face_textures, hand.light, *hand.render)
    assert {output.dtype for output in outputs} == {torch.float32}


def test_impossible_requests_are_explained(network, image, K):
    with pytest.raises(ValueError, match=r"unknown parts \['face'\]: choose from"):
        network(image, K, parts={"hand", "face"})
    with pytest.raises(ValueError, match="needs the camera matrix K"):
        network(image)
    with pytest.raises(ValueError, match="part 'heatmaps' needs a keypoint_net"):
        HandNet()(image, parts={"heatmaps"})
    network.attention, network.keypoint_net = nn.Identity(), None
    with pytest.raises(ValueError, match="hand needs a keypoint_net"):
        network(image, K)


def test_factory_refuses_contradictions():
    network = NetworkSection(hourglass_stacks=1, hourglass_features=8)
    with pytest.raises(ValueError, match="needs hand_model"):
        build_hand_net(network, {"hand"})
    with pytest.raises(ValueError, match="need the hand's encoder"):
        build_hand_net(network, {"texture"})
    with pytest.raises(ValueError, match="confidence is that of the hand's joints"):
        build_hand_net(network, {"confidence"})
    with pytest.raises(ValueError, match="attention joins"):
        build_hand_net(NetworkSection(attention=True), {"hand"}, load_hand_model("generic"))
    with pytest.raises(ValueError, match=r"unknown parts \['face'\]: choose from"):
        build_hand_net(network, {"face"})
    only_2d = build_hand_net(network, {"heatmaps"})
    assert only_2d.keypoint_net.input_size == 256
    assert only_2d.backbone is None


def test_real_parts_work_together(image, K):
    torch.manual_seed(0)
    section = NetworkSection(
        image_size=SIZE,
        backbone="mobilenetv3_small_050",
        attention=True,
        **{"hourglass_stacks": 1, "hourglass_modules": 1, "hourglass_features": 16},
    )
    network = build_hand_net(section, PARTS, load_hand_model("generic"))
    prediction = network(image, K, parts=PARTS)
    assert prediction.joint_error_px.shape == (2, 21)
    assert prediction.render.rgb.shape == (2, 3, SIZE, SIZE)
    assert 0.02 < prediction.render.silhouette.mean() < 0.5
    assert prediction.heatmap_keypoints.shape == (1, 2, 21, 2)
    loss = prediction.render.rgb.mean() + prediction.keypoints_2d.mean() + prediction.heatmap_keypoints.mean()
    loss = loss + prediction.joint_error_px.mean()
    loss.backward()
    for part in (
        "backbone",
        "hand_head",
        "confidence_head",
        "texture_light_head",
        "keypoint_net",
        "attention",
    ):
        grads = [weight.grad for weight in getattr(network, part).parameters()]
        assert all(grad is not None and grad.isfinite().all() for grad in grads), part
    # A checkpoint never holds the hand model, which may be licensed, nor the renderer.
    assert not [key for key in network.state_dict() if key.startswith(("mano_layer", "renderer"))]


def test_keypoint_rays_undo_the_projection():
    points = torch.randn(2, 21, 3) * 0.05 + torch.tensor([0.02, -0.03, 0.6])
    K = torch.tensor([[[480.0, 0, 110], [0, 470, 114], [0, 0, 1]], [[300.0, 0, 60], [0, 310, 66], [0, 0, 1]]])
    rays = keypoint_rays(project_points(points, K), K).reshape(2, 21, 2) / RAY_GAIN
    torch.testing.assert_close(rays, points[..., :2] / points[..., 2:], rtol=1e-4, atol=1e-5)


def test_keypoint_input_reaches_the_hand_and_sends_no_gradient_back(image, K):
    section = NetworkSection(
        image_size=SIZE,
        backbone="test_resnet",
        hand_input="image+keypoints",
        hourglass_stacks=1,
        hourglass_modules=1,
        hourglass_features=8,
    )
    net = build_hand_net(section, {"hand", "heatmaps"}, load_hand_model("generic")).eval()
    net(image, K, {"hand"}).joints.sum().backward()
    assert all(weight.grad is None for weight in net.keypoint_net.parameters())
    with torch.no_grad():
        before = net(image, K, {"hand"}).joints
        net.keypoint_net.hourglass.stacks[-1].heatmap.bias.normal_()
        net.keypoint_net.hourglass.stacks[-1].heatmap.weight.mul_(50)
        assert not torch.allclose(before, net(image, K, {"hand"}).joints, atol=1e-5)
