"""What the app computes: finds, reconstructs, refines and edits the hands of a page's photo."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from torch import Tensor

from s2hand.app.editing import COLOR, EVEN, PARTS, PHOTO, HandEdit, as_texture, edited, parse_color
from s2hand.app.limits import Limits
from s2hand.app.reading import read_bounded_photo
from s2hand.app.sessions import Session
from s2hand.app.work import PhotoWork, blank, shrunk
from s2hand.errors import S2HandError
from s2hand.fitting.photo_texture import DEFAULT_SKIN
from s2hand.prediction.found_hands import Searched
from s2hand.prediction.hand_files import versions_of
from s2hand.prediction.hand_views import HandView
from s2hand.prediction.reconstruction import Reconstruction, concatenated
from s2hand.prediction.reconstructor import HandReconstructor
from s2hand.visualize.drawing import FINGER_COLORS

KEPT_TEXTURES = 12
"""Textures of earlier photos that a page can put on other hands."""

PALM_COLOR = (236, 233, 228)
FINGER_OF_JOINT = ("index", "middle", "little", "ring", "thumb")
"""MANO's order: after the wrist three joints of each finger."""


class Studio:
    """Reconstructs for all pages, one request at a time.

    Args:
        reconstructor: with a detector.
        limits: what the app takes at most.
    """

    def __init__(self, reconstructor: HandReconstructor, limits: Limits) -> None:
        self.reconstructor, self.limits = reconstructor, limits
        self.viewer = reconstructor.viewer()
        self.versions = versions_of(reconstructor.answerer)
        self.busy = threading.Lock()
        self._parts = as_texture(self._part_colors())

    def open_photo(self, session: Session, path: Path, name: str, refine: bool) -> PhotoWork:
        """Finds and reconstructs all hands of a photo, which becomes the page's.

        Args:
            session: the page.
            path: the file.
            name: what it is called.
            refine: whether hands are fitted to their keypoints.

        Raises:
            S2HandError: it is no photo, or too large.
        """
        photo, header = read_bounded_photo(path, name, self.limits)
        with self.busy:
            views = self.reconstructor.finder.in_image(Searched(self.viewer, name, photo, header))
        work = PhotoWork(name, path, header, shrunk(photo))
        self._reconstruct(work, views[: self.limits.hands], photo, refine)
        session.work = work
        self._remember_textures(session)
        return work

    def look_again(
        self, session: Session, box: tuple[float, float, float, float], side: str, index: int | None
    ) -> PhotoWork:
        """Looks for one hand in a box.

        Args:
            session: the page.
            box: px of the photo: left, top, width and height.
            side: "left", "right", or "auto".
            index: the hand that is replaced; None: one is added.

        Raises:
            S2HandError: the box lies outside of the photo, there is no hand in it, or there are too many.
        """
        work = session.work
        photo, _ = read_bounded_photo(work.path, work.name, self.limits)
        with self.busy:
            views = self.reconstructor.finder.in_image(
                Searched(self.viewer, work.name, photo, work.header, np.array(box), side)
            )
        if not views:
            raise S2HandError("No hand was found in this box: draw it around the whole hand, wrist included.")
        if index is None and len(work.views) >= self.limits.hands:
            raise S2HandError(f"There are {len(work.views)} hands already: remove one first.")
        at = len(work.views) if index is None else index
        every, edits = work.seen(photo), list(work.edits)
        every[at : at + 1], edits[at : at + 1] = views[:1], [HandEdit()]
        self._reconstruct(work, every, photo, work.refined, edits)
        self._remember_textures(session)
        return work

    def remove(self, session: Session, index: int) -> PhotoWork:
        """Takes a hand away."""
        work: PhotoWork = session.work
        with work.lock:
            del work.views[index], work.edits[index]
            kept = [number for number in range(len(work.hands)) if number != index]
            work.hands = _selected(work.hands, kept) if kept else None
        return work

    def refine(self, session: Session, refine: bool) -> PhotoWork:
        """Fits the hands to their keypoints, or takes that back; changes by sliders are dropped."""
        work = session.work
        photo, _ = read_bounded_photo(work.path, work.name, self.limits)
        self._reconstruct(work, work.seen(photo), photo, refine)
        return work

    def edited(self, session: Session) -> Reconstruction | None:
        """The page's hands with all changes made."""
        work: PhotoWork = session.work
        with work.lock:
            hands, edits = work.hands, list(work.edits)
        if hands is None:
            return None

        def texture(index: int, edit: HandEdit) -> Tensor | None:
            return None if edit.texture == PHOTO else self._texture(session, edit)

        return edited(hands, edits, self.reconstructor, texture)

    def _reconstruct(
        self,
        work: PhotoWork,
        views: list[HandView],
        photo: np.ndarray,
        refine: bool,
        edits: list[HandEdit] | None = None,
    ) -> None:
        """Puts reconstructed hands, and what is changed about them (None: nothing), into the photo's work."""
        with self.busy:
            hands = self.reconstructor.predict_views(views, refine=refine) if views else None
        with work.lock:
            work.views, work.hands, work.refined, work.corner = blank(views), hands, refine, None
            work.edits = edits or [HandEdit() for _ in views]

    def _remember_textures(self, session: Session) -> None:
        """Lets the textures of this photo be put on the hands of later ones."""
        work: PhotoWork = session.work
        for index, label in enumerate(work.labels):
            session.textures[f"{label} of {work.name}"] = work.hands.face_textures[index]
        while len(session.textures) > KEPT_TEXTURES:
            del session.textures[next(iter(session.textures))]

    def _texture(self, session: Session, edit: HandEdit) -> Tensor:
        """(F, 3) before tanh."""
        count = len(self.reconstructor.right_faces)
        if edit.texture == PARTS:
            return self._parts
        if edit.texture == COLOR:
            return as_texture(np.tile(parse_color(edit.color), (count, 1)))
        return session.textures.get(edit.texture, as_texture(np.tile(DEFAULT_SKIN, (count, 1))))

    def _part_colors(self) -> np.ndarray:
        """(F, 3): a colour for each finger and one for the palm."""
        colors = np.array([PALM_COLOR, *(FINGER_COLORS[name] for name in FINGER_OF_JOINT)]) / 255
        model = self.reconstructor.answerer.hand_model
        joint = model.lbs_weights.argmax(1)
        of_vertices = colors[(joint + 2) // 3]  # joint 0 is the wrist, 1 to 3 the first finger, and so on
        return of_vertices[model.faces].mean(1)


def texture_names(session: Session) -> list[str]:
    """All textures that a page can choose from."""
    return [PHOTO, EVEN, PARTS, COLOR, *session.textures]


def _selected(hands: Reconstruction, kept: list[int]) -> Reconstruction:
    """Some of the hands."""
    return concatenated([hands[number : number + 1] for number in kept])
