"""FreiHAND's and HO-3D's submission files: ``pred.json`` = [joints (N,21,3), vertices (N,778,3)], zipped.

FreiHAND wants its own joint order in the camera frame used here (x right, y down, z forward). HO-3D wants its
joint order and OpenGL's frame (y up, z backward): y and z change sign, in joints **and** vertices. The
published S2HAND code left the vertices unflipped.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from s2hand.archives import ArchiveError, read_member
from s2hand.datasets.json_files import as_array, parse_json
from s2hand.errors import S2HandError, reason_of
from s2hand.files import written_whole
from s2hand.skeleton import FREIHAND_TO_HO3D, HO3D_TO_FREIHAND, NUM_JOINTS

OPENGL_FLIP = np.array((1.0, -1.0, -1.0))
"""Turns coordinates of OpenCV's camera frame into OpenGL's, and back."""

DECIMALS = 9
"""Coordinates are rounded to nanometres: finer than float32, and much shorter than all digits."""

MEMBER = "pred.json"
"""The file in the zip that both servers read."""

MAX_MEMBER_BYTES = 1 << 30
"""Largest prediction: HO-3D's 20,137 hands have 650 MB, FreiHAND's 3,960 have 130 MB."""

END = b"]]\n"

DATASETS = ("freihand", "ho3d")


def write_submission(
    path: str | Path, joints: np.ndarray, vertices: np.ndarray, dataset: str = "freihand"
) -> Path:
    """Writes ``path`` (JSON) and, beside it, the zip to upload; verifies the zip on the disk.

    Args:
        path: the JSON file, usually ``pred.json``; its folder is created.
        joints: (N, 21, 3) metres, FreiHAND order, OpenCV camera frame.
        vertices: (N, 778, 3) metres, OpenCV camera frame.
        dataset: "freihand" or "ho3d": the order and frame to write.

    Returns:
        The zip's path: ``path`` with the ending .zip.

    Raises:
        S2HandError: shapes or numbers that no server accepts, or an unknown dataset.
        OSError: the files cannot be written, or read back differently.
    """
    path = Path(path)
    joints, vertices = np.asarray(joints, dtype=np.float64), np.asarray(vertices, dtype=np.float64)
    _check(joints, vertices)
    joints_out, vertices_out = to_dataset(joints, vertices, dataset)
    with written_whole(path) as partial:
        crc = _write_json(partial, joints_out, vertices_out)
    archive = path.with_suffix(".zip")
    with written_whole(archive) as partial:
        _write_zip(partial, path)
    _verify_zip(archive, crc)
    return archive


def read_submission(path: str | Path, dataset: str = "freihand") -> tuple[np.ndarray, np.ndarray]:
    """Reads ``pred.json`` or a zip holding it, back in FreiHAND order and OpenCV's camera frame.

    Args:
        path: .json or .zip.
        dataset: "freihand" or "ho3d": the order and frame of the file.

    Returns:
        joints (N, 21, 3) and vertices (N, 778, 3), metres, float64.

    Raises:
        S2HandError: no such file, or not a submission; says what was found.
    """
    joints, vertices = load_arrays(path)
    _check_dataset(dataset)
    if dataset == "ho3d":
        return joints[:, list(HO3D_TO_FREIHAND)] * OPENGL_FLIP, vertices * OPENGL_FLIP
    return joints, vertices


def to_dataset(joints: np.ndarray, vertices: np.ndarray, dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Joints and vertices in a dataset's own order and frame.

    Args:
        joints: (N, 21, 3), FreiHAND order, OpenCV camera frame.
        vertices: (N, V, 3), OpenCV camera frame.
        dataset: "freihand" or "ho3d".

    Returns:
        Arrays of the same shapes.

    Raises:
        S2HandError: unknown dataset.
    """
    _check_dataset(dataset)
    if dataset == "ho3d":
        return joints[:, list(FREIHAND_TO_HO3D)] * OPENGL_FLIP, vertices * OPENGL_FLIP
    return joints, vertices


