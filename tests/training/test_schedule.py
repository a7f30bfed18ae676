"""Learning-rate schedules."""

import pytest
import torch

from s2hand.config.sections import TrainingSection
from s2hand.training.schedule import LearningRate, build_optimizer


def test_published_decay_halves_at_each_milestone_and_holds_within_an_epoch():
    rate = LearningRate(TrainingSection(init_lr=1e-3, lr_steps=(30, 60, 90), lr_gamma=0.5, total_epochs=120))
    found = [rate.at(epoch, 10**6) for epoch in (0, 29.99, 30, 30.5, 60, 119.9)]
    assert found == pytest.approx([1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4, 1.25e-4])


def test_cosine_falls_to_zero_and_warmup_rises_linearly():
    rate = LearningRate(TrainingSection(init_lr=1.0, lr_schedule="cosine", total_epochs=10, warmup_steps=4))
    assert rate.at(0, 0) == pytest.approx(0.25)
    assert rate.at(5, 100) == pytest.approx(0.5)
    assert rate.at(10, 100) == pytest.approx(0, abs=1e-12)


def test_adamw_is_adamw():
    model = torch.nn.Linear(1, 1)
    adamw = build_optimizer(TrainingSection(optimizer="AdamW", init_lr=0.1, weight_decay=0.5), model)
    assert type(adamw) is torch.optim.AdamW
    assert (adamw.defaults["lr"], adamw.defaults["weight_decay"]) == (0.1, 0.5)
    assert type(build_optimizer(TrainingSection(), model)) is torch.optim.Adam


def test_a_backbone_may_learn_more_slowly():
    model = torch.nn.Module()
    model.backbone, model.head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    training = TrainingSection(init_lr=0.1, backbone_lr_factor=0.25)
    optimizer = build_optimizer(training, model)
    assert LearningRate(training).apply(optimizer, 0, 0) == pytest.approx(0.1)
    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    assert [rates[parameter] for parameter in model.backbone.parameters()] == pytest.approx([0.025] * 2)
    assert [rates[parameter] for parameter in model.head.parameters()] == pytest.approx([0.1] * 2)
