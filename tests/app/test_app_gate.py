"""The gate alone, before an application that only says what reached it."""

import asyncio
import json

import pytest

from s2hand.app.gate import API, COOKIE, Gate
from s2hand.app.limits import Limits
from s2hand.app.messages import LARGEST_MESSAGE
from s2hand.app.sessions import Sessions
from s2hand.app.uploads import Uploads

ME, YOU = "me", "you"


class Behind:
    """Takes the place of Gradio: reads what is sent, and answers with it or with what it was told."""

    def __init__(self) -> None:
        self.answer, self.reached, self.headers = b"", [], []

    async def __call__(self, scope, receive, send) -> None:
        self.reached.append(scope["path"])
        self.headers = [name for name, _ in scope["headers"]]
        content, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            content += message["body"]
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.answer or content})


class Asker:
    """Sends requests to a gate; keeps the last answer's headers."""

    def __init__(self, root, limits=None) -> None:
        limits = limits or Limits(upload_mb=1)
        self.behind, self.uploads = Behind(), Uploads(root, 10_000_000)
        self.sessions = Sessions(root, limits, self.uploads.forget)
        self.gate = Gate(self.behind, self.sessions, self.uploads, limits)
        self.headers: dict[bytes, bytes] = {}

    def __call__(
        self, path, owner=None, *, method="GET", body=b"", headers=(), pieces=1
    ) -> tuple[int, bytes]:
        path, _, query = path.partition("?")
        cookie = [] if owner is None else [(b"cookie", f"{COOKIE}={owner}".encode())]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [*cookie, *headers],
        }
        size = -(-len(body) // pieces) or 1
        parts = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
        waiting = [
            {"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts
        ]
        sent = []

        async def receive():
            return waiting.pop(0)

        async def send(message):
            sent.append(message)

        asyncio.run(self.gate(scope, receive, send))
        self.headers = dict(sent[0]["headers"])
        return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])

    def post(self, path, owner, values) -> tuple[int, bytes]:
        return self(path, owner, method="POST", body=json.dumps(values).encode())


@pytest.fixture
def ask(tmp_path):
    return Asker(tmp_path)


def test_a_new_browser_gets_a_secret_that_scripts_cannot_read(ask):
    ask("/")
    cookie = ask.headers[b"set-cookie"].decode()
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Strict"} <= set(cookie.split("; "))
    assert b"default-src 'self'" in ask.headers[b"content-security-policy"]
    ask("/")
    assert ask.headers[b"set-cookie"].decode() != cookie
    ask("/", ME)
    assert b"set-cookie" not in ask.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/assets/index.js", 200),
        ("GET", f"{API}info", 404),
        ("GET", f"{API}proxy=https://example.org", 404),
        ("POST", f"{API}run/open", 404),
        ("POST", "/login", 404),
        ("PUT", "/", 404),
        ("GET", f"{API}queue/join", 404),
        ("POST", f"{API}file=a", 404),
    ],
)
def test_what_the_page_needs_passes_and_nothing_else(ask, method, path, status):
    assert ask(path, ME, method=method)[0] == status
    assert bool(ask.behind.reached) == (status == 200)


def test_a_page_belongs_to_the_browser_that_opened_it(ask):
    assert ask.post(f"{API}queue/join", ME, {"session_hash": "p", "data": []})[0] == 200
    for path in (f"{API}heartbeat/p", f"{API}queue/data?session_hash=p"):
        assert [ask(path, who)[0] for who in (ME, YOU)] == [200, 403]
    for path in ("queue/join", "cancel", "reset", "stream/event"):
        assert ask.post(API + path, YOU, {"session_hash": "p"})[0] == 403


def test_uploads_belong_to_those_who_sent_them(ask, tmp_path):
    path = tmp_path / "0123" / "hand.jpg"
    path.parent.mkdir()
    path.write_bytes(b"x")
    ask.behind.answer = json.dumps([str(path)]).encode()
    packed = [(b"accept-encoding", b"br")]
    assert ask(f"{API}upload", ME, method="POST", body=b"x", headers=packed)[0] == 200
    assert b"accept-encoding" not in ask.behind.headers  # the answer is to be read
    assert [ask(f"{API}file={path}", who)[0] for who in (ME, YOU)] == [200, 403]
    named = {"session_hash": "p", "data": [[{"deep": {"path": str(path)}}]]}
    assert ask.post(f"{API}queue/join", ME, named)[0] == 200
    assert ask.post(f"{API}queue/join", YOU, named | {"session_hash": "q"})[0] == 403


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "https://example.org/a.png", "a\0b", "x" * 5000, ""])
def test_other_files_are_neither_served_nor_opened(ask, name):
    assert ask(f"{API}file={name}", ME)[0] == 403
    assert ask.post(f"{API}queue/join", ME, {"session_hash": "p", "data": [{"path": name}]})[0] == 403
    assert ask.behind.reached == []


def test_a_link_that_leads_out_of_a_pages_folder_is_not_followed(ask, tmp_path_factory):
    ask.sessions.claim("p", ME)
    secret = tmp_path_factory.mktemp("elsewhere") / "secret"
    secret.write_text("")
    folder = ask.sessions.get("p").folder
    (folder / "link").symlink_to(secret)
    (folder / "own").write_text("")
    assert [ask(f"{API}file={folder / name}", ME)[0] for name in ("own", "link")] == [200, 403]
    assert ask(f"{API}file={folder}/../{folder.name}/own", YOU)[0] == 403


def test_large_uploads_are_refused_by_what_they_say_and_by_what_they_are(ask):
    stated = [(b"content-length", b"200000000")]
    refused = 413, b"The file is larger than 1 MB."
    assert ask(f"{API}upload", ME, method="POST", headers=stated) == refused
    assert ask.behind.reached == []
    assert ask(f"{API}upload", ME, method="POST", body=bytes(2_000_000), pieces=9) == refused


def test_messages_are_read_in_bounds(ask):
    path = f"{API}queue/join"
    assert ask(path, ME, method="POST", body=b"{") == (400, b"The message is no JSON.")
    assert ask(path, ME, method="POST", body=b"[" * 100_000)[0] == 400
    large = b" " * (LARGEST_MESSAGE + 1)
    assert ask(path, ME, method="POST", body=large, pieces=3) == (413, b"The message is too large.")
    content = b'{"data": [1, 2, 3]}'
    assert ask(path, ME, method="POST", body=content, pieces=3) == (200, content)
