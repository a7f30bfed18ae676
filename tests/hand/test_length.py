"""The length of a hand by its shape, against the joints of posed hands and against sampling."""

import numpy as np
import torch

from s2hand.hand import ManoLayer, load_hand_model
from s2hand.hand.length import HandRuler

MIDDLE = [0, 9, 10, 11, 12]


def test_bones_of_posed_hands_sum_up_to_it():
    model = load_hand_model("generic")
    random = torch.Generator().manual_seed(0)
    pose, betas, rotation = (torch.randn(5, size, generator=random) for size in (30, 10, 3))
    joints = ManoLayer(model)(0.5 * pose, betas, rotation).joints[:, MIDDLE]
    expected = joints.diff(dim=1).norm(dim=-1).sum(1)
    # The tip is a vertex of the skin, which bends with its joints.
    np.testing.assert_allclose(HandRuler(model).lengths_m(betas), expected, atol=0.0015)


def test_the_prior_is_that_of_random_shapes():
    ruler = HandRuler(load_hand_model("generic"))
    lengths = 1000 * ruler.lengths_m(torch.randn(20_000, 10, generator=torch.Generator().manual_seed(1)))
    assert abs(float(lengths.mean()) - ruler.prior.mean_mm) < 0.3
    assert abs(float(lengths.std()) / ruler.prior.spread_mm - 1) < 0.03
    assert "generic" in ruler.prior.source
