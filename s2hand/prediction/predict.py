"""What ``s2hand predict`` does: from a checkpoint and photos or videos to a folder of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s2hand.datasets.detection_files import is_preview
from s2hand.datasets.detections import HANDS
from s2hand.errors import DatasetError
from s2hand.files import check_folder
from s2hand.images.listing import passed_over
from s2hand.images.photos import PhotoHeader, read_photo, read_photo_header
from s2hand.prediction.batches import Group, together
from s2hand.prediction.detected_hands import DetectedHands
from s2hand.prediction.found_hands import IMAGES_AT_ONCE
from s2hand.prediction.hand_files import HandFiles, versions_of
from s2hand.prediction.hand_views import HandView
from s2hand.prediction.opening import Opened, open_prediction
from s2hand.prediction.options import DEFAULT_BATCH, PredictOptions
from s2hand.prediction.output_lock import alone_in
from s2hand.prediction.painting import painted
from s2hand.prediction.photos import Photo, find_photos
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.result_page import ResultPage
from s2hand.prediction.threads import DoneLater, read_ahead
from s2hand.prediction.video import predict_video
from s2hand.progress_bar import ProgressBar
from s2hand.runtime.allocator import keep_freed_memory


@dataclass
class Predictions:
    """What was written.

    Attributes:
        entries: one for each photo or video, as in the index.
        unreadable: "name: reason" for each that could not be read, and for hands that had to be left out.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def leave_out(self, photo: Photo, error: Exception) -> None:
        """Notes that a photo could not be read."""
        reason = " ".join(str(error).split()).replace(str(photo.path), photo.name)
        self.unreadable.append(f"{photo.name}: {reason.removeprefix(photo.name).lstrip(' :')}")

    def require_some(self) -> None:
        """Refuses predictions of nothing.

        Raises:
            DatasetError: no photo or video could be read.
        """
        if not self.entries:
            more = f" (and {len(self.unreadable) - 1:,} more)" if len(self.unreadable) > 1 else ""
            raise DatasetError(f"nothing could be predicted: {self.unreadable[0]}{more}")

    @property
    def doubtful(self) -> list[str]:
        """ "name, hand: what speaks against it" for each hand that may not be meant."""
        return [
            f"{entry['name']}, {hand['hand']} hand: {'; '.join(hand['doubts'])}"
            for entry in self.entries
            for hand in entry.get("hands", ())
            if hand.get("doubts")
        ]

    @property
    def without_hands(self) -> list[str]:
        """Photos in which no hand was found."""
        return [entry["name"] for entry in self.entries if entry.get("hands") == []]

    def summary(self) -> str:
        """One line: how many photos, videos and hands."""
        hands = [hand["hand"] for entry in self.entries for hand in entry.get("hands", ())]
        videos = [entry for entry in self.entries if "frames" in entry]
        parts = []
        if len(self.entries) > len(videos):
            photos = _counted(len(self.entries) - len(videos), "photo")
            sides = ", ".join(f"{hands.count(side):,} {side}" for side in HANDS)
            parts.append(f"{photos} with {_counted(len(hands), 'hand')} ({sides})")
        if videos:
            frames = sum(entry["frames"] for entry in videos)
            parts.append(f"{_counted(len(videos), 'video')} with {_counted(frames, 'frame')}")
        if self.doubtful:
            parts.append(f"{_counted(len(self.doubtful), 'hand')} in doubt")
        if self.without_hands:
            parts.append(f"no hand in {_counted(len(self.without_hands), 'photo')}")
        if self.unreadable:
            parts.append(f"{len(self.unreadable):,} could not be used")
        return ", ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def predict(
    checkpoint: str | Path | None,
    sources: Sequence[str | Path],
    out: str | Path,
    options: PredictOptions,
    *,
    hand_model: str | Path | None = None,
    device: str = "auto",
    batch_size: int = DEFAULT_BATCH,
    say: Callable[[str], None] = print,
    note: Callable[[str], None] = print,
    progress: bool = True,
) -> Predictions:
    """Predicts the hands of photos and videos, and writes everything to a folder with an index.

    Args:
        checkpoint: see :meth:`HandReconstructor.from_checkpoint`; None: the bundled network, with the bundled
            detector where there are no detections.
        sources: folders, patterns, photos and videos.
        out: the folder; photos that lie in it are passed over.
        options: how to predict and what to write.
        hand_model: "generic" or a MANO file; None: the one that the network was trained with.
        device: where the network computes.
        batch_size: hands at once.
        say: takes the summary.
        note: takes lines that the user should mind.
        progress: whether bars are shown.

    Returns:
        What was written, and what could not be read.

    Raises:
        S2HandError: the checkpoint or the detections cannot be used, there are no photos, none of them can be
            read, or another prediction writes into the folder.
    """
    keep_freed_memory()  # the networks' largest maps are megabytes, new for every photo
    out = Path(out)
    check_folder(out)
    with alone_in(out):
        photos = _wanted_photos(sources, out, options)
        opened = open_prediction(checkpoint, options, hand_model, device, batch_size, photos)
        for line in (*opened.notes, *_passed_over(sources)):
            note(line)
        answerer = opened.reconstructor.answerer
        files = HandFiles(out, versions_of(answerer), options, answerer.hand_model)
        still = [photo for photo in photos if not photo.is_video]
        videos = [photo for photo in photos if photo.is_video]
        done = Predictions()
        page = ResultPage(len(still), len(videos)) if options.page else None
        try:
            _predict_photos(opened, still, files, done, page, progress)
            _predict_videos(opened, videos, files, done, page, note, progress)
        except (KeyboardInterrupt, OSError):
            if done.entries:
                with suppress(OSError):  # of a disk that is full
                    note(_listed(files, done, page))
            raise
        done.require_some()  # an index of nothing must not replace that of an earlier prediction
        say(_listed(files, done, page))
    return done


