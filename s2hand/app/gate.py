"""What stands before Gradio: who asks for what, and whether it is theirs.

Gradio serves every file of its temporary folder to whoever knows the path, fetches addresses that a client
names, and has routes that this app does not need. Here each browser gets a secret cookie; pages and files
belong to the browser that opened or sent them, and nothing but what the page needs passes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from s2hand.app.limits import Limits
from s2hand.app.messages import Message, Receive, RefusedError, Scope, Send, named_files, parsed, read_message
from s2hand.app.sessions import Sessions
from s2hand.app.uploads import Uploads

COOKIE = "s2hand-browser"

API = "/gradio_api/"
FILE, UPLOAD, HEARTBEAT = f"{API}file=", f"{API}upload", f"{API}heartbeat/"
PAGE = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt")
PARTS = ("/assets/", "/static/", "/svelte/")
READ = (f"{API}app_id", f"{API}upload_progress", f"{API}queue/data")
SENT = (f"{API}queue/join", f"{API}cancel", f"{API}reset")
STREAM = f"{API}stream/"
"""What Gradio's page asks for."""

MULTIPART_BYTES = 65_536
"""Bytes of an upload that are not the file's."""

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
        b"style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
        b"font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
        b"frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""A browser loads nothing from elsewhere, whatever the page says."""


class Gate:
    """ASGI middleware.

    Args:
        app: what lies behind.
        sessions: the open pages.
        uploads: the files that were sent.
        limits: what the app takes at most.
    """

    def __init__(self, app: Callable, sessions: Sessions, uploads: Uploads, limits: Limits) -> None:
        self.app, self.sessions, self.uploads, self.limits = app, sessions, uploads, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        owner = _owner(scope)
        answered = _Answer(send, None if owner else (owner := secrets.token_urlsafe(32)))
        try:
            await self._pass(scope, receive, answered, owner)
        except RefusedError as refusal:
            if not answered.started:
                answered.cut_off = False
                await _refuse(answered, refusal)

    async def _pass(self, scope: Scope, receive: Receive, send: _Answer, owner: str) -> None:
        path, is_read = scope["path"], scope["method"] in ("GET", "HEAD")
        if is_read and (path in PAGE or path in READ or path.startswith((*PARTS, FILE, HEARTBEAT))):
            self._check_read(scope, owner)
        elif scope["method"] == "POST" and path == UPLOAD:
            receive = self._bounded(scope, receive, send)
            scope, send.collects = _uncompressed(scope), True
        elif scope["method"] == "POST" and (path in SENT or path.startswith(STREAM)):
            receive = await self._checked_message(receive, owner)
        else:
            raise RefusedError(404, "There is nothing here.")
        await self.app(scope, receive, send)
        if send.collects:
            self.uploads.sweep()
            for uploaded in json.loads(bytes(send.collected)) if send.status == 200 else ():
                self.uploads.add(uploaded, owner)

    def _check_read(self, scope: Scope, owner: str) -> None:
        path = scope["path"]
        if path.startswith(FILE):
            self._check_file(path.removeprefix(FILE), owner)
        if path.startswith(HEARTBEAT):
            self._check_page(path.removeprefix(HEARTBEAT), owner)
        for page in parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", ()):
            self._check_page(page, owner)

    def _check_page(self, page: str, owner: str) -> None:
        if not self.sessions.claim(page, owner):
            raise RefusedError(403, "This page belongs to another browser: load it again.")

    def _check_file(self, name: str, owner: str) -> None:
        """A file must be one that this browser sent, or lie in the folder of one of its pages."""
        try:
            path = Path(name).resolve()
            own = path.is_file() and (
                self.uploads.belongs_to(path, owner) or self.sessions.belongs_to(path, owner)
            )
        except (OSError, ValueError):  # names with NUL, or too long for the system
            own = False
        if not own:
            raise RefusedError(403, "There is no such file among yours.")

    def _bounded(self, scope: Scope, receive: Receive, send: _Answer) -> Receive:
        """Ends an upload that is too large, at once where its size is stated."""
        most = self.limits.upload_bytes + MULTIPART_BYTES
        refusal = RefusedError(413, f"The file is larger than {self.limits.upload_mb:g} MB.")
        if int(_header(scope, b"content-length") or 0) > most:
            raise refusal
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                send.cut_off = True
                raise refusal
            return message

        return counted

    async def _checked_message(self, receive: Receive, owner: str) -> Receive:
        """Reads a message whole; its page and all files that it names must be the browser's own."""
        content = await read_message(receive)
        values = parsed(content)
        if isinstance(values, dict) and isinstance(values.get("session_hash"), str):
            self._check_page(values["session_hash"], owner)
        for name in named_files(values):
            self._check_file(name, owner)
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await receive()
            replayed = True
            return {"type": "http.request", "body": content, "more_body": False}

        return replay


class _Answer:
    """Passes an answer on, with the headers that all answers get; collects the content where it is needed.

    Attributes:
        started: whether part of it is on its way.
        cut_off: whether what comes is dropped, as the request was refused while it was read.
    """

    def __init__(self, send: Send, new_owner: str | None) -> None:
        self.send, self.new_owner = send, new_owner
        self.started = self.cut_off = self.collects = False
        self.status, self.collected = 0, bytearray()

    async def __call__(self, message: Message) -> None:
        if self.cut_off:
            return
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            headers = [*message.get("headers", ()), *HEADERS]
            if self.new_owner is not None:
                cookie = f"{COOKIE}={self.new_owner}; Path=/; HttpOnly; SameSite=Strict"
                headers.append((b"set-cookie", cookie.encode()))
            message = {**message, "headers": headers}
        elif self.collects and message["type"] == "http.response.body":
            self.collected += message.get("body", b"")
        await self.send(message)


async def _refuse(send: _Answer, refusal: RefusedError) -> None:
    content = refusal.line.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(content))]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _uncompressed(scope: Scope) -> Scope:
    """The request of a client that takes no compressed answer, so that the answer can be read here."""
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]}


def _owner(scope: Scope) -> str | None:
    """The browser's secret from its cookies."""
    try:
        cookies = SimpleCookie(_header(scope, b"cookie") or "")
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None
