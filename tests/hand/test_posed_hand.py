"""Posed hands as parameters of the hand layer, and back."""

import pytest
import torch

from s2hand.geometry.rotations import axis_angle_to_matrix
from s2hand.hand import ManoLayer, load_hand_model
from s2hand.hand.posed_hand import PosedHand
from s2hand.models.placing import place_hand
from s2hand.structures import HandParameters


@pytest.fixture
def hands():
    random = torch.Generator().manual_seed(0)
    return PosedHand(
        angles=0.3 * torch.randn(4, 15, 3, generator=random),
        betas=torch.randn(4, 10, generator=random),
        rotation=axis_angle_to_matrix(torch.randn(4, 3, generator=random)),
        translation=torch.tensor([0.1, -0.05, 0.6]) + 0.1 * torch.rand(4, 3, generator=random),
    )


def test_parameters_lead_back_to_the_hand(hands):
    layer = ManoLayer(load_hand_model("generic"), num_pca=45)
    again = PosedHand.of_parameters(hands.parameters(layer), layer)
    for name, value in vars(hands).items():
        assert torch.allclose(getattr(again, name), value, atol=1e-5), name


def test_a_scaled_hand_of_few_directions_is_seen_at_the_same_place():
    model = load_hand_model("generic")
    few, all_of_them = (ManoLayer(model, num_pca=count) for count in (12, 45))
    random = torch.Generator().manual_seed(1)
    parameters = HandParameters(
        hand_pose=torch.randn(3, 12, generator=random),
        betas=torch.randn(3, 10, generator=random),
        rotation=torch.randn(3, 3, generator=random),
        translation=torch.tensor([0.02, 0.01, 0.7]).expand(3, 3),
        scale=torch.tensor([0.8, -1.2, 1.0]),
    )
    K = torch.tensor([[400.0, 0, 112], [0, 400, 112], [0, 0, 1]]).expand(3, 3, 3)
    seen = place_hand(few, parameters, K)["keypoints_2d"]
    hand = PosedHand.of_parameters(parameters, few)
    again = place_hand(all_of_them, hand.parameters(all_of_them), K)["keypoints_2d"]
    assert torch.allclose(again, seen, atol=1e-2)
