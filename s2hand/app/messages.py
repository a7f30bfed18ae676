"""What the page sends besides files: read in bounds, and looked through for files that it names."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from s2hand.errors import S2HandError

LARGEST_MESSAGE = 8_000_000
"""Bytes of a request that is no upload: a frame of a webcam as text."""

OVERSIZE = 4
"""How many times as large a message may be that is read to its end before it is refused."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RefusedError(S2HandError):
    """A request that does not pass.

    Args:
        status: of HTTP.
        line: what the client is told.
    """

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


async def read_message(receive: Receive) -> bytes:
    """The content of a message.

    What is somewhat too large is read to its end all the same, since clients listen only after that.

    Raises:
        RefusedError: it ends early or is too large.
    """
    content, size, more = bytearray(), 0, True
    while more and size <= OVERSIZE * LARGEST_MESSAGE:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "The message ended early.")
        part = message.get("body", b"")
        size += len(part)
        if size <= LARGEST_MESSAGE:
            content += part
        more = message.get("more_body", False)
    if size > LARGEST_MESSAGE:
        raise RefusedError(413, "The message is too large.")
    return bytes(content)


def parsed(content: bytes) -> Any:
    """The values of a message; nothing has none.

    Raises:
        RefusedError: it is no JSON.
    """
    try:
        return json.loads(content) if content else {}
    except (ValueError, RecursionError):
        raise RefusedError(400, "The message is no JSON.") from None


def named_files(values: Any) -> Iterator[str]:
    """All that a message names as the path of a file."""
    waiting = [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("path"), str):
                yield value["path"]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
