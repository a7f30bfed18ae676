"""Listing photos and videos: order, links, what is passed over, and names that stay inside of the folder."""

import sys
import types

import pytest

from s2hand.errors import DatasetError
from s2hand.images import images
from s2hand.images.listing import list_photos, passed_over, photo_names, photo_suffixes


def test_an_empty_name_is_not_this_folder():
    with pytest.raises(DatasetError, match="the name of a photo is empty"):
        list_photos("")


def test_photos_are_listed_in_order(tmp_path):
    for name in ("b.jpg", "a.PNG", "sub/c.jpeg", "notes.txt", ".hidden.jpg", ".thumbs/d.jpg", "e[1].jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in list_photos(tmp_path)]
    assert names == ["a.PNG", "b.jpg", "e[1].jpg", "sub/c.jpeg"]
    assert [path.name for path in list_photos(tmp_path / "*.jpg")] == ["b.jpg", "e[1].jpg"]
    assert [path.name for path in list_photos(str(tmp_path / "**/*.jpeg"))] == ["c.jpeg"]
    assert list_photos(tmp_path / "e[1].jpg") == [tmp_path / "e[1].jpg"]
    with pytest.raises(DatasetError, match=r"\*\.gif: no photos there"):
        list_photos(tmp_path / "*.gif")


def test_names_of_other_encodings_are_spelt_out(tmp_path):
    paths = [tmp_path / "\udcff.jpg", tmp_path / "\u00fc.jpg"]
    assert photo_names(tmp_path, paths) == ["\\udcff.jpg", "\u00fc.jpg"]


def test_names_are_those_of_detections_files(tmp_path):
    """From the folder given; of a pattern or a file, from the innermost folder of all that it names."""
    for name in ("trip/day/a.jpg", "trip/night/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    sources = {
        "": ["trip/day/a.jpg", "trip/night/b.jpg"],
        "trip": ["day/a.jpg", "night/b.jpg"],
        "**/*.jpg": ["day/a.jpg", "night/b.jpg"],
        "trip/day/*": ["a.jpg"],
        "trip/day/a.jpg": ["a.jpg"],
    }
    for source, names in sources.items():
        assert photo_names(tmp_path / source, list_photos(tmp_path / source)) == names, source


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_links_are_followed_and_no_folder_is_searched_twice(tmp_path):
    trip, elsewhere = tmp_path / "trip", tmp_path / "elsewhere"
    touch(trip / "a.jpg", trip / "sub/b.jpg", elsewhere / "deep/c.jpg")
    (trip / "linked").symlink_to(elsewhere)
    (trip / "again").symlink_to(elsewhere)
    (trip / "sub/up").symlink_to(trip)
    (elsewhere / "back").symlink_to(trip)
    (trip / "d.jpg").symlink_to(trip / "a.jpg")
    names = [path.relative_to(trip).as_posix() for path in list_photos(trip)]
    assert names == ["a.jpg", "again/deep/c.jpg", "d.jpg", "sub/b.jpg"]


def test_videos_are_listed_where_they_are_wanted(tmp_path):
    touch(tmp_path / "a.jpg", tmp_path / "b.MOV", tmp_path / "c.mp4")
    assert [path.name for path in list_photos(tmp_path, videos=True)] == ["a.jpg", "b.MOV", "c.mp4"]
    assert [path.name for path in list_photos(tmp_path)] == ["a.jpg"]
    assert passed_over(tmp_path) == "1 .mp4, 1 .mov"
    assert passed_over(tmp_path, videos=True) == ""
    with pytest.raises(DatasetError, match=r"no photos there .*1 \.mp4\): .*a video by itself$"):
        list_photos(tmp_path / "*.mp4")


@pytest.fixture
def without_heif(monkeypatch):
    """An installation without pillow-heif."""
    find = images.importlib.util.find_spec
    monkeypatch.setattr(
        images.importlib.util, "find_spec", lambda name: None if name == "pillow_heif" else find(name)
    )
    images.readable_formats.cache_clear()
    yield
    images.readable_formats.cache_clear()


def test_images_that_cannot_be_read_are_counted(tmp_path, without_heif):
    touch(*(tmp_path / name for name in ("a.jfif", "b.HEIC", "c.heic", "d.cr2", "notes.txt", "e.jpg")))
    assert [path.name for path in list_photos(tmp_path)] == ["a.jfif", "e.jpg"]
    assert passed_over(tmp_path) == "2 .heic (pip install pillow-heif), 1 .cr2"


def test_heif_is_read_where_its_package_is_installed(monkeypatch):
    registered = []
    module = types.ModuleType("pillow_heif")
    module.__spec__ = types.SimpleNamespace()
    module.register_heif_opener = lambda: registered.append(True)
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    images.readable_formats.cache_clear()
    try:
        assert {".heic", ".hif"} <= set(photo_suffixes())
        assert registered == [True]
    finally:
        images.readable_formats.cache_clear()


def test_names_never_lead_out_of_the_folder(tmp_path, monkeypatch):
    touch(tmp_path / "pics/x/a.jpg", tmp_path / "pics/y/b.jpg", tmp_path / "outside.jpg")
    monkeypatch.chdir(tmp_path)
    for pattern, names in (
        ("pics/*/../../outside.jpg", ["outside.jpg"] * 2),
        ("pics/*/../x/../*/*.jpg", ["x/a.jpg", "y/b.jpg"] * 2),
        ("pics/x/../../outside.jpg", ["outside.jpg"]),
    ):
        photos = list_photos(pattern)
        assert sorted(photo_names(pattern, photos)) == sorted(names), pattern
