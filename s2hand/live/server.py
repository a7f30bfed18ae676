"""The page of a camera on this machine: a stream of JPEGs, a state in JSON, and a switch for recording.

Only this machine is served. Pages of other origins can neither read nor switch anything: requests must name
this machine as their host (a foreign name that leads here is refused), what is sent may not be embedded
elsewhere, and recording takes a POST from the page itself.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from s2hand.errors import S2HandError
from s2hand.live.newest import Newest
from s2hand.live.page import POLICY

ADDRESS = "127.0.0.1"

BOUNDARY = b"frame"

CLIENT_TIMEOUT_S = 30
"""A client that takes nothing for so long is dropped."""


class PageServer(ThreadingHTTPServer):
    """Serves any number of clients, each in a thread.

    Args:
        port: 0 for one that the system chooses.
        page: HTML.
        frames: JPEGs, the newest of which each client gets.
        state: gives what the page shows beside them, as plain JSON values.
        record: takes whether to record from now on.

    Raises:
        S2HandError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(
        self,
        port: int,
        page: str,
        frames: Newest[bytes],
        state: Callable[[], dict[str, Any]],
        record: Callable[[bool], None],
    ) -> None:
        self.page, self.frames, self.state, self.record = page, frames, state, record
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise S2HandError(
                f"--port {port} cannot be had ({reason}): name another one, or leave it out for a free one"
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """What requests may call this machine."""
        return f"{ADDRESS}:{self.server_port}", f"localhost:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may leave whenever they like; anything else is reported as usual."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = CLIENT_TIMEOUT_S

    def do_GET(self) -> None:
        if not self._is_from_here():
            return
        if self.path == "/":
            self._send(self.server.page.encode(), "text/html; charset=utf-8")
        elif self.path == "/stream":
            self._stream()
        elif self.path == "/state":
            self._send_state()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        if not self._is_from_here():
            return
        if self.path not in ("/record/start", "/record/stop"):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.server.record(self.path == "/record/start")
        self._send_state()

    def _is_from_here(self) -> bool:
        """Refuses requests that come by another name of this machine, or from pages of other origins."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        known = host in self.server.hosts and origin in (None, f"http://{host}")
        if not known:
            self.send_error(HTTPStatus.FORBIDDEN)
        return known

    def _send_state(self) -> None:
        self._send(json.dumps(self.server.state()).encode(), "application/json")

    def _send(self, content: bytes, kind: str) -> None:
        self._begin(kind)
        self.wfile.write(content)

    def _begin(self, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()

    def _stream(self) -> None:
        self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}")
        try:
            self.wfile.write(b"--" + BOUNDARY + b"\r\n")
            for jpeg in self.server.frames:
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                # Browsers show a part when the next boundary has come, so that is sent at once.
                self.wfile.write(head + jpeg + b"\r\n--" + BOUNDARY + b"\r\n")
        except OSError:  # the client has left
            return

    def log_message(self, format: str, *arguments: object) -> None:
        """Requests are not printed."""
