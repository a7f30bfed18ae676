"""Synthetic photos of left and right hands, as somebody's own folders."""

from __future__ import annotations

from pathlib import Path

from s2hand.synthetic import DetectorNoise, write_synthetic_dataset


def draw_photos(root: Path, train: int, evaluation: int) -> Path:
    """Draws ``training`` and ``evaluation`` folders of small photos in which every hand is detected.

    Returns:
        ``root``.
    """
    write_synthetic_dataset(
        root,
        layout="folder",
        train=train,
        evaluation=evaluation,
        image_size=160,
        noise=DetectorNoise(failure_rate=0),
        processes=1,
        progress=False,
    )
    return root