def _listed(files: HandFiles, done: Predictions, page: ResultPage | None) -> str:
    """Writes the index and the page of what is done; returns a line that says so."""
    index = files.write_index(done.entries, done.unreadable)
    shown = None if page is None else page.write(files.out, files.versions, files.options, done.unreadable)
    return f"{done.summary()}; {index} lists them" + ("" if shown is None else f", and {shown} shows them")


def _wanted_photos(sources: Sequence[str | Path], out: Path, options: PredictOptions) -> list[Photo]:
    """The photos and videos, without results of earlier predictions and sheets of detections."""
    photos = [photo for photo in find_photos(sources) if not _lies_in(photo.path, out)]
    if not photos:
        raise DatasetError(f"all photos lie in {out}, the folder for the results: name another folder")
    if options.detections is None:
        return photos
    return [photo for photo in photos if not is_preview(photo.path, options.detections)]


def _passed_over(sources: Sequence[str | Path]) -> list[str]:
    """A line for the user if files that look like images are left out."""
    others = ", ".join(filter(None, (passed_over(source, videos=True) for source in sources)))
    return [f"passed over, as they cannot be read: {others}"] if others else []


def _predict_photos(
    opened: Opened,
    photos: Sequence[Photo],
    files: HandFiles,
    done: Predictions,
    page: ResultPage | None,
    progress: bool,
) -> None:
    """Predicts and writes the hands of photos; those that cannot be read are noted, and the rest goes on."""
    hands, reconstructor = opened.hands, opened.reconstructor
    viewer = reconstructor.viewer(hands.stated)

    def groups() -> Iterator[Group]:
        for several in together(read_ahead(_read, photos), IMAGES_AT_ONCE):
            read = []
            for photo, future in several:
                try:
                    read.append((photo, *future.result()))
                except DatasetError as error:
                    done.leave_out(photo, error)
            for (photo, pixels, _), found in zip(read, hands.in_photos(viewer, read), strict=True):
                if isinstance(found, DatasetError):
                    done.leave_out(photo, found)
                else:
                    yield (photo, pixels), found

    with ProgressBar(total=len(photos), unit="photo", disable=not (progress and photos)) as bar:

        def finish(
            photo: Photo, pixels: np.ndarray, views: Sequence[HandView], found: Reconstruction | None
        ) -> None:
            if found is not None and reconstructor.answerer.paints_from_photos:
                found = painted(found, views)
            done.entries.append(files.write(photo, pixels, found))
            if page is not None:
                page.add(done.entries[-1], pixels, found)
            bar.update(len(done.entries) + len(done.unreadable) - bar.n)

        with DoneLater() as later:
            for owner, views, found in reconstructor.predict_groups(
                groups(), refine=opened.refines_photos, paint=False
            ):
                later(finish, *owner, views, found)
    if isinstance(hands, DetectedHands):
        done.unreadable += hands.left_out


def _read(photo: Photo) -> tuple[np.ndarray, PhotoHeader]:
    return read_photo(photo.path), read_photo_header(photo.path)


def _predict_videos(
    opened: Opened,
    videos: Sequence[Photo],
    files: HandFiles,
    done: Predictions,
    page: ResultPage | None,
    note: Callable[[str], None],
    progress: bool,
) -> None:
    """Predicts and writes the hands of videos; those that cannot be read are noted, and the rest goes on."""
    for video in videos:
        watched = None if page is None else page.watch()
        try:
            watch = None if watched is None else watched.add
            entry, missing = predict_video(opened.reconstructor, video, opened.hands, files, progress, watch)
            done.entries.append(entry)
            if page is not None and watched is not None:
                page.add_video(entry, watched)
            done.unreadable += missing
            if entry.get("bvh_resampled"):
                note(
                    f"{video.name}: its frames are not evenly spaced; .bvh has a constant frame time, so the "
                    f"motion in it is resampled to {1000 * entry['bvh_frame_time_s']:.1f} ms"
                )
        except DatasetError as error:
            done.leave_out(video, error)


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
