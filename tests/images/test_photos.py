"""Own pictures: formats, orientations, what headers tell, and files that only look like pictures."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from s2hand.errors import DatasetError
from s2hand.images.photos import read_photo, read_photo_header, read_photo_shrunk

HEIGHT, WIDTH = 40, 60


def size_of(path):
    header = read_photo_header(path)
    return header.width, header.height


def gradient():
    """A smooth picture without symmetry, (H, W, 3) uint8."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([4 * x, 6 * y, 100 + x + 2 * y], -1).astype(np.uint8)


def exif_bytes(orientation=None, **tags):
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    if tags:
        exif.get_ifd(ExifTags.IFD.Exif).update({getattr(ExifTags.Base, tag): tags[tag] for tag in tags})
    return exif.tobytes()


def saved(path, picture, **options):
    Image.fromarray(picture).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.JPG"])
def test_colours_survive(tmp_path, name):
    options = {"a.webp": {"lossless": True}, "a.JPG": {"quality": 100, "subsampling": 0}}.get(name, {})
    image = read_photo(saved(tmp_path / name, gradient(), **options))
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.astype(int), gradient(), atol=3 if name == "a.JPG" else 0)
    assert size_of(tmp_path / name) == (WIDTH, HEIGHT)


def test_grey(tmp_path):
    grey = gradient()[..., 0]
    for name, error in (("a.png", 0), ("a.jpg", 2)):
        image = read_photo(saved(tmp_path / name, grey, **({"quality": 100} if error else {})))
        np.testing.assert_allclose(image.astype(int), np.repeat(grey[..., None], 3, -1), atol=error)


def test_sixteen_bits_keep_their_high_byte(tmp_path):
    deep = gradient().astype(np.uint16) * 257
    for name, stored in (("grey.png", deep[..., 0]), ("colour.png", deep[..., ::-1])):
        assert cv2.imwrite(str(tmp_path / name), stored)
    np.testing.assert_array_equal(read_photo(tmp_path / "grey.png"), np.stack([gradient()[..., 0]] * 3, -1))
    np.testing.assert_array_equal(read_photo(tmp_path / "colour.png"), gradient())


def test_cmyk(tmp_path):
    Image.fromarray(gradient()).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_allclose(read_photo(tmp_path / "a.jpg").astype(int), gradient(), atol=12)


def test_transparency_becomes_black(tmp_path):
    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:, :20] = 0
    image = read_photo(saved(tmp_path / "a.png", np.concatenate([gradient(), alpha], -1)))
    np.testing.assert_array_equal(image, gradient() * (alpha > 0))


def test_palettes(tmp_path):
    picture = Image.fromarray(gradient()).quantize(200)
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png"), np.asarray(picture.convert("RGB")))
    picture.save(tmp_path / "b.png", transparency=picture.getpixel((0, 0)))
    assert read_photo(tmp_path / "b.png")[0, 0].tolist() == [0, 0, 0]
    assert read_photo(tmp_path / "b.png").max() > 200


