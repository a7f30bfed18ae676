"""The 3D viewer of a page and the scenes that it can show; its code is assets/viewer.min.js."""

from __future__ import annotations

import json
from html import escape

from s2hand.pages.document import json_script
from s2hand.pages.joints import joint_colors, joint_names
from s2hand.pages.media import PHOTO_PX, EmbeddedImage
from s2hand.pages.scenes import Scene, Topologies, scene_json
from s2hand.skeleton import BONES

ERROR_RANGE_MM = 20.0
"""The error at which the viewer's colours end."""


class SceneScripts:
    """Gathers the scenes of a page. Each is a script of its own, which the viewer reads when it is opened."""

    def __init__(self) -> None:
        self._topologies = Topologies()
        self._scenes: list[str] = []

    def add(self, identifier: str, scene: Scene, photo_px: int = PHOTO_PX) -> None:
        """Adds a scene.

        Args:
            identifier: the name by which the page opens it.
            scene: what to show.
            photo_px: longest side to which photos are shrunk.
        """
        content = scene_json(scene, self._topologies, photo_px)
        self._scenes.append(json_script("data-scene", content, identifier))

    def html(self) -> list[str]:
        """The scripts; none without scenes."""
        if not self._scenes:
            return []
        skeleton = {"names": joint_names(), "bones": BONES, "colors": joint_colors()}
        common = {"topologies": self._topologies.packed, "skeleton": skeleton}
        return [json_script("data-viewer-common", json.dumps(common)), *self._scenes]


def viewer_html(
    still: EmbeddedImage | None, alt: str, error_label: str = "", error_range_mm: float = ERROR_RANGE_MM
) -> str:
    """The viewer, and the panel beside it that tells about what it shows.

    Args:
        still: what is shown without scripts or WebGL.
        alt: what the still shows.
        error_label: what the error colours are, such as "after Procrustes alignment".
        error_range_mm: where they end.
    """
    image = still.html(alt) if still else ""
    return (
        '<div class="bench" role="region" aria-label="3D viewer">'
        f'<div class="viewer" data-viewer data-error-range="{error_range_mm:g}" '
        f'data-error-label="{escape(error_label, quote=True)}"><div class="viewer-stage">{image}</div></div>'
        '<aside class="detail" data-detail aria-live="polite"></aside></div>'
    )
