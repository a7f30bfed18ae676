"""MediaPipe's hand network as an encoder, and the hand head that lifts the landmarks it reads."""

import pytest
import torch

from s2hand.config.sections import NetworkSection
from s2hand.hand import load_hand_model
from s2hand.models import HandNet, build_encoder, build_hand_net
from s2hand.models.hand_encoder import HandEncoder
from s2hand.models.hand_view import HandLandmarks
from s2hand.models.landmark_lift import (
    NEAREST_M,
    NEAREST_SHARE,
    RANDOM_HANDS_WEIGHTS,
    LandmarkLifter,
    solve_translation,
)
from s2hand.models.mediapipe import load_landmark_net


@pytest.fixture(scope="module")
def encoder():
    return HandEncoder().eval()


@pytest.fixture(scope="module")
def image():
    return torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def K():
    return torch.tensor([[500.0, 0, 100], [0, 500, 120], [0, 0, 1]]).expand(2, 3, 3)


@pytest.fixture(scope="module")
def network():
    section = NetworkSection(
        backbone="mediapipe_hand",
        hand_input="image+landmarks",
        hand_head_pretrained=True,
        num_pca=45,
        detected_points="mediapipe",
    )
    return build_hand_net(section, {"hand", "texture"}, load_hand_model("generic")).eval()


def test_it_gives_the_trunks_maps_and_landmarks(encoder, image, K):
    whole = load_landmark_net()
    with torch.no_grad():
        low, feature = encoder(image)
        expected = whole(image)
    assert low.shape == (2, encoder.low_channels, 56, 56)
    assert feature.shape == (2, encoder.feature_channels)
    found = encoder.landmarks(feature, K, 224)
    pixels = found.rays * 500 + torch.tensor([100.0, 120])
    torch.testing.assert_close(pixels, expected.landmarks[..., :2] + 0.5, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.world, expected.world)
    torch.testing.assert_close(found.depths * 500 * 0.4, expected.landmarks[..., 2], atol=1e-3, rtol=0)


def test_landmarks_are_in_pixels_of_images_of_any_size(encoder, image, K):
    with torch.no_grad():
        feature = encoder(image)[1]
        small = torch.cat([K[:, :2] / 2, K[:, 2:]], 1)
        half, full = encoder.landmarks(feature, small, 112), encoder.landmarks(feature, K, 224)
        assert encoder(image[..., :112, :112])[1].shape == feature.shape
    torch.testing.assert_close(half.rays, full.rays)
    torch.testing.assert_close(half.depths, full.depths)


def test_the_network_starts_as_the_bundled_lift(network, image, K):
    with torch.no_grad():
        prediction = network(image, K, {"hand"})
        feature = network.backbone(image)[1]
        lifter = LandmarkLifter.bundled(path=RANDOM_HANDS_WEIGHTS)
        hand = lifter(network.backbone.landmarks(feature, K, 224))
        joints = network.mano_layer(*_parameters(hand, network)).joints + hand.translation[:, None]
    torch.testing.assert_close(prediction.joints, joints, atol=1e-5, rtol=0)


def _parameters(hand, network: HandNet):
    parameters = hand.parameters(network.mano_layer)
    return parameters.hand_pose, parameters.betas, parameters.rotation


def test_landmarks_of_detectors_lie_beside_the_joints(network, image, K):
    with torch.no_grad():
        prediction = network(image, K, {"hand"})
    offset = (prediction.landmarks_2d - prediction.keypoints_2d).norm(dim=-1)
    assert 0.1 < offset.mean() < 20


def test_the_image_moves_the_hand_once_it_has_weights_and_can_be_missing(image, K):
    section = NetworkSection(backbone="mediapipe_hand", hand_input="image+landmarks", num_pca=45)
    network = build_hand_net(section, {"hand"}, load_hand_model("generic")).eval()
    torch.nn.init.normal_(network.hand_head.net.image[1].weight, std=0.05)
    torch.nn.init.normal_(network.hand_head.net.last.weight, std=0.05)
    with torch.no_grad():
        feature = network.backbone(image)[1]
        landmarks = network.backbone.landmarks(feature, K, 224)
        seen = network.hand_head(landmarks, image=feature)
        unseen = network.hand_head(landmarks)
        missing = network.hand_head(landmarks, image=torch.full_like(feature, torch.nan))
    assert (seen.angles - unseen.angles).abs().max() > 1e-3
    torch.testing.assert_close(missing.angles, unseen.angles)


def test_what_is_encoded_already_is_not_encoded_again(network, image, K):
    with torch.no_grad():
        encoded = network.backbone(image)
        expected = network(image, K, {"hand", "texture"})
        found = network(torch.zeros_like(image), K, {"hand", "texture"}, encoded=encoded)
    torch.testing.assert_close(found.vertices, expected.vertices)
    torch.testing.assert_close(found.face_textures, expected.face_textures)


def test_random_weights_differ_from_the_bundled_ones():
    torch.manual_seed(1)
    drawn, bundled = build_encoder("mediapipe_hand"), build_encoder("mediapipe_hand", pretrained=True)
    weight = "network.trunk.stem.weight"
    assert not torch.equal(drawn.state_dict()[weight], bundled.state_dict()[weight])
    assert torch.equal(bundled.state_dict()[weight], load_landmark_net().trunk.stem.weight)


def test_no_hand_is_put_behind_the_camera():
    points = torch.tensor([[[0.1, 0, 0], [-0.1, 0, 0], [0, 0.1, 0]]]).repeat(1, 7, 1)
    rays = -points[..., :2]  # a hand upside down: least squares would put it behind
    translation = solve_translation(points, rays, torch.ones(1, 21))
    assert translation[0, 2] == pytest.approx(NEAREST_SHARE)  # of 1 m, where points and rays are as large
    translation = solve_translation(points, 30 * rays, torch.ones(1, 21))
    assert translation[0, 2] == pytest.approx(NEAREST_M)


@pytest.mark.parametrize("keep_depths", [True, False])
def test_detections_may_come_without_the_encoders_depths(image, K, keep_depths):
    section = NetworkSection(
        backbone="mediapipe_hand",
        hand_input="detections",
        hand_head_pretrained=True,
        num_pca=45,
        encoder_depths=keep_depths,
    )
    network = build_hand_net(section, {"hand"}, load_hand_model("generic")).eval()
    points = 100 + 30 * torch.randn(2, 21, 2, generator=torch.Generator().manual_seed(1))
    confidence = torch.ones(2, 21)
    confidence[1, 7:] = 0  # too few: the second hand is the encoder's own
    detected = points, confidence
    with torch.no_grad():
        first, other = (network(seen, K, {"hand"}, detected=detected).joints for seen in (image, 1 - image))
        alone = network.hand_head(HandLandmarks.from_pixels(points[:1], K[:1]))
        joints = network.mano_layer(*_parameters(alone, network)).joints + alone.translation[:, None]
    assert torch.equal(first[0], other[0]) != keep_depths
    assert not torch.equal(first[1], other[1])
    if not keep_depths:
        torch.testing.assert_close(first[:1], joints, atol=1e-5, rtol=0)
