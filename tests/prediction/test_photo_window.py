import cv2
import numpy as np
import pytest

from s2hand.prediction.photo_window import BLUR, photo_window

RASTER = 64


def whole_photo_window(photo, window):
    """The plain way: the whole photo is blurred and mapped."""
    scale = window[0, 0]
    blurred = photo if scale >= 1 else cv2.GaussianBlur(photo, (0, 0), BLUR / scale)
    matrix = window[:2] + np.array([0, 0, 0.5 * (scale - 1)])
    return cv2.warpAffine(blurred, matrix, (RASTER, RASTER), flags=cv2.INTER_LINEAR) / 255


@pytest.mark.parametrize("side", [40, 150, 390])
@pytest.mark.parametrize("corner", [(210, 130), (-20, 5), (500, 300)])
def test_the_window_is_that_of_the_whole_photo(side, corner):
    photo = np.random.default_rng(0).integers(0, 256, (420, 610, 3), np.uint8)
    points = np.array([corner, np.add(corner, side)], float)
    window, pixels = photo_window(photo, points, RASTER, 0.02)
    inside = np.isfinite(pixels).all(-1)
    np.testing.assert_allclose(pixels[inside], whole_photo_window(photo, window)[inside], atol=2.1 / 255)
    centres = (np.stack(np.meshgrid(*[np.arange(RASTER) + 0.5] * 2), -1) - window[:2, 2]) / window[0, 0]
    clear = (np.abs(centres - (610, 420) * (centres > 300)) > 1).all(-1)
    np.testing.assert_array_equal(inside[clear], ((centres > 0) & (centres < (610, 420))).all(-1)[clear])


def test_outside_of_the_photo_there_is_nothing():
    pixels = photo_window(np.zeros((50, 60, 3), np.uint8), np.array([[900, 40], [980, 90.0]]), RASTER, 0.02)[
        1
    ]
    assert np.isnan(pixels).all()
