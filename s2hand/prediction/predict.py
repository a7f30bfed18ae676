"""What ``s2hand predict`` does: from a checkpoint and pictures or videos to a folder of predictions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from s2hand.datasets.detections import is_preview, read_detections
from s2hand.errors import DatasetError
from s2hand.images.intrinsics import StatedCamera
from s2hand.images.videos import is_video
from s2hand.prediction.hand_files import DEFAULT_FORMATS, HandFiles, versions_of
from s2hand.prediction.photo_sources import AUTO, HandFinder, NamedPhoto, named_photos
from s2hand.prediction.predict_photos import Predictions, predict_photos
from s2hand.prediction.predict_video import predict_video
from s2hand.prediction.reconstructor import DEFAULT_BATCH, HandReconstructor
from s2hand.prediction.refine import DEFAULT_STEPS


@dataclass(frozen=True)
class PredictSettings:
    """How to predict; plain JSON values, which the index repeats.

    Attributes:
        detections: a detections file, or None.
        hand: "left", "right", or "auto": as in the detections, else right.
        focal: focal length in pixels of all pictures without a camera of their own, or None.
        K: fx, fy, cx, cy of them in pixels, or None.
        formats: what to write for pictures, see :mod:`s2hand.prediction.hand_files`.
        unlit: whether .glb files show the albedo as it is.
        refine: steps of a fit of the hands to the detections, or else to the network's 2D branch; 0: none.
        smooth: steady the hands of videos over time.
    """

    detections: str | None = None
    hand: str = AUTO
    focal: float | None = None
    K: tuple[float, float, float, float] | None = None
    formats: tuple[str, ...] = DEFAULT_FORMATS
    unlit: bool = False
    refine: int = 0
    smooth: bool = True

    def finder(self) -> HandFinder:
        """What tells where hands are.

        Raises:
            DatasetError: the detections cannot be read, or the camera is none.
        """
        detections = None if self.detections is None else read_detections(self.detections)
        K = None
        if self.K is not None:
            fx, fy, cx, cy = self.K
            K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        return HandFinder(detections, self.hand, StatedCamera(self.focal, K))


def predict(
    checkpoint: str | Path,
    sources: Sequence[str | Path],
    out: str | Path,
    settings: PredictSettings,
    *,
    hand_model: str | Path | None = None,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    say: Callable[[str], None] = print,
    note: Callable[[str], None] = print,
    progress: bool = True,
) -> Predictions:
    """Predicts the hands of pictures and videos, and writes everything to a folder with an index.

    Args:
        checkpoint: see :meth:`HandReconstructor.from_checkpoint`.
        sources: folders, patterns, pictures and videos.
        out: the folder; pictures that lie in it are passed over.
        settings: how.
        hand_model: "generic" or a MANO file; None: the one that the network was trained with.
        device: where the network computes.
        batch_size: hands at once.
        say: takes the summary.
        note: takes lines on what to mind.
        progress: show bars.

    Returns:
        What was written, and what could not be read.

    Raises:
        S2HandError: the checkpoint or the detections cannot be used, or there are no pictures.
    """
    finder, out = settings.finder(), Path(out)
    photos = [photo for photo in named_photos(sources) if not _lies_in(photo.path, out)]
    if not photos:
        raise DatasetError(f"all pictures lie in {out}, the folder for the results: name another folder")
    if settings.detections is not None:
        photos = [photo for photo in photos if not is_preview(photo.path, settings.detections)]
    unknown = _undetected([photo for photo in photos if not is_video(photo.path)], finder, settings)
    reconstructor = HandReconstructor.from_checkpoint(
        checkpoint,
        hand_model,
        device,
        batch_size=batch_size,
        refine_steps=settings.refine or DEFAULT_STEPS,
    )
    finder = replace(finder, squares=reconstructor.network.squares)
    for line in (*_notes(reconstructor, finder, settings), *unknown):
        note(line)
    files = HandFiles(out, versions_of(reconstructor.network), settings.formats, settings.unlit)
    written = _predict_files(reconstructor, photos, finder, files, settings, progress)
    index = written.write_index(files, asdict(settings))
    say(f"{written.summary()}; {index} lists them")
    return written


def _predict_files(
    reconstructor: HandReconstructor,
    photos: Sequence[NamedPhoto],
    finder: HandFinder,
    files: HandFiles,
    settings: PredictSettings,
    progress: bool,
) -> Predictions:
    """Predicts pictures, then videos; those that cannot be read are listed, and the rest goes on."""
    options = {"refine": settings.refine != 0, "progress": progress}
    still = [photo for photo in photos if not is_video(photo.path)]
    done = predict_photos(reconstructor, still, finder, files, **options)
    entries, unreadable = list(done.entries), list(done.unreadable)
    for video in (photo for photo in photos if is_video(photo.path)):
        try:
            entry = predict_video(
                reconstructor, video.path, video.stem, finder, files, smooth=settings.smooth, **options
            )
            entries.append(entry)
        except DatasetError as error:
            unreadable.append(f"{video.name}: {' '.join(str(error).split())}")
    return Predictions(tuple(entries), tuple(unreadable))


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _undetected(photos: Sequence[NamedPhoto], finder: HandFinder, settings: PredictSettings) -> list[str]:
    """A line if the detections lack some of the pictures.

    Raises:
        DatasetError: they lack all of them, so they are of other pictures.
    """
    missing = [photo.name for photo in photos if not finder.knows(photo.name)]
    if finder.detections is None or not missing:
        return []
    if len(missing) == len(photos):
        known = ", ".join(finder.detections.names[:2]) or "no pictures"
        raise DatasetError(
            f"{settings.detections} names none of the pictures (it has {known}; these are {missing[0]}, "
            "...): name the folder that was detected on, or detect on these pictures"
        )
    return [
        f"{settings.detections} does not name {len(missing):,} of the pictures (first {missing[0]}): "
        "they are looked at whole"
    ]


def _notes(
    reconstructor: HandReconstructor, finder: HandFinder, settings: PredictSettings
) -> Collection[str]:
    notes = list(reconstructor.notes)
    if finder.detections is None:
        side = "a right" if settings.hand == AUTO else f"a {settings.hand}"
        notes.append(
            f"without --detections the network looks at whole pictures and takes what it sees for {side} "
            "hand; `s2hand detect` finds where hands are"
        )
    elif settings.hand == AUTO and finder.detections.hands is None:
        notes.append(
            f"{settings.detections} does not tell left from right: all hands are taken for right ones"
        )
    return notes
