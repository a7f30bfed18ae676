"""What can be known of a network on real photos without 3D labels.

Hands are those of the bundled detector, whatever the network. A photo, the same photo changed, and its hands
with a part of their landmarks left out are one batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from s2hand.benchmark.matching import joint_distances, match_hands
from s2hand.benchmark.networks import BUNDLED, open_network
from s2hand.benchmark.photo_changes import Change, changes_of, differences_mm
from s2hand.benchmark.photo_measures import drawn_hand, folds, plausibility
from s2hand.benchmark.photo_result import ALL, NETWORK, REFINED, FolderValues, PhotosResult, together
from s2hand.benchmark.photo_set import REFERENCE_FILE, BenchmarkPhoto, draw_photos
from s2hand.benchmark.photo_split import DEFAULT_COUNT, DEFAULT_SEED
from s2hand.errors import DatasetError
from s2hand.hand.spheres import HandSpheres
from s2hand.images.intrinsics import StatedCamera, choose_camera
from s2hand.images.photos import PhotoHeader, read_photo, read_photo_header
from s2hand.images.plain_background import plain_silhouette
from s2hand.prediction.found_hands import Searched
from s2hand.prediction.hand_views import HandView
from s2hand.prediction.painting import painted
from s2hand.prediction.reconstruction import Reconstruction
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.progress_bar import ProgressBar


def benchmark_photos(
    root: str | Path,
    source: str | Path | None = None,
    *,
    count: int = DEFAULT_COUNT,
    seed: int = DEFAULT_SEED,
    refine: bool = False,
    photometric: bool = False,
    device: str = "auto",
) -> PhotosResult:
    """Measures a network on photos.

    Args:
        root: see :func:`~s2hand.benchmark.photo_set.draw_photos`.
        source: a run's folder or a checkpoint; None for the bundled network.
        count: photos of each folder, at most.
        seed: what photos and left-out landmarks are drawn with.
        refine: measure refined hands too.
        photometric: let them follow what the photo shows; the bundled network alone can.
        device: "auto", "cpu", "cuda" or "cuda:<index>".

    Raises:
        S2HandError: the network cannot be read, or none of the photos.
    """
    photos = draw_photos(root, count, seed)
    reconstructor = open_network(source, device, photometric)
    benchmark = PhotoBenchmark(reconstructor, seed, refine=refine or photometric)
    folders: dict[str, FolderValues] = {}
    unreadable: list[str] = []
    for photo in ProgressBar(photos, desc="photos", unit="photo", leave=False):
        try:
            pixels, header = read_photo(photo.path), read_photo_header(photo.path)
        except DatasetError as error:
            unreadable.append(str(error))
            continue
        benchmark.measure(photo, pixels, header, folders.setdefault(photo.folder, FolderValues()))
    if not folders:
        raise DatasetError(f"none of the {len(photos)} photos can be read; the first: {unreadable[0]}")
    whole = {ALL: together(folders.values())} if len(folders) > 1 else {}
    return PhotosResult(
        network=BUNDLED if source is None else str(source),
        seed=seed,
        compared_with="the detector's own landmarks" if photos[0].landmarks is None else REFERENCE_FILE,
        folders={name: values.summary() for name, values in (folders | whole).items()},
        notes=reconstructor.notes,
        unreadable=tuple(unreadable),
    )


class Known(NamedTuple):
    """A hand that is measured.

    Attributes:
        view: its number among the photo's views.
        landmarks: (21, 2) px, what it is compared with.
        folds: numbers of the joints that are left out, for each view with a part left out.
        silhouette: (H, W) uint8, 255 inside; None where there is none.
    """

    view: int
    landmarks: np.ndarray
    folds: list[np.ndarray]
    silhouette: np.ndarray | None


class PhotoBenchmark:
    """Measures photo after photo.

    Args:
        reconstructor: the network, with a finder.
        seed: of landmarks that are left out.
        refine: whether refined hands are measured too.
    """

    def __init__(self, reconstructor: HandReconstructor, seed: int, *, refine: bool) -> None:
        self.reconstructor, self.seed = reconstructor, seed
        self.stages = {NETWORK: False, REFINED: True} if refine else {NETWORK: False}
        self.spheres = HandSpheres(reconstructor.answerer.hand_model)

    def measure(
        self, photo: BenchmarkPhoto, pixels: np.ndarray, header: PhotoHeader, values: FolderValues
    ) -> None:
        """Adds what a photo tells to the values of its folder.

        Args:
            photo: which one.
            pixels: (H, W, 3) uint8 RGB.
            header: what its file says of the camera.
            values: grow.
        """
        K, _ = choose_camera(header)
        views = self._views(photo.name, pixels, K)
        values.add({"found": len(views) > 0})
        known = self._known(photo, pixels, views, values)
        changed = self._changed_views(photo.name, pixels, views, values)
        if not views:
            return
        # One batch: the photo's hands, those with landmarks left out, those of the changed photo.
        asked = [
            *views,
            *(_without(views[hand.view], joints) for hand in known for joints in hand.folds),
            *(view for _, view in changed.values()),
        ]
        for stage, refine in self.stages.items():
            hands = self.reconstructor.predict_views(asked, refine=refine, paint=False)
            own = hands[: len(views)]
            if self.reconstructor.answerer.paints_from_photos:
                own = painted(own, views)
            left_out = iter(hands.keypoints_2d[len(views) : len(asked) - len(changed)].double().numpy())
            for hand in known:
                values.add(self._scores(own, hand, pixels, left_out), stage)
            answers = hands.joints[len(asked) - len(changed) :].double().numpy()
            for (name, (change, _)), joints in zip(changed.items(), answers, strict=True):
                apart, placed = differences_mm(change.back(joints), own.joints[0].double().numpy())
                values.add({name: apart, f"{name}, placed": placed}, stage)

    def _views(self, name: str, pixels: np.ndarray, K: np.ndarray) -> list[HandView]:
        """The hands that the detector finds in a photo with a known camera."""
        header = PhotoHeader(pixels.shape[1], pixels.shape[0], None)
        viewer = self.reconstructor.viewer(StatedCamera(K=K))
        return self.reconstructor.finder.in_image(Searched(viewer, name, pixels, header))

    def _known(
        self, photo: BenchmarkPhoto, pixels: np.ndarray, views: Sequence[HandView], values: FolderValues
    ) -> list[Known]:
        """The hands that are measured: those that the reference has as well, or without one all of them."""
        found = [view.keypoints for view in views]
        if photo.landmarks is None:
            pairs = list(enumerate(found))
        else:
            matches = match_hands(found, photo.landmarks)
            pairs = [(view, photo.landmarks[number]) for number, view in matches.items()]
            for number in range(len(photo.landmarks)):
                values.add({"reference_found": number in matches})
            for view, landmarks in pairs:
                values.add({"detections": joint_distances(found[view], landmarks).mean()})
        random = np.random.default_rng([self.seed, zlib.crc32(photo.name.encode())])
        return [
            Known(view, landmarks, folds(random), plain_silhouette(pixels, landmarks))
            for view, landmarks in pairs
        ]

    def _changed_views(
        self, name: str, pixels: np.ndarray, views: Sequence[HandView], values: FolderValues
    ) -> dict[str, tuple[Change, HandView]]:
        """The changed photos of the only hand of a photo in which one hand, too, is found."""
        if len(views) != 1:
            return {}
        found = {}
        for change, changed in changes_of(pixels, views[0].K, views[0].keypoints).items():
            seen = self._views(name, changed.photo, changed.K)
            values.add({f"{change}, lost": len(seen) != 1})
            if len(seen) == 1:
                found[change] = changed, seen[0]
        return found

    def _scores(self, hands: Reconstruction, hand: Known, pixels: np.ndarray, left_out) -> dict[str, float]:
        """What a hand's answer scores; ``left_out`` yields keypoints (21, 2) px of its views with folds."""
        guessed = hand.landmarks.copy()
        for joints in hand.folds:
            guessed[joints] = next(left_out)[joints]
        keypoints = hands.keypoints_2d[hand.view].double().numpy()
        return {
            "agreement": joint_distances(keypoints, hand.landmarks).mean(),
            "left_out": joint_distances(guessed, hand.landmarks).mean(),
            **drawn_hand(hands, hand.view, pixels, hand.landmarks, hand.silhouette),
            **plausibility(hands, hand.view, self.spheres),
        }


def _without(view: HandView, joints: np.ndarray) -> HandView:
    """A view in which some joints were missed, and nothing but the other keypoints is known; same square."""
    confidence, keypoints = view.confidence.copy(), view.keypoints.copy()
    confidence[joints], keypoints[joints] = 0, 0
    return replace(view, keypoints=keypoints, confidence=confidence, depths_px=None, world=None)
