"""Visitors of the app who need no browser, and what they send."""

import io
import json
import secrets
import urllib.error
import urllib.request
from http.cookiejar import CookieJar

from PIL import Image

API = "/gradio_api"


class Served:
    """The app at an address.

    Attributes:
        address: such as http://127.0.0.1:7860.
        gate: the ASGI application.
    """

    def __init__(self, gate, port: int) -> None:
        self.gate, self.address = gate, f"http://127.0.0.1:{port}"


class Visitor:
    """Someone who sends requests by hand, with cookies and a page of their own."""

    def __init__(self, served: Served) -> None:
        self.address, self.page = served.address, secrets.token_hex(6)
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        config = json.loads(self.get("/config")[1])
        self._numbers = {entry["api_name"]: entry["id"] for entry in config["dependencies"]}

    def get(self, path: str) -> tuple[int, bytes]:
        return self._ask(urllib.request.Request(self.address + path))

    def post(self, path: str, content: bytes, kind: str = "application/json") -> tuple[int, bytes]:
        return self._ask(urllib.request.Request(self.address + path, content, {"Content-Type": kind}))

    def upload(self, name: str, content: bytes) -> tuple[int, bytes]:
        """Sends a file under any name."""
        head = f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        body = (
            head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--edge--\r\n"
        )
        return self.post(f"{API}/upload", body, "multipart/form-data; boundary=edge")

    def uploaded(self, name: str, content: bytes) -> dict:
        """A file that was taken, as events name it."""
        status, answer = self.upload(name, content)
        assert status == 200, answer
        return {"path": json.loads(answer)[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def send(self, event: str, values: list, page: str = "") -> tuple[int, bytes]:
        """Puts an event into the queue."""
        number = self._numbers[event]
        message = {"data": values, "fn_index": number, "session_hash": page or self.page}
        return self.post(f"{API}/queue/join", json.dumps(message).encode())

    def do(self, event: str, values: list) -> dict:
        """Sends an event and waits for its outcome: "success" and "output"."""
        status, answer = self.send(event, values)
        assert status == 200, answer
        with self._opener.open(f"{self.address}{API}/queue/data?session_hash={self.page}") as stream:
            for line in stream:
                message = json.loads(line[5:]) if line.startswith(b"data:") else {}
                if message.get("msg") == "process_completed":
                    return message
        raise AssertionError("the queue ended without an outcome")

    def open_photo(self, sent: dict | None) -> dict:
        return self.do("open", [sent, False, "Hands", False])

    def _ask(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with self._opener.open(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read()


def png(width: int = 160, height: int = 120) -> bytes:
    """A grey picture without hands."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (128, 128, 128)).save(buffer, "PNG")
    return buffer.getvalue()


def files_of(outcome: dict) -> list[str]:
    """Paths of the files that an outcome names."""
    waiting, paths = [outcome.get("output", {}).get("data", [])], []
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            paths += [value["path"]] if isinstance(value.get("path"), str) else []
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return paths
