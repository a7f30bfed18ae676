"""One scene in the viewer and nothing around it, as a document to be shown inside of another page."""

from __future__ import annotations

from html import escape

from s2hand.pages.document import POLICY, asset_text
from s2hand.pages.media import EmbeddedImage
from s2hand.pages.scenes import Scene
from s2hand.pages.viewer import SceneScripts

IDENTIFIER = "only"

OPEN_SCRIPT = (
    "document.dispatchEvent(new CustomEvent('s2hand:open',"
    f"{{detail:{{id:'{IDENTIFIER}',position:0,count:1}}}}))"
)

STYLE = (
    "html{background:transparent}body{margin:0;min-height:100vh;display:flex;flex-direction:column;background:transparent}"
    ".viewer{flex:1;display:flex;flex-direction:column;background:transparent}"
    ".viewer-stage{flex:1;height:auto;min-height:240px}"
)
"""The stage takes what the controls below it leave."""


def scene_document(scene: Scene, still: EmbeddedImage) -> str:
    """The viewer with one scene.

    Args:
        scene: what to show.
        still: what is shown without WebGL.

    Returns:
        HTML of a whole document, which loads nothing.

    Raises:
        ValueError: a number of the scene is not finite.
    """
    scripts = SceneScripts()
    scripts.add(IDENTIFIER, scene)
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en" class="js">\n<head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{escape(scene.name)}</title><style>{asset_text('pages.css')}{STYLE}</style></head>",
            '<body><div class="viewer" data-viewer data-error-range="20" data-error-label="">',
            f'<div class="viewer-stage">{still.html(scene.name)}</div></div>',
            *scripts.html(),
            f"<script>{asset_text('viewer.min.js')}</script><script>{OPEN_SCRIPT}</script></body></html>",
        ]
    )
