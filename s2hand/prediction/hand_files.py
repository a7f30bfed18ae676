"""The files of predicted hands: overlays of photos, meshes and numbers of hands, and an index."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from s2hand.export import (
    Hand,
    HandMotion,
    Rig,
    write_bvh,
    write_glb,
    write_hand_json,
    write_hand_npz,
    write_obj,
    write_ply,
    write_robot_json,
    write_skinned_glb,
)
from s2hand.files import sha256_of_file, write_text_whole, written_whole
from s2hand.hand import HandModel
from s2hand.prediction.answerers import Answerer
from s2hand.prediction.checks import doubts_of
from s2hand.prediction.options import ENDINGS, HAND_FORMATS, PHOTO_FORMATS, PredictOptions
from s2hand.prediction.photos import Photo
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.rigging import rig_motion
from s2hand.visualize import Overlay, hand_window
from s2hand.visualize.photo import LARGEST_RENDERING_PX

INDEX_FORMAT = "s2hand-predictions-1"
INDEX_FILE = "index.json"

JPEG_QUALITY = 92


@dataclass(frozen=True)
class HandFiles:
    """Writes the results of photos.

    Attributes:
        out: folder of all results.
        versions: what makes the predictions, see :func:`versions_of`.
        options: which formats to write.
        hand_model: whose parameters the hands have; only the formats "skinned" and "bvh" need it.
    """

    out: Path
    versions: dict[str, str]
    options: PredictOptions = field(default_factory=PredictOptions)
    hand_model: HandModel | None = None

    def write(self, photo: Photo, pixels: np.ndarray, hands: Reconstruction | None) -> dict[str, Any]:
        """Writes everything about one photo.

        Args:
            photo: says what the results are called.
            pixels: (H, W, 3) uint8.
            hands: the hands in it; None: no hand was found, and nothing is written.

        Returns:
            The photo's entry in the index.
        """
        entry = {"name": photo.name, "width": pixels.shape[1], "height": pixels.shape[0]}
        if hands is None:
            return entry | {"hands": []}
        entry |= self._write_overlay(photo.stem, pixels, hands)
        entry["hands"] = []
        for index, hand in enumerate(hands):
            stem = photo.stem if len(hands) == 1 else f"{photo.stem}.hand{index}"
            files = {
                kind: self._write_hand(kind, stem, hand)
                for kind in HAND_FORMATS
                if kind in self.options.formats
            }
            told = ("hand", "focal_source", "looked_at", "refined")
            stated = {name: getattr(hand, name) for name in told} | {"files": files}
            keypoints, confidence = (
                values[index].double().numpy() for values in (hands.detected_keypoints, hands.confidence)
            )
            doubts = doubts_of(hand.keypoints_2d, hand.image_size, keypoints, confidence)
            entry["hands"].append(stated | ({"doubts": doubts} if doubts else {}))
        return entry

    def _write_overlay(self, stem: str, pixels: np.ndarray, hands: Reconstruction) -> dict[str, str]:
        """Writes overlay and mask, as far as they are asked for."""
        if not set(self.options.formats) & set(PHOTO_FORMATS):
            return {}
        overlay, written = overlay_of(pixels, hands), {}
        if "overlay" in self.options.formats:
            written["overlay"] = f"{stem}.overlay.jpg"
            _save(self.out / written["overlay"], overlay.image, quality=JPEG_QUALITY)
        if "mask" in self.options.formats:
            written["mask"] = f"{stem}.mask.png"
            _save(self.out / written["mask"], np.rint(overlay.silhouette * 255).astype(np.uint8))
        return written

    def _write_hand(self, kind: str, stem: str, hand: Hand) -> str:
        """Writes one file (and what belongs to it); returns its path relative to ``out``."""
        file = f"{stem}.{ENDINGS[kind]}"
        writers: dict[str, Callable[[Path], Any]] = {
            "glb": lambda path: write_glb(path, hand, unlit=self.options.unlit),
            "obj": lambda path: write_obj(path, hand),
            "ply": lambda path: write_ply(path, hand),
            "json": lambda path: write_hand_json(path, hand, self.versions),
            "npz": lambda path: write_hand_npz(path, hand, self.versions),
            "skinned": lambda path: write_skinned_glb(path, [self._rig(hand)], unlit=self.options.unlit),
            "bvh": lambda path: write_bvh(path, self._rig(hand)),
            "robot": lambda path: write_robot_json(path, [HandMotion.of_photo(hand)], self.versions),
        }
        writers[kind](self.out / file)
        return file

    def _rig(self, hand: Hand) -> Rig:
        return rig_motion(HandMotion.of_photo(hand), self.hand_model)

    def write_index(self, entries: list[dict[str, Any]], unreadable: list[str]) -> Path:
        """Writes index.json, which lists everything that was written, and with what.

        Args:
            entries: one for each photo and video.
            unreadable: "name: reason" for each that could not be read.
        """
        content = {
            "format": INDEX_FORMAT,
            "versions": self.versions,
            "settings": asdict(self.options),
            "images": entries,
            "unreadable": unreadable,
        }
        path = self.out / INDEX_FILE
        write_text_whole(path, json.dumps(content, indent=1) + "\n")
        return path


def overlay_of(
    photo: np.ndarray,
    hands: Reconstruction,
    largest_px: int = LARGEST_RENDERING_PX,
    *,
    draft: bool = False,
) -> Overlay:
    """The hands and their skeletons over their photo (H, W, 3) uint8, the nearest hand last.

    Args:
        photo: the photo.
        hands: those in it.
        largest_px: see :meth:`~s2hand.visualize.Overlay.with_hand`.
        draft: likewise.
    """
    overlay = Overlay.of_photo(photo)
    for index in torch.argsort(hands.vertices[..., 2].mean(1), descending=True).tolist():
        textured = hands.face_textures is not None and not hands.painted  # the photo's colours hide the hand
        appearance = (hands.face_textures[index], hands.light[index]) if textured else (None, None)
        vertices, K = hands.vertices[index], hands.K[index]
        overlay = overlay.with_hand(vertices, hands.faces(index), K, *appearance, largest_px, draft)
        if (window := hand_window(vertices, K, photo.shape[:2])) is not None:
            overlay = overlay.with_skeleton(hands.keypoints_2d[index], window)
    return overlay


def versions_of(answerer: Answerer) -> dict[str, str]:
    """What makes the predictions: the program, PyTorch, the checkpoint with its SHA-256, the hand model."""
    return {
        "s2hand": program_version(),
        "torch": torch.__version__,
        "checkpoint": answerer.path.name,
        "checkpoint_sha256": sha256_of_file(answerer.path),
        "hand_model": answerer.hand_model.name,
    }


def program_version() -> str:
    """The version of the installed package."""
    try:
        return importlib.metadata.version("s2hand")
    except importlib.metadata.PackageNotFoundError:  # it runs from its sources
        return "not installed"


def _save(path: Path, image: np.ndarray, **options) -> None:
    with written_whole(path) as partial:
        Image.fromarray(image).save(partial, **options)
