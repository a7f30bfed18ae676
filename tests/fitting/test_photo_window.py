"""The square of a photo about a hand: where its pixels come from."""

import numpy as np

from s2hand.fitting.photo_window import photo_window


def ramp(width, height):
    """A photo whose red is x and whose green is y at the middles of its pixels."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([x, y, np.zeros_like(x)], -1)


def check(photo, points, raster_px):
    """Every pixel of the raster that is inside of the photo has the colour of where it comes from."""
    window, pixels = photo_window(np.rint(photo).astype(np.uint8), points, raster_px, 0.1)
    middles = np.arange(raster_px) + 0.5
    x, y = np.meshgrid(middles, middles)
    back = np.linalg.inv(window)
    expected = np.stack([back[0, 0] * x + back[0, 2], back[1, 1] * y + back[1, 2]], -1)
    height, width = photo.shape[:2]
    inside = ((expected > 3) & (expected < (width - 3, height - 3))).all(-1)
    assert np.abs(pixels[inside][:, :2] * 255 - expected[inside]).max() < 1.2
    outside = ((expected < -3) | (expected > (width + 3, height + 3))).any(-1)
    assert np.isnan(pixels[outside]).all()
    return inside, outside


def test_pixels_come_from_where_the_map_says():
    inside, outside = check(ramp(240, 200), np.array([[60.0, 50], [170, 140]]), 32)  # shrunk
    assert inside.all()
    inside, _ = check(ramp(240, 200), np.array([[60.0, 50], [80, 65]]), 64)  # enlarged
    assert inside.all()
    inside, outside = check(ramp(240, 200), np.array([[-60.0, -50], [70, 40]]), 48)  # at the corner
    assert inside.any()
    assert outside.any()


def test_a_window_beside_the_photo_is_empty():
    _, pixels = photo_window(np.zeros((40, 50, 3), np.uint8), np.array([[90.0, 10], [120, 30]]), 16, 0.1)
    assert np.isnan(pixels).all()
