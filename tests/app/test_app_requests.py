"""What the app answers and refuses, asked without a browser; each visitor has own cookies and an own page."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from app_visitors import API, Visitor, files_of, png

from s2hand.prediction.sample_photos import sample_photos

VISITORS = 20
HOSTILE_NAMES = (
    *("../../../escaped.png", "..\\..\\escaped.png", "/etc/escaped.png"),
    *("..", "%2e%2e/escaped.png"),
)
NOT_NEEDED = (
    *("proxy=https://example.org/", "runs", "openapi.json"),
    *("call/open", "token", "stream/a/b/1/playlist-file"),
)


def test_a_file_of_200_mb_is_refused_before_it_is_sent(served):
    connection = http.client.HTTPConnection(urlsplit(served.address).netloc)
    connection.putrequest("POST", f"{API}/upload")
    connection.putheader("Content-Type", "multipart/form-data; boundary=edge")
    connection.putheader("Content-Length", str(200_000_000))
    connection.endheaders(b"--edge\r\n")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (413, b"The file is larger than 50 MB.")


def test_a_file_of_no_stated_size_is_cut_off(served):
    content = b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    chunks = [content] + [bytes(1_000_000)] * 52
    connection = http.client.HTTPConnection(urlsplit(served.address).netloc)
    try:
        connection.request(
            "POST",
            f"{API}/upload",
            iter(chunks),
            {"Content-Type": "multipart/form-data; boundary=edge"},
            encode_chunked=True,
        )
        status = connection.getresponse().status
    except (BrokenPipeError, ConnectionResetError):  # the answer came before all was sent
        status = 413
    assert status == 413


@pytest.mark.parametrize("name", ["notes.txt", "notes.jpg"])
def test_a_text_file_is_refused_in_a_line(visitor, name):
    outcome = visitor.open_photo(visitor.uploaded(name, b"no picture at all"))
    assert not outcome["success"]
    line = outcome["output"]["error"]
    assert line.startswith(name)
    assert "\n" not in line
    assert str(Path("/")) + "tmp" not in line


def test_names_with_dots_stay_in_the_folder(visitor, served):
    for name in (
        "../../../escaped.png",
        "..\\..\\escaped.png",
        "/etc/escaped.png",
        "..",
        "%2e%2e/escaped.png",
    ):
        status, answer = visitor.upload(name, png())
        if status == 200:
            (path,) = json.loads(answer)
            assert Path(path).resolve().is_relative_to(served.gate.uploads.root)
            sent = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
            assert visitor.open_photo(sent)["success"]
    root = served.gate.uploads.root
    assert not [path for path in root.parent.glob("escaped*")] + [path for path in root.glob("escaped*")]


@pytest.mark.slow
def test_all_of_twenty_visitors_at_once_are_answered(served):
    def visit(number: int) -> bool:
        visitor = Visitor(served)
        return visitor.open_photo(visitor.uploaded(f"{number}.png", png(160 + number)))["success"]

    with ThreadPoolExecutor(VISITORS) as pool:
        assert list(pool.map(visit, range(VISITORS))) == [True] * VISITORS


def test_visitors_do_not_reach_each_others_files_and_pages(served):
    owner, other = Visitor(served), Visitor(served)
    sent = owner.uploaded("mine.jpg", sample_photos()[0].read_bytes())
    outcome = owner.open_photo(sent)
    files = [sent["path"], *files_of(outcome)]
    assert {Path(path).suffix for path in files} >= {".glb", ".obj", ".json", ".csv", ".npz", ".zip", ".jpg"}
    assert [owner.get(f"{API}/file={path}")[0] for path in files] == [200] * len(files)
    assert [other.get(f"{API}/file={path}")[0] for path in files] == [403] * len(files)
    assert other.send("open", [sent, False, "Hands", False])[0] == 403
    assert other.send("settle", [], page=owner.page)[0] == 403
    assert other.get(f"{API}/queue/data?session_hash={owner.page}")[0] == 403
    assert other.get(f"{API}/heartbeat/{owner.page}")[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../etc/passwd",
        "pyproject.toml",
        "https://example.org/a.png",
        "http://127.0.0.1:1/a.png",
        "file:///etc/passwd",
        "a%00b",
    ],
)
def test_nothing_outside_of_a_visitors_own_files_is_served_or_fetched(visitor, path):
    assert visitor.get(f"{API}/file={path}")[0] == 403
    sent = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert visitor.send("open", [sent, False, "Hands", False])[0] == 403
    assert visitor.send("open_video", [sent, False])[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "proxy=https://example.org/",
        "runs",
        "openapi.json",
        "call/open",
        "token",
        "stream/a/b/1/playlist-file",
    ],
)
def test_what_the_page_does_not_need_is_not_there(visitor, path):
    assert visitor.get(f"{API}/{path}")[0] == 404
    assert visitor.get(f"/{path}")[0] == 404


def test_messages_that_are_none_are_refused(visitor):
    assert visitor.post(f"{API}/queue/join", b"{")[0] == 400
    assert visitor.post(f"{API}/queue/join", b" " * 9_000_000)[0] == 413


def test_a_closed_page_leaves_nothing(served, visitor):
    sent = visitor.uploaded("mine.png", png(161, 121))
    visitor.open_photo(sent)
    folder = served.gate.sessions.get(visitor.page).folder
    assert folder.is_dir()
    served.gate.sessions.close(visitor.page)
    assert not folder.exists()
    assert not Path(sent["path"]).exists()
    assert visitor.get(f"{API}/file={sent['path']}")[0] == 403
