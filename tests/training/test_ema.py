"""The moving average of weights."""

import torch

from s2hand.training.ema import WeightAverage


def test_average_follows_a_slow_loop_and_leaves_the_model_alone():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    average = WeightAverage(model, decay=0.5)
    expected = model[0].weight.detach().clone()
    for step in range(1, 6):
        with torch.no_grad():
            model[0].weight.fill_(step)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    with average.applied_to(model):
        torch.testing.assert_close(model[0].weight.detach(), expected)
    assert model[0].weight.eq(5).all()
