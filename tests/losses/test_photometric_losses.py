"""Photometric losses: SSIM against scikit-image, what the background does, and sample weights."""

import pytest
import torch
from skimage.metrics import structural_similarity

from s2hand.losses import photometric as ph

SIZE = 32


@pytest.fixture
def scene():
    """rgb, silhouette, image, weight: float64, two samples, a disc of hand on white."""
    generator = torch.Generator().manual_seed(0)
    axis = torch.arange(SIZE) - SIZE / 2
    disc = (axis[:, None] ** 2 + axis**2 < 100).double().expand(2, SIZE, SIZE)
    hand, image = torch.rand(2, 2, 3, SIZE, SIZE, generator=generator, dtype=torch.float64)
    rgb = torch.where(disc.unsqueeze(1) > 0, hand, 1.0)
    return rgb, disc, image, torch.tensor([0.8, 0.3], dtype=torch.float64)


def test_ssim_equals_scikit_image_away_from_the_border(scene):
    """scikit-image mirrors pictures at their border and this pads them with zeros; inside both agree."""
    rgb, _, image, _ = scene
    ours = ph.ssim_map(rgb, image)
    for sample in range(2):
        for channel in range(3):
            _, expected = structural_similarity(
                *(picture[sample, channel].numpy() for picture in (rgb, image)),
                data_range=1.0,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                full=True,
            )
            inside = (slice(5, -5), slice(5, -5))
            torch.testing.assert_close(ours[sample, channel][inside], torch.from_numpy(expected)[inside])


def test_ssim_equals_a_dense_window_with_zero_padding(scene):
    rgb, _, image, _ = scene
    window = torch.exp(-((torch.arange(11.0, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
    window = (window[:, None] * window)[None, None] / window.sum() ** 2
    first, second = rgb[:, :1, :20], image[:, :1, :20]  # not square

    def blur(picture):
        return torch.nn.functional.conv2d(picture, window, padding=5)

    mean_a, mean_b = blur(first), blur(second)
    var_a, var_b = blur(first**2) - mean_a**2, blur(second**2) - mean_b**2
    covariance = blur(first * second) - mean_a * mean_b
    expected = ((2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)) / (
        (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    )
    torch.testing.assert_close(ph.ssim_map(first, second), expected)


def test_equal_pictures_cost_nothing(scene):
    rgb, silhouette, _, weight = scene
    shown, target = ph.masked_pair(rgb, silhouette, rgb)
    assert ph.texture_loss(shown, target, weight) == 0
    assert ph.mean_colour_loss(shown, target, weight) == 0
    assert abs(ph.ssim_loss(shown, target)) < 1e-12


def test_masked_ignores_the_background_and_published_does_not(scene):
    rgb, silhouette, image, weight = scene
    grey = torch.where(silhouette.unsqueeze(1) > 0, rgb, 0.5)

    def losses(pair, picture):
        shown, target = pair(picture, silhouette, image)
        return [
            float(ph.texture_loss(shown, target, weight)),
            float(ph.mean_colour_loss(shown, target, weight)),
            float(ph.ssim_loss(shown, target)),
        ]

    assert losses(ph.masked_pair, rgb) == losses(ph.masked_pair, grey)
    published_white, published_grey = losses(ph.published_pair, rgb), losses(ph.published_pair, grey)
    assert all(abs(white - g) > 0.05 for white, g in zip(published_white, published_grey, strict=True))
    outside = 1 - float(silhouette.mean())
    assert published_white[0] == pytest.approx(losses(ph.masked_pair, rgb)[0] + outside, rel=1e-12)


def test_masked_loss_pulls_on_covered_pixels_only(scene):
    rgb, silhouette, image, weight = scene
    rgb = rgb.requires_grad_()
    shown, target = ph.masked_pair(rgb, silhouette, image)
    (gradient,) = torch.autograd.grad(ph.texture_loss(shown, target, weight), rgb)
    pulled = (gradient != 0).all(1)
    assert torch.equal(pulled, silhouette > 0)


def test_samples_weigh_by_the_square(scene):
    rgb, silhouette, image, weight = scene
    shown, target = ph.masked_pair(rgb, silhouette, image)
    alone = [(shown - target).abs()[i].mean() for i in range(2)]
    expected = (0.64 * alone[0] + 0.09 * alone[1]) / 0.73
    torch.testing.assert_close(ph.texture_loss(shown, target, weight), expected)
    colours = [(shown - target)[i].mean().abs() for i in range(2)]
    expected = (0.64 * colours[0] + 0.09 * colours[1]) / 0.73
    torch.testing.assert_close(ph.mean_colour_loss(shown, target, weight), expected)


def test_no_weight_gives_zero_and_zero_gradients(scene):
    rgb, silhouette, image, _ = (tensor.float() for tensor in scene)
    rgb = rgb.requires_grad_()
    pair = ph.masked_pair(rgb, silhouette, image)
    loss = ph.texture_loss(*pair, torch.zeros(2)) + ph.mean_colour_loss(*pair, torch.zeros(2))
    loss = loss + ph.texture_outlier_loss(rgb.flatten(2).mT, torch.zeros(2))
    (gradient,) = torch.autograd.grad(loss, rgb)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


def outlier_loop(textures, weight):
    """Sample by sample, channel by channel, face by face."""
    numerator = 0.0
    for sample, c in zip(textures, weight, strict=True):
        total = 0.0
        for channel in sample.T:
            distance = (channel - channel.mean()).abs()
            total += sum(float(d) for d in distance if d > 2 * channel.std())
        numerator += float(c) ** 2 * total / sample.numel()
    return numerator / float(weight.square().sum())


def test_texture_outliers_equal_a_loop():
    generator = torch.Generator().manual_seed(1)
    textures = torch.rand(3, 50, 3, generator=generator, dtype=torch.float64)
    textures[0, 7], textures[1, 8, 1], textures[2, 3] = 9.0, -5.0, 4.0
    weight = torch.tensor([0.9, 0.2, 0.5], dtype=torch.float64)
    loss = ph.texture_outlier_loss(textures, weight)
    assert float(loss) == pytest.approx(outlier_loop(textures, weight), rel=1e-12)
    assert loss > 0.05


def test_texture_outliers_of_one_sample_do_not_touch_another():
    """The published code mixes samples; here a sample without weight has no effect at all."""
    textures = torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(2))
    textures[:, 3] = 5
    weight = torch.tensor([0.7, 0.0])
    loss = ph.texture_outlier_loss(textures, weight)
    textures[1] *= 100
    assert ph.texture_outlier_loss(textures, weight) == loss


def test_flat_texture_has_no_outliers():
    textures = torch.full((2, 40, 3), 0.7, requires_grad=True)
    loss = ph.texture_outlier_loss(textures, torch.ones(2))
    (gradient,) = torch.autograd.grad(loss, textures)
    assert loss < 1e-6
    assert gradient.isfinite().all()


def test_silhouette_is_the_mean_absolute_difference():
    silhouette, mask = torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)
    mask[0, :2] = 1
    silhouette[1, 0] = 0.5
    assert ph.silhouette_loss(silhouette, mask) == (8 + 2) / 32


def test_gradients_equal_finite_differences(scene):
    rgb, silhouette, image, weight = (
        tensor[..., :2, 8:16, 8:16] if tensor.ndim > 2 else tensor for tensor in scene
    )
    rgb = rgb.clone().requires_grad_()

    def losses(rgb):
        pair = ph.masked_pair(rgb, silhouette, image)
        return ph.texture_loss(*pair, weight), ph.ssim_loss(*pair)

    assert torch.autograd.gradcheck(losses, rgb)