@pytest.mark.parametrize("name", ["a.jpg", "grey.jpg", "a.png", "a.webp", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(tmp_path, name, orientation):
    stored = gradient()[..., 0] if name == "grey.jpg" else gradient()
    path = saved(tmp_path / name, stored, exif=exif_bytes(orientation))
    with Image.open(path) as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture).convert("RGB")).astype(int)
    np.testing.assert_allclose(read_photo(path).astype(int), upright, atol=4)
    assert size_of(path) == upright.shape[1::-1]
    assert size_of(path) == ((HEIGHT, WIDTH) if orientation > 4 else (WIDTH, HEIGHT))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_read_smaller_is_the_photo_at_another_size(tmp_path, orientation):
    """A spot lies at the same place of the upright picture, whichever size it is decoded to."""
    stored = np.zeros((240, 320), np.uint8)
    stored[60:76, 80:96] = 255
    stored = cv2.GaussianBlur(stored, (0, 0), 9)
    path = saved(tmp_path / "a.jpg", stored, quality=98, exif=exif_bytes(orientation))
    whole = read_photo(path)
    for most, factor in ((1, 1), (1.9, 1), (2, 2), (3.5, 2), (5, 4), (100, 8)):
        smaller, found = read_photo_shrunk(path, most)
        assert found == factor
        assert smaller.shape == (whole.shape[0] // factor, whole.shape[1] // factor, 3)
        np.testing.assert_allclose(factor * centroid(smaller), centroid(whole), atol=0.3)
        area = cv2.resize(whole, smaller.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(smaller.astype(int) - area).max() <= 12


def centroid(picture):
    """x and y, px, of the brightness of a picture."""
    weight = picture[..., 0].astype(float)
    y, x = np.indices(weight.shape) + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def test_sides_that_do_not_divide_are_read_whole(tmp_path):
    path = saved(tmp_path / "a.jpg", np.zeros((244, 322), np.uint8))
    assert [read_photo_shrunk(path, most)[1] for most in (1, 2, 4, 8)] == [1, 2, 2, 2]
    assert read_photo_shrunk(saved(tmp_path / "a.png", np.zeros((64, 64), np.uint8)), 8)[1] == 1


def test_broken_exif_is_passed_over(tmp_path):
    path = saved(tmp_path / "a.jpg", gradient(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff nonsense")
    assert size_of(path) == (WIDTH, HEIGHT)
    assert read_photo(path).shape == (HEIGHT, WIDTH, 3)
    assert read_photo_header(path).focal_px is None


def test_focal_length_of_a_phone(tmp_path):
    """An iPhone 12's: 4.2 mm over pixels of 1.4 um are 3000 px, "26 mm" a rounded equivalent."""
    tags = {"FocalLength": 4.2, "FocalLengthIn35mmFilm": 26}
    path = saved(tmp_path / "a.jpg", np.zeros((3024, 4032), np.uint8), exif=exif_bytes(6, **tags))
    assert read_photo_header(path).focal_px == pytest.approx(3000, rel=0.02)
    small = saved(tmp_path / "b.jpg", np.zeros((302, 403), np.uint8), exif=exif_bytes(6, **tags))
    assert read_photo_header(small).focal_px == pytest.approx(300, rel=0.02)


def test_focal_length_of_a_camera(tmp_path):
    """50 mm over 6000 px on 22.3 mm of sensor; the picture was halved afterwards."""
    tags = {
        "FocalLength": 50.0,
        "FocalPlaneXResolution": 6000 / 22.3,
        "FocalPlaneResolutionUnit": 4,
        "ExifImageWidth": 6000,
        "ExifImageHeight": 4000,
        "FocalLengthIn35mmFilm": 0,  # unknown
    }
    path = saved(tmp_path / "a.jpg", np.zeros((2000, 3000), np.uint8), exif=exif_bytes(**tags))
    assert read_photo_header(path).focal_px == pytest.approx(50 * 3000 / 22.3, rel=1e-3)
    tags |= {"FocalPlaneXResolution": 6000 / 22.3 * 25.4, "FocalPlaneResolutionUnit": 2}
    path = saved(tmp_path / "b.jpg", np.zeros((4000, 6000), np.uint8), exif=exif_bytes(**tags))
    assert read_photo_header(path).focal_px == pytest.approx(50 * 6000 / 22.3, rel=1e-3)


@pytest.mark.parametrize(
    "tags", [{}, {"FocalLength": 50.0}, {"FocalLengthIn35mmFilm": 0}, {"FocalPlaneXResolution": 9.0}]
)
def test_no_focal_length_without_the_size_of_a_pixel(tmp_path, tags):
    assert read_photo_header(saved(tmp_path / "a.jpg", gradient(), exif=exif_bytes(**tags))).focal_px is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.9, 0.97])
def test_a_cut_picture_is_named(tmp_path, suffix, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path = saved(tmp_path / f"cut{suffix}", noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(
        DatasetError, match=r"cut\.\w+ is (empty|damaged or cut short|not an image)"
    ) as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)


def test_a_phones_trailer_does_no_harm(tmp_path):
    """Motion photos have a film behind the picture, in which any bytes may stand."""
    path = saved(tmp_path / "a.jpg", gradient())
    whole = read_photo(path)
    path.write_bytes(path.read_bytes() + b"film\xff\xda and so on")
    np.testing.assert_array_equal(read_photo(path), whole)


def test_several_pictures_in_one_file_give_the_first(tmp_path):
    first = Image.fromarray(gradient())
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[first.rotate(180)], quality=95)
    np.testing.assert_allclose(read_photo(tmp_path / "a.jpg").astype(int), gradient(), atol=25)


@pytest.mark.parametrize("read", [read_photo, read_photo_header])
def test_other_files_are_named(tmp_path, read):
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.png").touch()
    with pytest.raises(DatasetError, match=r"text\.jpg is not an image"):
        read(tmp_path / "text.jpg")
    with pytest.raises(DatasetError, match=r"empty\.png is empty"):
        read(tmp_path / "empty.png")
    with pytest.raises(DatasetError, match=r"cannot read .*absent\.jpg"):
        read(tmp_path / "absent.jpg")
    Image.new("F", (4, 4)).save(tmp_path / "float.tif")
    if read is read_photo:
        with pytest.raises(DatasetError, match=r"float\.tif has 'F' values of 32 bits"):
            read(tmp_path / "float.tif")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(DatasetError, match=r"pipe\.jpg is not a file"):
        read_photo(tmp_path / "pipe.jpg")


@pytest.mark.parametrize("side", [10_001, 30_000])
@pytest.mark.parametrize("read", [read_photo, read_photo_header])
def test_decompression_bombs_are_refused_before_they_are_decoded(tmp_path, side, read):
    def chunk(name, content):
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(DatasetError, match=r"bomb\.png has .*more than 100 megapixels"):
        read(path)


def test_huge_files_are_not_read(tmp_path):
    with open(tmp_path / "film.jpg", "wb") as file:
        file.truncate(10**10)
    with pytest.raises(DatasetError, match=r"film\.jpg is too large for an image \(10,000,000,000 bytes\)"):
        read_photo(tmp_path / "film.jpg")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(path, *chunks, behind=False):
    """A PNG with further chunks, right after its header or behind its pixels."""
    encoded = saved(path, gradient()).read_bytes()
    at = len(encoded) - 12 if behind else 33
    path.write_bytes(encoded[:at] + b"".join(chunks) + encoded[at:])
    return path


def exif_text(kind, keyword, orientation):
    """EXIF as ImageMagick writes it into text chunks."""
    tiff = b"Exif\0\0" + exif_bytes(orientation).removeprefix(b"Exif\0\0")
    text = b"\nexif\n%8d\n" % len(tiff) + tiff.hex().encode() + b"\n"
    return chunk(kind, keyword + (b"\0\0" + zlib.compress(text) if kind == b"zTXt" else b"\0" + text))


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description %s/></x:xmpmeta>'


def xmp_text(orientation, compressed=False, form=b'tiff:Orientation="%d"'):
    text = XMP % (form % orientation)
    flags = b"\1\0\0\0" if compressed else b"\0\0\0\0"
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + flags + (zlib.compress(text) if compressed else text))


@pytest.mark.parametrize("orientation", [3, 5, 6])
@pytest.mark.parametrize(
    "chunk_of",
    [
        lambda value: chunk(b"eXIf", exif_bytes(value).removeprefix(b"Exif\0\0")),
        lambda value: chunk(b"eXIf", exif_bytes(value)),
        lambda value: exif_text(b"zTXt", b"Raw profile type exif", value),
        lambda value: exif_text(b"tEXt", b"Raw profile type APP1", value),
        xmp_text,
        lambda value: xmp_text(value, compressed=True),
        lambda value: xmp_text(value, form=b"><tiff:Orientation>%d</tiff:Orientation><"),
    ],
    ids=["eXIf", "eXIf with header", "zTXt", "tEXt", "XMP", "compressed XMP", "XMP element"],
)
@pytest.mark.parametrize("behind", [False, True], ids=["early", "late"])
def test_png_is_turned_alike_in_header_and_pixels(tmp_path, orientation, chunk_of, behind):
    path = png_with(tmp_path / "a.png", chunk_of(orientation), behind=behind)
    reference = Image.fromarray(gradient())
    reference.getexif()[ExifTags.Base.Orientation] = orientation
    expected = np.array(ImageOps.exif_transpose(reference))
    np.testing.assert_array_equal(read_photo(path), expected)
    assert size_of(path) == expected.shape[1::-1]


def test_exif_counts_before_xmp_in_png(tmp_path):
    exif = chunk(b"eXIf", exif_bytes(3).removeprefix(b"Exif\0\0"))
    path = png_with(tmp_path / "a.png", xmp_text(6), exif)
    assert size_of(path) == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(read_photo(path), gradient()[::-1, ::-1])


@pytest.mark.parametrize(
    "data",
    [
        chunk(b"eXIf", b"broken"),
        chunk(b"zTXt", b"Raw profile type exif\0\0not zlib"),
        chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 4\nnot hexadecimal"),
        xmp_text(9),
    ],
    ids=["EXIF", "zlib", "hex", "orientation 9"],
)
def test_broken_metadata_leaves_a_png_as_it_is(tmp_path, data):
    path = png_with(tmp_path / "a.png", data)
    assert size_of(path) == (WIDTH, HEIGHT)
    np.testing.assert_array_equal(read_photo(path), gradient())


@pytest.mark.parametrize("name", ["a.webp", "a.avif", "a.jpg", "a.png"])
@pytest.mark.parametrize("orientation", [1, 4, 6, 8])
def test_all_formats_are_turned_alike_in_header_and_pixels(tmp_path, name, orientation):
    path = tmp_path / name
    Image.fromarray(gradient()).save(path, exif=exif_bytes(orientation), quality=100)
    reference = Image.fromarray(gradient())
    reference.getexif()[ExifTags.Base.Orientation] = orientation
    expected = np.array(ImageOps.exif_transpose(reference))
    assert size_of(path) == expected.shape[1::-1]
    np.testing.assert_allclose(read_photo(path).astype(int), expected, atol=60)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_read_upright_with_its_focal_length(tmp_path, orientation):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    path = tmp_path / "a.heic"
    exif = exif_bytes(orientation, FocalLengthIn35mmFilm=26)
    Image.fromarray(gradient()).save(path, exif=exif, quality=95)
    reference = Image.fromarray(gradient())
    reference.getexif()[ExifTags.Base.Orientation] = orientation
    expected = np.array(ImageOps.exif_transpose(reference))
    assert size_of(path) == expected.shape[1::-1]
    np.testing.assert_allclose(read_photo(path).astype(int), expected, atol=12)
    assert read_photo_header(path).focal_px == pytest.approx(26 / np.hypot(36, 24) * np.hypot(WIDTH, HEIGHT))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 9 // 10])
    with pytest.raises(DatasetError, match=r"a\.heic is (not an image|damaged)"):
        read_photo(path)
