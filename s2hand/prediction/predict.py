"""What ``s2hand predict`` does: from a checkpoint and photos or videos to a folder of predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2hand import checkpoints
from s2hand.datasets.detections import is_preview
from s2hand.errors import DatasetError
from s2hand.images.listing import passed_over
from s2hand.images.photos import read_photo, read_photo_header
from s2hand.prediction.answerers import ImageAnswerer
from s2hand.prediction.detected_hands import DetectedHands
from s2hand.prediction.found_hands import FoundHands
from s2hand.prediction.hand_files import HandFiles, versions_of
from s2hand.prediction.options import AUTO, DEFAULT_BATCH, PredictOptions
from s2hand.prediction.photos import Photo, find_photos
from s2hand.prediction.reconstructor import Group, HandReconstructor
from s2hand.prediction.refine import DEFAULT_STEPS
from s2hand.prediction.result_page import ResultPage
from s2hand.prediction.video import predict_video
from s2hand.progress_bar import ProgressBar


@dataclass
class Predictions:
    """What was written.

    Attributes:
        entries: one for each photo or video, as in the index.
        unreadable: "name: reason" for each that could not be read.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def leave_out(self, photo: Photo, error: Exception) -> None:
        """Notes that a photo could not be read."""
        reason = " ".join(str(error).split()).replace(str(photo.path), photo.name)
        self.unreadable.append(f"{photo.name}: {reason.removeprefix(photo.name).lstrip(' :')}")

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
            parts.append(f"{photos} with {_counted(len(hands), 'hand')} ({hands.count('left'):,} left)")
        if videos:
            frames = sum(entry["frames"] for entry in videos)
            parts.append(f"{_counted(len(videos), 'video')} with {_counted(frames, 'frame')}")
        if self.doubtful:
            parts.append(f"{_counted(len(self.doubtful), 'hand')} in doubt")
        if self.without_hands:
            parts.append(f"no hand in {_counted(len(self.without_hands), 'photo')}")
        if self.unreadable:
            parts.append(f"{len(self.unreadable):,} could not be read")
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
        S2HandError: the checkpoint or the detections cannot be used, there are no photos, or none of them can
            be read.
    """
    hands, out = DetectedHands(options), Path(out)
    photos = [photo for photo in find_photos(sources) if not _lies_in(photo.path, out)]
    if not photos:
        raise DatasetError(f"all photos lie in {out}, the folder for the results: name another folder")
    if options.detections is not None:
        photos = [photo for photo in photos if not is_preview(photo.path, options.detections)]
    still = [photo for photo in photos if not photo.is_video]
    unknown = _undetected(photos, hands)
    reconstructor = _reconstructor(checkpoint, hand_model, device, batch_size, options)
    if hands.detections is None and reconstructor.finder is not None:
        hands = reconstructor.finder.told(options.hand, hands.stated)
    known = hands.detections is not None or reconstructor.finder is not None
    reconstructor.check_refinement(options.refine != 0, detections=known)
    others = ", ".join(filter(None, (passed_over(source, videos=True) for source in sources)))
    if others:
        unknown.append(f"passed over, as they cannot be read: {others}")
    for line in (*reconstructor.notes, *_notes(hands, options), *unknown):
        note(line)
    files = HandFiles(out, versions_of(reconstructor.answerer), options, reconstructor.answerer.hand_model)
    done = Predictions()
    page = ResultPage(len(still), len(photos) - len(still))
    _predict_photos(reconstructor, still, hands, files, done, page, progress)
    for video in (photo for photo in photos if photo.is_video):
        watched = page.watch()
        try:
            entry, missing = predict_video(reconstructor, video, hands, files, progress, watched.add)
            done.entries.append(entry)
            page.add_video(entry, watched)
            done.unreadable += missing
            if entry.get("bvh_resampled"):
                note(
                    f"{video.name}: its frames are not evenly spaced; .bvh has a constant frame time, so the "
                    f"motion in it is resampled to {1000 * entry['bvh_frame_time_s']:.1f} ms"
                )
        except DatasetError as error:
            done.leave_out(video, error)
    if not done.entries:  # an index of nothing must not replace that of an earlier prediction
        more = f" (and {len(done.unreadable) - 1:,} more)" if len(done.unreadable) > 1 else ""
        raise DatasetError(f"nothing could be predicted: {done.unreadable[0]}{more}")
    index = files.write_index(done.entries, done.unreadable)
    shown = page.write(out, files.versions, options, done.unreadable)
    say(f"{done.summary()}; {index} lists them" + ("" if shown is None else f", and {shown} shows them"))
    return done


def _reconstructor(
    checkpoint: str | Path | None,
    hand_model: str | Path | None,
    device: str,
    batch_size: int,
    options: PredictOptions,
) -> HandReconstructor:
    """The bundled network, or that of a checkpoint."""
    if checkpoint is None:
        return HandReconstructor.small(device, hand_model, batch_size=batch_size)
    network = checkpoints.open(checkpoint, hand_model, device)
    return HandReconstructor(ImageAnswerer(network, options.refine or DEFAULT_STEPS), batch_size)


def _predict_photos(
    reconstructor: HandReconstructor,
    photos: Sequence[Photo],
    hands: DetectedHands | FoundHands,
    files: HandFiles,
    done: Predictions,
    page: ResultPage,
    progress: bool,
) -> None:
    """Predicts and writes the hands of photos; those that cannot be read are noted, and the rest goes on."""
    viewer = reconstructor.viewer(hands.stated)

    def groups() -> Iterator[Group]:
        for photo in photos:
            try:
                pixels, header = read_photo(photo.path), read_photo_header(photo.path)
                yield (photo, pixels), hands.views(viewer, photo, pixels, header)
            except DatasetError as error:
                done.leave_out(photo, error)

    with ProgressBar(total=len(photos), unit="photo", disable=not (progress and photos)) as bar:
        for owner, _, found in reconstructor.predict_groups(groups(), refine=files.options.refine != 0):
            photo, pixels = owner
            done.entries.append(files.write(photo, pixels, found))
            page.add(done.entries[-1], pixels, found)
            bar.update(len(done.entries) + len(done.unreadable) - bar.n)


def _lies_in(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _undetected(photos: Sequence[Photo], hands: DetectedHands) -> list[str]:
    """Lines for the user if the detections lack some of the photos or videos.

    Raises:
        DatasetError: they lack all of them, so they belong to others.
    """
    unknown = hands.match(photos)
    if unknown and len(unknown) == len(photos):
        noun = "videos" if all(photo.is_video for photo in photos) else "photos"
        known = ", ".join(hands.detections.names[:2]) or "nothing"
        raise DatasetError(
            f"{hands.path} names none of the {noun} (it has {known}; these are {unknown[0].name}, ...): "
            f"name the folder that was detected on, or detect on these {noun}"
        )
    lines = list(hands.doubts)
    for noun, is_video in (("photos", False), ("videos", True)):
        if missing := [photo.name for photo in unknown if photo.is_video == is_video]:
            lines.append(
                f"{hands.path} does not name {len(missing):,} of the {noun} (first {missing[0]}): "
                "the network looks at the whole of them"
            )
    return lines


def _notes(hands: DetectedHands | FoundHands, options: PredictOptions) -> list[str]:
    """Lines for the user on what is taken for granted about the hands."""
    if isinstance(hands, FoundHands):
        return []
    if hands.detections is None:
        side = "a right" if options.hand == AUTO else f"a {options.hand}"
        return [
            f"without --detections the network looks at whole photos and takes what it sees for {side} "
            "hand; `s2hand detect` finds where hands are"
        ]
    if options.hand == AUTO and hands.detections.hands is None:
        return [f"{options.detections} does not tell left from right: all hands are taken for right ones"]
    return []
