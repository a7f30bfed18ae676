"""Names, sizes, and what is kept of whom; and the command without Gradio."""

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from s2hand.app.limits import Limits
from s2hand.app.reading import RefusedFileError, open_bounded_video, plain_name, read_bounded_photo
from s2hand.app.sessions import Session, Sessions
from s2hand.app.uploads import Uploads
from s2hand.cli import main


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("hand.jpg", "hand.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("..", "photo"),
        ("", "photo"),
        (None, "photo"),
        (".bashrc", "bashrc"),
        ("a\0b\n<c>.png", "a_b__c_.png"),
        ("é" * 200 + ".png", "é" * 56 + ".png"),
        ("x" * 200, "x" * 60),
        ("a." + "x" * 200, "photo"),
    ],
)
def test_names_mean_nothing_in_a_path(sent, kept):
    assert plain_name(sent) == kept


def test_a_photo_of_too_many_pixels_is_refused_by_its_header(tmp_path):
    path = tmp_path / "secret-place.png"
    Image.new("L", (300, 200)).save(path)
    with pytest.raises(
        RefusedFileError, match=r"^big\.png has 300 x 200 px; a photo may have 0\.05 megapixels"
    ):
        read_bounded_photo(path, "big.png", Limits(megapixels=0.05))
    pixels, header = read_bounded_photo(path, "big.png", Limits())
    assert (pixels.shape, header.width) == ((200, 300, 3), 300)


def test_errors_name_the_users_file_and_not_its_place(tmp_path):
    path = tmp_path / "secret-place.jpg"
    path.write_text("no picture")
    for read in (read_bounded_photo, open_bounded_video):
        with pytest.raises(RefusedFileError) as error:
            read(path, "notes.jpg", Limits())
        assert str(error.value).startswith("notes.jpg")
        assert "secret-place" not in str(error.value)


def test_a_video_may_not_be_longer_than_it_says(tmp_path):
    path = tmp_path / "a.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    for level in range(6):
        writer.write(np.full((48, 64, 3), 40 * level, np.uint8))
    writer.release()
    assert open_bounded_video(path, "a.mp4", Limits(video_frames=6)).header.frames == 6
    with pytest.raises(RefusedFileError, match=r"a\.mp4 has more than 5 frames"):
        open_bounded_video(path, "a.mp4", Limits(video_frames=5))
    with pytest.raises(RefusedFileError, match=r"a video may have 0\.001 megapixels"):
        open_bounded_video(path, "a.mp4", Limits(video_megapixels=0.001))


def _file(folder: Path, name: str, size: int = 10) -> Path:
    (folder / name).mkdir()
    path = folder / name / "a.png"
    path.write_bytes(bytes(size))
    return path


def test_uploads_belong_to_those_who_sent_them(tmp_path):
    uploads, path = Uploads(tmp_path, 1000), _file(tmp_path, "one")
    uploads.add(path, "me")
    uploads.add(path, "you")
    assert [uploads.belongs_to(path, who) for who in ("me", "you", "them")] == [True, True, False]
    uploads.forget("me")
    assert path.exists()
    assert not uploads.belongs_to(path, "me")
    uploads.forget("you")
    assert not path.parent.exists()


def test_the_oldest_uploads_go_and_others_files_never(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir(), outside.mkdir()
    uploads = Uploads(root, 25)
    files = [_file(root, str(number)) for number in range(3)]
    foreign = _file(outside, "x", 100)
    for path in (*files, foreign):
        uploads.add(path, "me")
    assert [path.exists() for path in files] == [False, True, True]
    assert foreign.exists()
    assert not uploads.belongs_to(foreign, "me")


def test_what_interrupted_uploads_leave_is_swept(tmp_path):
    uploads = Uploads(tmp_path, 1000)
    left, fresh, kept = tmp_path / "tmp1", tmp_path / "tmp2", _file(tmp_path, "one")
    for path in (left, fresh):
        path.write_bytes(b"x")
    hour_ago = time.time() - 3600
    for path in (left, kept):
        os.utime(path, (hour_ago, hour_ago))
    uploads.sweep()
    assert [path.exists() for path in (left, fresh, kept)] == [False, True, True]


def test_pages_are_closed_to_others_and_forgotten_in_time(tmp_path):
    now, left = [0.0], []
    sessions = Sessions(tmp_path, Limits(sessions=2, idle_s=100), left.append, lambda: now[0])
    assert sessions.claim("a", "me")
    assert not sessions.claim("a", "you")
    file = sessions.get("a").folder / "f"
    file.write_text("")
    assert [sessions.belongs_to(file, who) for who in ("me", "you")] == [True, False]
    now[0] = 50
    sessions.claim("b", "me")
    sessions.claim("c", "you")  # one too many: the most silent one goes
    assert (sessions.get("a"), left) == (None, [])
    assert not file.exists()
    now[0] = 151
    sessions.claim("d", "them")
    assert (sessions.get("b"), sessions.get("c"), sorted(left)) == (None, None, ["me", "you"])
    sessions.close("d")
    sessions.close("d")
    assert list(tmp_path.iterdir()) == []


def test_a_new_photo_replaces_the_old_one_unless_it_is_refused(tmp_path):
    page = Session("me", tmp_path, 0.0)
    with page.place_for("photo") as first:
        pass
    with pytest.raises(RefusedFileError), page.place_for("photo") as refused:
        raise RefusedFileError("it is no photo")
    assert (first.is_dir(), refused.is_dir()) == (True, False)
    with page.place_for("photo") as second:
        assert first.is_dir()
    assert (first.is_dir(), second.is_dir()) == (False, True)


def test_old_pictures_of_a_page_go(tmp_path):
    sessions = Sessions(tmp_path, Limits())
    sessions.claim("a", "me")
    paths = []
    for _ in range(5):
        paths.append(sessions.get("a").next_picture(".jpg"))
        paths[-1].write_text("")
    assert [path.exists() for path in paths] == [False, False, True, True, True]


def test_without_gradio_the_command_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["app"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "pip install 's2hand[app]'" in said
