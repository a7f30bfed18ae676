"""The files of a page's photo: every hand as mesh and numbers, the joints as a table, all of it zipped."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from s2hand.export import Hand, write_glb, write_hand_json, write_hand_npz, write_obj
from s2hand.pages.hands import hand_labels
from s2hand.pages.joints import joint_names

JPEG_QUALITY = 92

CSV_COLUMNS = ("hand", "joint", "name", "x_m", "y_m", "z_m", "u_px", "v_px")


def write_downloads(
    folder: Path, name: str, hands: Sequence[Hand], picture: np.ndarray, versions: dict[str, str]
) -> list[Path]:
    """Writes everything about a photo.

    Args:
        folder: where to; it is empty.
        name: the photo's.
        hands: those in it.
        picture: (h, w, 3) uint8, the hands over the photo.
        versions: what made the prediction: name -> version or hash.

    Returns:
        The files, meshes first; the zip of all of them last.
    """
    stem = Path(name).stem
    stems = [stem if len(hands) == 1 else f"{stem}.hand{index}" for index in range(len(hands))]
    files = [write_glb(folder / f"{stem}.glb", hand) for stem, hand in zip(stems, hands, strict=True)]
    for own, hand in zip(stems, hands, strict=True):
        files += write_obj(folder / f"{own}.obj", hand)
    for own, hand in zip(stems, hands, strict=True):
        files.append(write_hand_json(folder / f"{own}.json", hand, versions))
        files.append(write_hand_npz(folder / f"{own}.npz", hand, versions))
    files.append(write_joints_csv(folder / f"{stem}.joints.csv", hands))
    files.append(folder / f"{stem}.overlay.jpg")
    Image.fromarray(picture).save(files[-1], quality=JPEG_QUALITY)
    return [*files, zipped(folder / f"{stem}.zip", files)]


def write_joints_csv(path: Path, hands: Sequence[Hand]) -> Path:
    """Writes the joints of a photo's hands as a table: metres in the camera frame and pixels of the photo."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for label, hand in zip(hand_labels([hand.hand for hand in hands]), hands, strict=True):
            for joint, name in enumerate(joint_names()):
                place = (*(f"{value:.6f}" for value in hand.joints[joint]),)
                pixel = (*(f"{value:.2f}" for value in hand.keypoints_2d[joint]),)
                writer.writerow((label, joint, name, *place, *pixel))
    return path


def zipped(path: Path, files: Sequence[Path]) -> Path:
    """Writes a zip archive of files, without their folders."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    return path