def load_arrays(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays of a submission, unchanged.

    Raises:
        S2HandError: no such file, or not a submission; says what was found.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise S2HandError(f"{path}: {found}; expected predictions as .json or .zip")
    content = parse_json(_read_bytes(path), path, remedy="write it again, as pred.json")
    if not isinstance(content, list) or len(content) != 2:
        found = f"a list of {len(content)}" if isinstance(content, list) else type(content).__name__
        raise S2HandError(f"{path}: holds {found}; expected [joints, vertices]")
    joints, vertices = (
        to_array(part, f"{path}, {name}") for part, name in zip(content, ("joints", "vertices"), strict=True)
    )
    _check(joints, vertices, f"{path}: ")
    return joints, vertices


def to_array(nested, where: str) -> np.ndarray:
    """Nested lists as a float64 array (N, K, 3).

    Raises:
        S2HandError: ragged lists, entries that are not numbers, or another shape.
    """
    return as_array(nested, (None, None, 3), what=where, dtype=np.float64)


def _read_bytes(path: Path) -> bytes:
    if path.suffix.lower() != ".zip":
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                raise S2HandError(f"{path}: holds {archive.namelist()[:5]}; expected {MEMBER}")
            return read_member(archive, MEMBER, MAX_MEMBER_BYTES)
    except ArchiveError as error:
        raise S2HandError(f"{path}: not a sound zip file ({error}); pack it again") from None
    except S2HandError:
        raise
    except Exception as error:  # damaged archives fail in many ways: zip, zlib, seeks, encryption, encoding
        raise S2HandError(f"{path}: not a sound zip file ({reason_of(error)}); pack it again") from None


def _write_json(path: Path, joints: np.ndarray, vertices: np.ndarray) -> int:
    """Writes hand by hand, as lists of all vertices would take a gigabyte; returns the CRC-32."""
    crc = 0
    with path.open("wb") as file:
        for opening, array in (("[[", joints), ("],\n[", vertices)):
            for number, hand in enumerate(np.round(array, DECIMALS)):
                before = ",\n" if number else opening
                text = (before + json.dumps(hand.tolist(), separators=(",", ":"))).encode()
                crc = zlib.crc32(text, crc)
                file.write(text)
        file.write(END)
    return zlib.crc32(END, crc)


def _write_zip(path: Path, json_path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(json_path, MEMBER)


def _verify_zip(archive: Path, crc: int) -> None:
    """Compares the zip on the disk with the CRC-32 of what was written, without parsing a gigabyte.

    Raises:
        OSError: they differ.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            is_sound = opened.testzip() is None and crc == opened.getinfo(MEMBER).CRC
    except (zipfile.BadZipFile, zlib.error, KeyError):
        is_sound = False
    if not is_sound:
        raise OSError(f"{archive}: read back differently than written; check the disk and write it again")


def _check_dataset(dataset: str) -> None:
    if dataset not in DATASETS:
        raise S2HandError(f"unknown dataset '{dataset}'; expected one of {', '.join(DATASETS)}")


def _check(joints: np.ndarray, vertices: np.ndarray, where: str = "") -> None:
    if joints.ndim != 3 or joints.shape[1:] != (NUM_JOINTS, 3) or not len(joints):
        raise S2HandError(f"{where}joints have shape {joints.shape}; expected (N, {NUM_JOINTS}, 3), N > 0")
    if vertices.ndim != 3 or vertices.shape[::2] != (len(joints), 3):
        expected = f"({len(joints)}, 778, 3)"
        raise S2HandError(f"{where}vertices have shape {vertices.shape}; expected {expected}")
    for name, array in (("joints", joints), ("vertices", vertices)):
        bad = np.flatnonzero(~np.isfinite(array).all((1, 2)))
        if bad.size:
            raise S2HandError(f"{where}{name} of hand {bad[0]} are not finite ({bad.size} such hands)")
