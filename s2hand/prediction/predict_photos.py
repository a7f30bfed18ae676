"""Predictions for many pictures, as files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from s2hand.errors import DatasetError
from s2hand.files import write_text_whole
from s2hand.prediction.hand_files import HandFiles
from s2hand.prediction.hand_views import HandView
from s2hand.prediction.photo_sources import HandFinder, NamedPhoto
from s2hand.prediction.reconstructor import HandReconstructor

INDEX_FORMAT = "s2hand-predictions-1"
INDEX_FILE = "index.json"


@dataclass(frozen=True)
class Predictions:
    """What was written.

    Attributes:
        entries: one for each picture or video, as in the index.
        unreadable: "name: reason" of those that could not be read.
    """

    entries: tuple[dict[str, Any], ...]
    unreadable: tuple[str, ...]

    def summary(self) -> str:
        """One line: how many pictures, videos and hands."""
        hands = [hand["hand"] for entry in self.entries for hand in entry.get("hands", ())]
        videos = [entry for entry in self.entries if "frames" in entry]
        parts = []
        if len(self.entries) > len(videos):
            pictures = _counted(len(self.entries) - len(videos), "picture")
            parts.append(f"{pictures} with {_counted(len(hands), 'hand')} ({hands.count('left'):,} left)")
        if videos:
            frames = sum(entry["frames"] for entry in videos)
            parts.append(f"{_counted(len(videos), 'video')} with {_counted(frames, 'frame')}")
        if self.unreadable:
            parts.append(f"{len(self.unreadable):,} could not be read")
        return ", ".join(parts)

    def write_index(self, files: HandFiles, settings: dict[str, Any]) -> Path:
        """Writes index.json, which lists everything that was written, and with what.

        Args:
            files: the writer of the rest.
            settings: what was asked for, plain JSON values.
        """
        content = {
            "format": INDEX_FORMAT,
            "versions": files.versions,
            "settings": settings,
            "images": list(self.entries),
            "unreadable": list(self.unreadable),
        }
        path = files.out / INDEX_FILE
        write_text_whole(path, json.dumps(content, indent=1) + "\n")
        return path


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def predict_photos(
    reconstructor: HandReconstructor,
    photos: Sequence[NamedPhoto],
    finder: HandFinder,
    files: HandFiles,
    *,
    refine: bool = False,
    progress: bool = True,
) -> Predictions:
    """Predicts and writes the hands of pictures. Those that cannot be read are listed, and the rest goes on.

    Args:
        reconstructor: predicts.
        photos: the pictures.
        finder: tells where their hands are.
        files: writes.
        refine: fit the hands to the detections, or else to the 2D branch.
        progress: show a bar.

    Raises:
        S2HandError: there is nothing to refine with.
    """
    reconstructor.check_refinement(refine, detections=finder.detections is not None)
    entries, unreadable = [], []
    with tqdm(total=len(photos), unit="picture", disable=not (progress and photos)) as bar:
        for chunk in _chunks(photos, finder, reconstructor.batch_size, unreadable):
            views = [view for _, found in chunk for view in found]
            hands = reconstructor.predict_views(views, refine=refine)
            start = 0
            for photo, found in chunk:
                of_photo = hands[start : start + len(found)]
                entries.append(files.write(photo.stem, found[0].photo, photo.name, of_photo))
                start += len(found)
            bar.update(len(entries) + len(unreadable) - bar.n)
    return Predictions(tuple(entries), tuple(unreadable))


def _chunks(
    photos: Sequence[NamedPhoto], finder: HandFinder, batch_size: int, unreadable: list[str]
) -> Iterator[list[tuple[NamedPhoto, list[HandView]]]]:
    """Reads pictures until they hold a batch of hands, or a few more; notes those that are unreadable."""
    chunk, count = [], 0
    for photo in photos:
        try:
            views = finder.views_of_file(photo)
        except DatasetError as error:
            unreadable.append(f"{photo.name}: {' '.join(str(error).split())}")
            continue
        chunk.append((photo, views))
        count += len(views)
        if count >= batch_size:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk
