"""Files that hold less than they claim are refused, sound ones never; one limit of size for all images."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from s2hand.errors import DatasetError
from s2hand.images.images import read_image, read_mask
from s2hand.images.photos import read_photo, read_photo_header, read_photo_shrunk
from s2hand.images.tiff_parts import covers_its_rows

READERS = (read_image, read_mask, read_photo, lambda path: read_photo_shrunk(path, 4))

CODINGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "no subsampling": {"subsampling": 0},
    "restarts": {"restart_marker_rows": 1},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
}


def scene(*shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


PICTURES = {
    "colour": scene(64, 80, 3),
    "grey": scene(64, 80),
    "middle grey": np.full((40, 40, 3), 128, np.uint8),
    "grey corner": np.where(np.arange(80)[:, None] < 40, scene(64, 80, 3), 128).astype(np.uint8),
    "black": np.zeros((40, 40, 3), np.uint8),
}


def encode(picture, kind="JPEG", **options):
    file = io.BytesIO()
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(file, kind, **options)
    return file.getvalue()


def refused(path, content):
    """Whether every reader refuses the file in one line that names it."""
    path.write_bytes(content)
    for read in READERS:
        with pytest.raises(DatasetError, match=f"{path.name} is damaged or cut short") as caught:
            read(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", PICTURES)
def test_sound_jpegs_are_read(tmp_path, capfd, name, coding):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode(PICTURES[name], **CODINGS[coding]))
    for read in READERS:
        read(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kept", [0.5, 0.7, 0.95])
@pytest.mark.parametrize("name", ["colour", "grey"])
def test_cut_jpegs_with_an_end_marker_are_refused(tmp_path, name, kept, coding):
    whole = encode(PICTURES[name], quality=90, **CODINGS[coding])
    refused(tmp_path / "cut.jpg", whole[: int(len(whole) * kept)] + b"\xff\xd9")


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_cut_jpegs_of_four_colours_are_refused(tmp_path, kept):
    whole = encode(Image.fromarray(PICTURES["colour"]).convert("CMYK"))
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    assert read_image(path).shape == read_photo(path).shape == (64, 80, 3)
    refused(path, whole[: int(len(whole) * kept)] + b"\xff\xd9")


def test_damaged_images_are_told_of_in_our_line_alone(tmp_path, capfd):
    """OpenCV's and Pillow's libraries would print lines of their own."""
    whole = encode(PICTURES["colour"])
    refused(tmp_path / "a.jpg", whole[: len(whole) * 3 // 4] + b"\xff\xd9")
    for coding in ("lzw", "deflate", "packbits", "jpeg"):
        tiff = encode(PICTURES["colour"], "TIFF", **TIFFS[coding])
        refused(tmp_path / "a.tif", with_short_strip(tiff, 0.6))
    assert capfd.readouterr().err == ""


def test_jpegs_of_endless_scans_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    """Each scan of a few bytes makes the decoder go over the whole image once more."""
    whole = encode(PICTURES["colour"], progressive=True)
    scan = whole.rindex(b"\xff\xda")
    path = tmp_path / "a.jpg"
    path.write_bytes(whole)
    assert read_image(path).shape == read_photo(path).shape == (64, 80, 3)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    path.write_bytes(whole[:-2] + whole[scan:-2] * 100 + b"\xff\xd9")
    for read in READERS:
        with pytest.raises(DatasetError, match=r"a\.jpg is damaged"):
            read(path)


def test_headers_that_claim_more_than_there_is_are_refused(tmp_path):
    jpeg = bytearray(encode(PICTURES["colour"]))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 7] = struct.pack(">H", 300)
    refused(tmp_path / "tall.jpg", bytes(jpeg))
    for picture in (PICTURES["colour"], PICTURES["grey"], np.dstack([PICTURES["colour"], PICTURES["grey"]])):
        refused(tmp_path / "tall.png", claim(encode(picture, "PNG"), 80, 300))


def claim(png, width, height):
    """A PNG with another size in its header."""
    changed = bytearray(png)
    changed[16:24] = struct.pack(">II", width, height)
    changed[29:33] = struct.pack(">I", zlib.crc32(bytes(changed[12:29])))
    return bytes(changed)


def test_sound_pngs_that_end_in_black_are_read(tmp_path):
    path = tmp_path / "black.png"
    for picture in (PICTURES["black"], PICTURES["black"][..., 0], np.zeros((33, 27, 4), np.uint8)):
        path.write_bytes(encode(picture, "PNG"))
        assert not read_photo(path).any()
    path.write_bytes(encode(Image.new("1", (13, 9)), "PNG"))
    assert not read_photo(path).any()
    # Interlaced, with passes of every size, which neither Pillow nor OpenCV writes.
    rows = [(-(-(9 - r) // dr), -(-(13 - c) // dc)) for r, c, dr, dc in ADAM7 if r < 9 and c < 13]
    data = b"".join(bytes(1 + 3 * columns) * count for count, columns in rows)
    for kept in (len(data), len(data) - 1):
        header = struct.pack(">IIBBBBB", 13, 9, 8, 2, 0, 0, 1)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data[:kept])), (b"IEND", b""))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks))
        if kept == len(data):
            assert read_photo(path).shape == (9, 13, 3)
        else:
            with pytest.raises(DatasetError, match="is damaged or cut short"):
                read_photo(path)


ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_thumbnails_and_what_comes_behind_the_image_do_not_count(tmp_path):
    exif = Image.Exif()
    exif[0x9286] = encode(PICTURES["grey"])  # a comment with a JPEG in it
    whole = encode(PICTURES["colour"], exif=exif.tobytes())
    path = tmp_path / "a.jpg"
    for content in (whole, whole + b"junk \xff\xd8\xff", whole + encode(PICTURES["grey"])):
        path.write_bytes(content)
        assert read_image(path).shape == read_photo(path).shape == (64, 80, 3)
    cut = whole[: len(whole) * 3 // 4]
    refused(path, cut + b"\xff\xd9" + encode(PICTURES["grey"]))


@pytest.mark.parametrize("read", [*READERS, read_photo_header])
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_images_of_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, read, kind, monkeypatch):
    path = tmp_path / f"huge.{kind}"
    if kind == "png":
        path.write_bytes(claim(encode(Image.new("1", (80, 64)), "PNG"), 30000, 30000))
    else:
        jpeg = bytearray(encode(PICTURES["colour"]))
        frame = jpeg.index(b"\xff\xc0")
        jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 30000, 30000)
        path.write_bytes(jpeg)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DatasetError, match=r"huge\.\w+ has .*more than 100 megapixels"):
        read(path)


TIFFS = {
    "plain": {},
    "lzw": {"compression": "tiff_lzw"},
    "deflate": {"compression": "tiff_deflate"},
    "jpeg": {"compression": "jpeg"},
    "packbits": {"compression": "packbits"},
}


def with_height(tiff, height):
    """A little-endian TIFF whose header claims other rows; its strips stay."""
    content = bytearray(tiff)
    (at,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry)[0] == ExifTags.Base.ImageLength:
            struct.pack_into("<HHII", content, entry, ExifTags.Base.ImageLength, 4, 1, height)
    return bytes(content)


def with_short_strip(tiff, kept):
    """A little-endian TIFF of one strip, which ends early."""
    tags = Image.open(io.BytesIO(tiff)).tag_v2
    (start,), (size,) = tags[ExifTags.Base.StripOffsets], tags[ExifTags.Base.StripByteCounts]
    content, entry = bytearray(tiff), struct.pack("<HHI", ExifTags.Base.StripByteCounts, 4, 1)
    struct.pack_into("<I", content, content.index(entry) + len(entry), int(size * kept))
    content[start + int(size * kept) : start + size] = bytes(size - int(size * kept))
    return bytes(content)


def test_a_bitmap_that_ends_early_is_refused(tmp_path):
    """Run-length coding has a mark for the end of the image, which may come in any row."""
    colours, run = bytes(range(256)) * 4, bytes((80, 7, 0, 0))
    sizes = 40, 80, 64, 1, 8, 1, 0, 0, 0, 256, 256
    head = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54 + len(colours)) + struct.pack("<IiiHHIIiiII", *sizes)
    path = tmp_path / "a.bmp"
    path.write_bytes(head + colours + run * 64 + b"\0\1")
    assert read_image(path).shape == read_photo(path).shape == (64, 80, 3)
    refused(path, head + colours + run * 32 + b"\0\1")


@pytest.mark.parametrize("rows_more", [1, 240, 4600])
@pytest.mark.parametrize("coding", TIFFS)
def test_a_tiff_with_a_false_height_is_refused(tmp_path, coding, rows_more):
    tiff = encode(scene(400, 80, 3), "TIFF", **TIFFS[coding])
    refused(tmp_path / "a.tif", with_height(tiff, 400 + rows_more))
    with pytest.raises(DatasetError, match="damaged or cut short"):
        read_photo_header(tmp_path / "a.tif")


def _is_read_by_pillow(image: Image.Image, coding: dict) -> bool:
    try:
        Image.open(io.BytesIO(encode(image, "TIFF", **coding))).load()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "RGB", "RGBA", "CMYK", "YCbCr"])
def test_sound_tiffs_of_every_kind_are_read(tmp_path, mode):
    grey = Image.fromarray(scene(60, 81))
    image = grey if mode == "I;16" else grey.convert("RGB").convert(mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    for number, coding in enumerate(({}, {"compression": "tiff_lzw"}, {"tiffinfo": {278: 7}})):
        # Pillow writes YCbCr that it does not read itself: LZW in any version, uncompressed in some.
        if mode == "YCbCr" and not _is_read_by_pillow(image, coding):
            continue
        path = tmp_path / f"{number}.tif"
        path.write_bytes(encode(image, "TIFF", **coding))
        assert read_photo(path).shape == (60, 81, 3)


def test_tiles_and_planes_are_counted():
    tiles = {256: 100, 257: 70, 277: 3, 322: 32, 323: 32, 324: (0,) * 12}
    assert covers_its_rows(tiles)
    assert not covers_its_rows(tiles | {257: 97})
    assert not covers_its_rows(tiles | {284: 2})
    planes = {256: 10, 257: 20, 258: (8, 8, 8), 277: 3, 278: 20, 284: 2, 273: (0, 0, 0), 279: (200,) * 3}
    assert covers_its_rows(planes)
    assert not covers_its_rows(planes | {273: (0, 0)})
    assert not covers_its_rows(planes | {279: (200, 200, 199)})
