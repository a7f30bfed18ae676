"""Skin tone: against a loop and an optimiser, through the renderer, and with something before the hand."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize

from s2hand.hand import ManoLayer, load_hand_model
from s2hand.losses.tone import INLIER_COLOUR, robust_mean_colour, tone_loss
from s2hand.rendering import MeshRenderer

SIZE = 48
SKIN = torch.tensor([0.45, 0.3, 0.22])
BACKGROUND = torch.tensor([0.1, 0.7, 0.9])


@pytest.fixture
def scene():
    """rgb, silhouette, image, weight: float64, a disc of hand on white, its border half covered."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.arange(SIZE) - SIZE / 2
    squares = (axis[:, None] ** 2 + axis**2).double()
    silhouette = ((squares < 100) * 0.5 + (squares < 144) * 0.5).expand(2, SIZE, SIZE)
    rgb, image = torch.rand(2, 2, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    return rgb, silhouette, image, torch.tensor([0.8, 0.3], dtype=torch.float64)


def test_the_robust_mean_minimises_hubers_penalty():
    random = np.random.default_rng(0)
    colours = np.concatenate([random.normal(0.4, 0.05, (150, 3)), random.normal(0.9, 0.02, (30, 3))])

    def penalty(mean):
        distance = np.linalg.norm(colours - mean, axis=-1)
        near = distance < INLIER_COLOUR
        return np.where(near, distance**2 / 2, INLIER_COLOUR * (distance - INLIER_COLOUR / 2)).sum()

    expected = optimize.minimize(penalty, colours.mean(0), method="BFGS").x
    found = robust_mean_colour(torch.from_numpy(colours.T)[None], torch.ones(1, 180, dtype=torch.float64))
    np.testing.assert_allclose(found[0].numpy(), expected, atol=0.01)


def test_the_loss_equals_a_loop_where_all_colours_are_near(scene):
    rgb, silhouette, image, weight = scene
    image = 0.5 + 0.05 * (image - 0.5)
    numerator = denominator = 0.0
    for sample in range(2):
        shown, seen = [], []
        for y in range(SIZE):
            for x in range(SIZE):
                if silhouette[sample, y, x] == 1:
                    shown.append(rgb[sample, :, y, x].tolist())
                    seen.append(image[sample, :, y, x].tolist())
        difference = np.abs(np.mean(shown, 0) - np.mean(seen, 0)).mean()
        numerator += float(weight[sample]) ** 2 * difference
        denominator += float(weight[sample]) ** 2
    found = tone_loss(rgb, silhouette, image, weight)
    assert float(found) == pytest.approx(numerator / denominator, rel=1e-9)


def test_gradients_equal_finite_differences(scene):
    rgb, silhouette, image, weight = scene
    rgb = rgb[..., 18:30, 18:30].clone().requires_grad_()
    silhouette, image = silhouette[..., 18:30, 18:30], image[..., 18:30, 18:30]
    assert torch.autograd.gradcheck(lambda shown: tone_loss(shown, silhouette, image, weight), rgb)


def test_nothing_outside_of_the_hand_matters(scene):
    rgb, silhouette, image, weight = scene
    outside = (silhouette < 1).unsqueeze(1)
    changed = tone_loss(torch.where(outside, 0.0, rgb), silhouette, torch.where(outside, 1.0, image), weight)
    assert changed == tone_loss(rgb, silhouette, image, weight)


def test_hands_out_of_sight_cost_nothing(scene):
    rgb, silhouette, image, weight = scene
    shown = rgb.clone().requires_grad_()
    loss = tone_loss(shown, torch.zeros_like(silhouette), image, weight)
    assert loss == 0
    assert not torch.autograd.grad(loss, shown)[0].any()


@pytest.mark.parametrize("spoilt", [0.0, 0.15])
def test_the_rendered_hand_takes_on_the_tone_of_the_photo(spoilt):
    """Texture and light follow a photo whose hand is partly hidden by something of another colour."""
    model = load_hand_model("generic")
    layer = ManoLayer(model)
    vertices = layer(torch.zeros(1, 30), torch.zeros(1, 10), torch.zeros(1, 3)).vertices
    vertices = vertices + torch.tensor([0.0, 0.0, 0.5])
    K = torch.tensor([[[110.0, 0, 24], [0, 110, 24], [0, 0, 1]]])
    renderer = MeshRenderer.for_s2hand(torch.from_numpy(model.faces), SIZE)
    colour = torch.full((1, 1538, 3), 0.6).requires_grad_()
    light = torch.ones(1, 11).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    hidden = torch.rand(SIZE, SIZE, generator=generator) < spoilt
    image = torch.where(hidden, BACKGROUND[:, None, None], SKIN[:, None, None])[None]
    image = image + 0.04 * torch.randn(image.shape, generator=generator)
    optimiser = torch.optim.Adam([colour, light], lr=0.03)
    for _ in range(60):
        render = renderer(vertices, K, colour, light)
        loss = tone_loss(render.rgb, render.silhouette, image, torch.ones(1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    inside = render.silhouette[0] == 1
    assert inside.sum() > 100
    tone = render.rgb[0][:, inside].mean(1).detach()
    assert math.dist(tone.tolist(), SKIN.tolist()) < 0.06
