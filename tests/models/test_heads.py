"""Heads: where they start, what they answer, in which precision."""

import pytest
import torch

from s2hand.models import ConfidenceHead, HandHead, HeatmapAttention, TextureLightHead
from s2hand.models.heads import INITIAL_ERROR, LARGEST_ERROR, LEAST_ERROR, MEAN_SKIN_COLOR


def test_hand_starts_before_the_camera():
    hand = HandHead(32, num_pca=12).eval()(torch.randn(4, 32))
    assert hand.hand_pose.shape == (4, 12)
    assert hand.betas.shape == (4, 10)
    assert hand.rotation.shape == (4, 3)
    torch.testing.assert_close(hand.scale, torch.full((4,), 0.95), rtol=0, atol=1e-4)
    torch.testing.assert_close(hand.translation, torch.tensor([[0, 0, 0.65]]).expand(4, 3), rtol=0, atol=1e-4)


def test_mean_shape_zeroes_betas_and_keeps_the_checkpoint_layout():
    head, mean_head = HandHead(32).eval(), HandHead(32, use_mean_shape=True).eval()
    mean_head.load_state_dict(head.state_dict())
    feature = torch.randn(2, 32)
    assert head(feature).betas.abs().max() > 0
    assert torch.equal(mean_head(feature).betas, torch.zeros(2, 10))
    assert torch.equal(mean_head(feature).hand_pose, head(feature).hand_pose)


def test_textures_start_at_the_mean_skin_and_light_at_one():
    face_textures, light = TextureLightHead(16, num_faces=20)(torch.randn(2, 16, 56, 56))
    torch.testing.assert_close(
        face_textures, torch.tensor(MEAN_SKIN_COLOR).expand(2, 20, 3), rtol=0, atol=1e-3
    )
    torch.testing.assert_close(light, torch.ones(2, 11), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [32, 56, 64])
def test_low_level_maps_of_any_size_fit(size):
    head = TextureLightHead(16, num_faces=20)
    # A constant map stays the same whatever its size.
    fitting = head(torch.full((1, 16, 56, 56), 0.3))
    other = head(torch.full((1, 16, size, size), 0.3))
    torch.testing.assert_close(other, fitting)
    attention = HeatmapAttention(24, features=16).eval()
    assert attention(torch.rand(2, 16, size, size)).shape == (2, 24)


def test_heads_are_float32_under_autocast():
    head, textures = HandHead(32).eval(), TextureLightHead(16, num_faces=20)
    feature, low_features = torch.randn(2, 32).bfloat16(), torch.randn(2, 16, 56, 56).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hand, (face_textures, light) = head(feature), textures(low_features)
    torch.testing.assert_close(hand.hand_pose, head(feature.float()).hand_pose)
    torch.testing.assert_close((face_textures, light), textures(low_features.float()))


def test_expected_errors_start_alike_and_stay_in_their_bounds():
    torch.manual_seed(0)
    head = ConfidenceHead(32)
    torch.testing.assert_close(
        head(torch.randn(8, 32)), torch.full((8, 21), INITIAL_ERROR), rtol=0.02, atol=0
    )
    for logit, bound in ((-100.0, LEAST_ERROR), (100.0, LARGEST_ERROR)):
        torch.nn.init.constant_(head.layers[-1].bias, logit)
        torch.testing.assert_close(head(torch.randn(8, 32)), torch.full((8, 21), bound))
