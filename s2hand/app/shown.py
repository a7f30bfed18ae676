"""What the page shows of a photo or a video: sentences, the 3D viewer, and pictures as text."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from PIL import Image

from s2hand.app.work import PhotoWork
from s2hand.pages import Scene, embed, photo_scene
from s2hand.pages.embedded import scene_document
from s2hand.pages.prediction_cards import CAMERA_SOURCES
from s2hand.prediction.checks import doubts_of
from s2hand.prediction.reconstruction import Reconstruction

NOTHING_YET = "Choose a photo, and every hand in it will be reconstructed."
NO_HAND = "**No hand was found.** Under “Boxes” you can draw a box around one."

STREAM_QUALITY = 80


def told(work: PhotoWork | None) -> str:
    """A line or two of Markdown about the photo."""
    if work is None:
        return NOTHING_YET
    if work.hands is None:
        return NO_HAND
    hands = list(work.hands)
    camera = CAMERA_SOURCES.get(hands[0].focal_source, hands[0].focal_source)
    lines = [
        f"**{' and '.join(label.lower() for label in work.labels).capitalize()}**"
        + (", fitted to the keypoints" if work.refined else "")
        + f". Focal length {hands[0].K[0, 0]:,.0f} px, {camera}."
    ]
    for index, (label, hand) in enumerate(zip(work.labels, hands, strict=True)):
        keypoints = work.hands.detected_keypoints[index].double().numpy()
        confidence = work.hands.confidence[index].double().numpy()
        doubts = doubts_of(hand.keypoints_2d, hand.image_size, keypoints, confidence)
        lines += [f"{label} in doubt: {doubt}." for doubt in doubts]
    return "\n\n".join(lines)


def photo_viewer(work: PhotoWork, hands: Reconstruction | None) -> str:
    """The 3D viewer of a photo's hands, as HTML; empty if there are none."""
    if hands is None:
        return ""
    confidence = [values.numpy() for values in hands.confidence]
    still = embed(work.preview)
    return viewer_frame(photo_scene(work.name, still, list(hands), confidence=confidence))


def viewer_frame(scene: Scene) -> str:
    """The 3D viewer with a scene, in a frame that can reach nothing of the page around it."""
    document = scene_document(scene, embed(scene.frames[0].image))
    return (
        f'<iframe class="viewer-frame" title="3D viewer" sandbox="allow-scripts" allow="fullscreen" '
        f'srcdoc="{escape(document, quote=True)}"></iframe>'
    )


def inline_picture(pixels: np.ndarray, alt: str) -> str:
    """A picture (H, W, 3) uint8 inside of its HTML element, so that it is no file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=STREAM_QUALITY)
    content = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img class="stream" alt="{escape(alt, quote=True)}" src="data:image/jpeg;base64,{content}">'
