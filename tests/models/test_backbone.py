"""Backbones: the two maps of any timm network."""

import pytest
import torch

from s2hand.errors import NetworkError
from s2hand.models import Backbone


@pytest.mark.parametrize(
    ("name", "feature_channels", "low_channels"),
    [
        ("resnet18", 512, 64),
        ("resnet50", 2048, 256),
        ("mobilenetv3_small_050", 1024, 8),
        ("convnext_atto", 320, 40),
    ],
)
@torch.no_grad()
def test_shapes_agree_with_the_declared_channels(name, feature_channels, low_channels):
    backbone = Backbone(name).eval()
    low_features, feature = backbone(torch.rand(2, 3, 64, 64))
    assert (backbone.feature_channels, backbone.low_channels) == (feature_channels, low_channels)
    assert low_features.shape == (2, low_channels, 16, 16)
    assert feature.shape == (2, feature_channels)


@torch.no_grad()
def test_resnet_gives_its_first_stage_and_its_pooled_last_map():
    backbone = Backbone("resnet18").eval()
    network, image = backbone.network, torch.rand(1, 3, 64, 64)
    stem = network.maxpool(network.act1(network.bn1(network.conv1(image))))
    first = network.layer1(stem)
    last = network.layer4(network.layer3(network.layer2(first)))
    low_features, feature = backbone(image)
    torch.testing.assert_close(low_features, first)
    torch.testing.assert_close(feature, last.mean((2, 3)))


def test_no_weight_is_left_without_gradient():
    backbone = Backbone("mobilenetv3_small_050")
    low_features, feature = backbone(torch.rand(2, 3, 64, 64))
    (feature.sum() + low_features.sum()).backward()
    assert [name for name, weight in backbone.named_parameters() if weight.grad is None] == []


def test_unknown_names_list_close_ones():
    with pytest.raises(ValueError, match=r"'resnet5O' is not a network of timm .*resnet50"):
        Backbone("resnet5O")
    with pytest.raises(ValueError, match="no feature map of stride 4"):
        Backbone("vit_tiny_patch16_224")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18.no_such_weights", "cannot be built"),
        ("swin_tiny_patch4_window7_224", "cannot take images of 64 px"),
    ],
)
def test_networks_that_cannot_be_used_are_refused_in_one_line(name, message):
    with pytest.raises(NetworkError, match=message) as error:
        Backbone(name).check_size(64)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_message_about_a_backbone_shortens_a_name_of_any_length():
    with pytest.raises(NetworkError, match="is not a network of timm") as caught:
        Backbone("x" * 1_000_000)
    assert len(str(caught.value)) < 300
