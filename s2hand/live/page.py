"""The page that shows a camera: one HTML file in the style of the other pages."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from s2hand.pages.document import asset_text

POLICY = (
    "default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy: a browser loads nothing but what this server sends, and embeds it nowhere."""


def camera_page(camera: str, size: tuple[int, int], out: str) -> str:
    """The page as HTML.

    Args:
        camera: the camera's name, such as "Camera 0".
        size: (width, height) px of its frames.
        out: the folder of recordings.
    """
    own = files("s2hand.live").joinpath("page.html").read_text(encoding="utf-8")
    values = {
        "pages.css": asset_text("pages.css"),
        "camera": escape(camera),
        "width": str(size[0]),
        "height": str(size[1]),
        "out": escape(out),
    }
    for name, value in values.items():
        own = own.replace("{{" + name + "}}", value)
    return own
