import pytest
from PIL import ExifTags, Image

from s2hand.images.exif import focal_px


def exif(**tags):
    found = Image.Exif()
    ifd = found.get_ifd(ExifTags.IFD.Exif)
    for name, value in tags.items():
        ifd[getattr(ExifTags.Base, name)] = value
    return found


def test_a_phones_focal_length_is_believed_at_any_size_of_the_photo():
    tags = exif(FocalLengthIn35mmFilm=27, ExifImageWidth=4000, ExifImageHeight=3000)
    assert focal_px(tags, (4000, 3000)) == pytest.approx(27 / 43.2666 * 5000, rel=1e-4)
    assert focal_px(tags, (300, 400)) == pytest.approx(27 / 43.2666 * 500, rel=1e-4)


@pytest.mark.parametrize("film_mm", [3, 9.9, 201, 4000])
def test_no_lens_for_hands_is_out_of_range(film_mm):
    assert focal_px(exif(FocalLengthIn35mmFilm=film_mm), (4000, 3000)) is None


@pytest.mark.parametrize("size", [(3000, 3000), (1600, 900), (900, 1600)])
def test_a_cropped_photo_has_lost_its_focal_length(size):
    assert focal_px(exif(FocalLengthIn35mmFilm=27, ExifImageWidth=4000, ExifImageHeight=3000), size) is None
