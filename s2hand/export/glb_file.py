"""The container of binary glTF 2.0: accessors into one buffer, and the file around them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.files import written_whole

MAGIC, VERSION = b"glTF", 2
JSON_CHUNK, BINARY_CHUNK = b"JSON", b"BIN\0"
ALIGNMENT = 4

COMPONENTS = {"uint8": 5121, "uint16": 5123, "float32": 5126}
"""Component types by dtype."""

KINDS = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
"""Element types by the shape of an element; matrices lie column after column."""

VERTEX_DATA, VERTEX_NUMBERS = 34962, 34963
"""Targets of buffer views."""


class GlbBuffer:
    """Gathers the arrays and images of a file.

    Attributes:
        accessors: glTF's list of them.
        views: glTF's list of buffer views.
    """

    def __init__(self) -> None:
        self.accessors: list[dict[str, Any]] = []
        self.views: list[dict[str, Any]] = []
        self._content = bytearray()

    def add(self, values: np.ndarray, target: int | None = None, *, bounds: bool = False) -> int:
        """Adds an array.

        Args:
            values: (N, ...) of a dtype in ``COMPONENTS``, elements shaped as in ``KINDS``.
            target: ``VERTEX_DATA``, ``VERTEX_NUMBERS``, or None for what is neither.
            bounds: whether to state the smallest and largest values, as positions and times need.

        Returns:
            The accessor's number.
        """
        view = self.add_bytes(np.ascontiguousarray(values).tobytes(), target)
        accessor = {
            "bufferView": view,
            "componentType": COMPONENTS[values.dtype.name],
            "count": len(values),
            "type": KINDS[values.shape[1:]],
        }
        if bounds:
            flat = values.reshape(len(values), -1)
            accessor |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_bytes(self, content: bytes, target: int | None = None) -> int:
        """Adds bytes, such as an image's; returns the number of their buffer view."""
        view = {"buffer": 0, "byteOffset": len(self._content), "byteLength": len(content)}
        self.views.append(view if target is None else view | {"target": target})
        self._content += content + bytes(-len(content) % ALIGNMENT)
        return len(self.views) - 1

    def write(self, path: Path, tree: dict[str, Any]) -> None:
        """Writes the file.

        Args:
            path: the .glb.
            tree: glTF's JSON without accessors, buffer views and buffer.
        """
        tree = tree | {
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": len(self._content)}],
        }
        text = json.dumps(tree, separators=(",", ":")).encode()
        text += b" " * (-len(text) % ALIGNMENT)
        chunks = b"".join(
            struct.pack("<I4s", len(chunk), kind) + chunk
            for kind, chunk in ((JSON_CHUNK, text), (BINARY_CHUNK, bytes(self._content)))
        )
        header = struct.pack("<4sII", MAGIC, VERSION, 12 + len(chunks))
        with written_whole(path) as partial:
            partial.write_bytes(header + chunks)
