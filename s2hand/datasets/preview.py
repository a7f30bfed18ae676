"""The sheet of pictures with their keypoints beside a detections file, which is no photo itself."""

from __future__ import annotations

from pathlib import Path


def preview_path(detections: str | Path) -> Path:
    """The sheet of pictures that ``s2hand detect --preview`` draws beside its file; no picture of a hand."""
    detections = Path(detections).expanduser()
    return detections.with_name(f"{detections.stem}_preview.jpg")


def is_preview(photo: Path, detections: str | Path) -> bool:
    """Whether a picture is the sheet of a detections file, which may lie in the pictures' own folder."""
    sheet = preview_path(detections)
    return photo.name == sheet.name and photo.resolve() == sheet.resolve()
