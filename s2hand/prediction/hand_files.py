"""The files of predicted hands: an overlay and a mask for each picture, meshes and numbers for each hand."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from s2hand.checkpoints import StoredNetwork
from s2hand.errors import S2HandError
from s2hand.export import (
    ExportedHand,
    write_glb,
    write_hand_json,
    write_hand_npz,
    write_obj,
    write_ply,
)
from s2hand.files import sha256_of_file, written_whole
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.visualize import Overlay, hand_window

PICTURE_FORMATS = ("overlay", "mask")
HAND_FORMATS = ("glb", "obj", "ply", "json", "npz")
FORMATS = PICTURE_FORMATS + HAND_FORMATS
DEFAULT_FORMATS = ("overlay", "glb", "json", "npz")

JPEG_QUALITY = 92


@dataclass(frozen=True)
class HandFiles:
    """Writes the files of pictures.

    Attributes:
        out: folder of everything.
        versions: of what makes the predictions, see :func:`versions_of`.
        formats: of ``FORMATS``, what to write.
        unlit: whether .glb files show the albedo as it is.
    """

    out: Path
    versions: dict[str, str]
    formats: Collection[str] = DEFAULT_FORMATS
    unlit: bool = False

    def __post_init__(self):
        if unknown := sorted(set(self.formats) - set(FORMATS)):
            raise S2HandError(f"formats: there is no {unknown[0]!r}; choose among {', '.join(FORMATS)}")
        if not self.formats:
            raise S2HandError(f"formats: nothing to write; choose among {', '.join(FORMATS)}")

    def write(self, stem: str, photo: np.ndarray, name: str, hands: Reconstruction) -> dict:
        """Writes everything of one picture.

        Args:
            stem: of its files, relative to ``out``.
            photo: (H, W, 3) uint8.
            name: the picture's, to be stated.
            hands: those in it.

        Returns:
            What the index says of the picture.
        """
        entry = {"name": name, "width": photo.shape[1], "height": photo.shape[0]}
        entry |= self._write_pictures(stem, photo, hands)
        entry["hands"] = []
        for index in range(len(hands)):
            hand_stem = stem if len(hands) == 1 else f"{stem}.hand{index}"
            hand = hands.exported(index, name)
            files = {
                kind: self._write_hand(kind, hand_stem, hand) for kind in HAND_FORMATS if kind in self.formats
            }
            entry["hands"].append(
                {
                    "hand": hand.hand,
                    "focal_source": hand.focal_source,
                    "looked_at": hand.looked_at,
                    "refined": hand.refined,
                    "files": files,
                }
            )
        return entry

    def _write_pictures(self, stem: str, photo: np.ndarray, hands: Reconstruction) -> dict[str, str]:
        written = {}
        if set(self.formats) & set(PICTURE_FORMATS):
            overlay = overlay_of(photo, hands)
        if "overlay" in self.formats:
            written["overlay"] = f"{stem}.overlay.jpg"
            _save(self.out / written["overlay"], overlay.picture, quality=JPEG_QUALITY)
        if "mask" in self.formats:
            written["mask"] = f"{stem}.mask.png"
            _save(self.out / written["mask"], np.rint(overlay.silhouette * 255).astype(np.uint8))
        return written

    def _write_hand(self, kind: str, stem: str, hand: ExportedHand) -> str:
        """Writes one file (and what belongs to it); returns its path relative to ``out``."""
        file = f"{stem}.{kind}"
        path = self.out / file
        if kind == "glb":
            write_glb(path, hand, unlit=self.unlit)
        elif kind == "obj":
            write_obj(path, hand)
        elif kind == "ply":
            write_ply(path, hand)
        elif kind == "json":
            write_hand_json(path, hand, self.versions)
        else:
            write_hand_npz(path, hand, self.versions)
        return file


def overlay_of(photo: np.ndarray, hands: Reconstruction) -> Overlay:
    """The hands and their skeletons over their photo (H, W, 3) uint8, the nearest hand last."""
    overlay = Overlay.of_photo(photo)
    for index in torch.argsort(hands.vertices[..., 2].mean(1), descending=True).tolist():
        appearance = (
            (None, None) if hands.face_textures is None else (hands.face_textures[index], hands.light[index])
        )
        vertices, K = hands.vertices[index], hands.K[index]
        overlay = overlay.with_hand(vertices, hands.faces(index), K, *appearance)
        if (window := hand_window(vertices, K, photo.shape[:2])) is not None:
            overlay = overlay.with_skeleton(hands.keypoints_2d[index], window)
    return overlay


def versions_of(network: StoredNetwork) -> dict[str, str]:
    """What makes the predictions: the program, PyTorch, the checkpoint's file and its SHA-256, the hand."""
    return {
        "s2hand": _own_version(),
        "torch": torch.__version__,
        "checkpoint": network.path.name,
        "checkpoint_sha256": sha256_of_file(network.path),
        "hand_model": network.hand_model.name,
    }


def _own_version() -> str:
    try:
        return importlib.metadata.version("s2hand")
    except importlib.metadata.PackageNotFoundError:  # it runs from its sources
        return "not installed"


def _save(path: Path, picture: np.ndarray, **options) -> None:
    with written_whole(path) as partial:
        Image.fromarray(picture).save(partial, **options)
