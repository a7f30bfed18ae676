import cv2
import numpy as np
import pytest

from s2hand.errors import DatasetError
from s2hand.images.images import read_image, read_mask


def write(path, picture):
    assert cv2.imwrite(str(path), picture)
    return path


def test_colours_are_rgb(tmp_path):
    blue_green_red = np.full((8, 8, 3), (10, 20, 200), np.uint8)
    image = read_image(write(tmp_path / "a.png", blue_green_red))
    assert image.dtype == np.uint8
    assert image[0, 0].tolist() == [200, 20, 10]


def test_grey_and_transparent_pictures_become_colour(tmp_path):
    grey = np.full((8, 8), 77, np.uint8)
    assert read_image(write(tmp_path / "grey.png", grey)).shape == (8, 8, 3)
    assert read_mask(write(tmp_path / "grey.png", grey)).tolist() == grey.tolist()
    assert read_image(write(tmp_path / "a.png", np.zeros((8, 8, 4), np.uint8))).shape == (8, 8, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.9, 0.999])
def test_a_cut_picture_is_named(tmp_path, suffix, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = write(tmp_path / f"cut{suffix}", noise)
    encoded = file.read_bytes()
    file.write_bytes(encoded[: int(len(encoded) * kept)])
    with pytest.raises(DatasetError, match=r"cut\.(jpg|png) is (empty|damaged or cut short|not an image)"):
        read_image(file)


def test_trailing_bytes_do_no_harm(tmp_path):
    file = write(tmp_path / "a.jpg", np.zeros((16, 16, 3), np.uint8))
    file.write_bytes(file.read_bytes() + b"\0" * 5)
    assert read_image(file).shape == (16, 16, 3)


def test_other_files_are_named(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture")
    with pytest.raises(DatasetError, match=r"text\.jpg is not an image"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(DatasetError, match=r"cannot read .*absent\.jpg"):
        read_image(tmp_path / "absent.jpg")
