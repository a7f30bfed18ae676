"""What the page shows after something has happened: pictures, controls, viewer, downloads."""

from __future__ import annotations

import functools
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from s2hand.app import shown
from s2hand.app.downloads import write_downloads
from s2hand.app.editing import HandEdit, LightEdit
from s2hand.app.layout import BOXES, CLAY
from s2hand.app.sessions import Session, Sessions
from s2hand.app.studio import Studio, texture_names
from s2hand.app.work import PhotoWork, drawn, with_boxes
from s2hand.errors import S2HandError

PICTURE_QUALITY = 90

FORGOTTEN = "This page has been idle for too long, and its photo is gone: load the page again."


def in_one_line(function: Callable) -> Callable:
    """Shows errors that the user can fix as one line; the name of a file cannot become HTML in it."""

    @functools.wraps(function)
    def guarded(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except S2HandError as error:
            raise gr.Error(escape(" ".join(str(error).split())), print_exception=False) from None

    return guarded


class Answers:
    """Makes what handlers return.

    Args:
        studio: computes.
        sessions: the open pages.
    """

    def __init__(self, studio: Studio, sessions: Sessions) -> None:
        self.studio, self.sessions = studio, sessions

    def session(self, request: gr.Request) -> Session:
        """The page that asks.

        Raises:
            S2HandError: it was forgotten.
        """
        session = self.sessions.get(request.session_hash or "")
        if session is None:
            raise S2HandError(FORGOTTEN)
        return session

    def working(self, request: gr.Request) -> Session:
        """The page that asks, which has a photo.

        Raises:
            S2HandError: it has none, or was forgotten.
        """
        session = self.session(request)
        if session.work is None:
            raise S2HandError("Choose a photo first.")
        return session

    def everything(self, session: Session, index: int, shows: str, skeleton: bool) -> list[Any]:
        """Sentences, picture, choice of hands, controls, viewer and downloads, in this order.

        Args:
            session: the page.
            index: the chosen hand.
            shows: what the picture shows.
            skeleton: whether it shows joints too.
        """
        work: PhotoWork | None = session.work
        labels = [] if work is None else work.labels
        chosen = gr.update(choices=labels, value=labels[index] if labels else None, visible=len(labels) > 1)
        return [
            shown.told(work),
            self.picture(session, index, shows, skeleton),
            chosen,
            *self.controls(session, index),
            *self.results(session),
        ]

    def picture(self, session: Session, index: int, shows: str, skeleton: bool) -> str | None:
        """The photo as a file, with its hands or their boxes; arguments as of :meth:`everything`."""
        work: PhotoWork | None = session.work
        if work is None:
            return None
        if shows == BOXES:
            image = with_boxes(drawn(work, None), work, index)
        else:
            image = drawn(work, self.studio.edited(session), clay=shows == CLAY, skeleton=skeleton)
        path = session.next_picture(".jpg")
        Image.fromarray(image).save(path, quality=PICTURE_QUALITY)
        return str(path)

    def results(self, session: Session) -> list[Any]:
        """Viewer and downloads."""
        work: PhotoWork | None = session.work
        hands = None if work is None else self.studio.edited(session)
        if work is None or hands is None:
            return ["", downloads([])]
        with session.place_for("downloads") as folder:
            picture = drawn(work, hands)
            files = write_downloads(folder, work.name, list(hands), picture, self.studio.versions)
        return [shown.photo_viewer(work, hands), downloads(files)]

    def controls(self, session: Session, index: int) -> list[Any]:
        """Box, shape, pose, light, texture and colour of a hand."""
        work: PhotoWork | None = session.work
        if work is None or work.hands is None:
            edit, light, box = HandEdit(), LightEdit(), [None] * 4
        else:
            edit = work.edits[index]
            light = edit.light or LightEdit.of(work.hands.light[index])
            box = [round(value) for value in work.box(index)]
        angles = round(light.azimuth_deg), round(light.elevation_deg)
        lamp = round(light.ambient, 2), round(light.lamp, 2), *angles, light.warmth
        texture = gr.update(choices=texture_names(session), value=edit.texture)
        return [*box, *edit.shape, *edit.pose, *lamp, texture, edit.color]


def chosen_hand(session: Session, label: str | None) -> int:
    """The number of the hand that a label names; the first one where it names none."""
    labels = [] if session.work is None else session.work.labels
    return labels.index(label) if label in labels else 0


def downloads(paths: list[Path]) -> Any:
    """The list of files to download; hidden without any."""
    return gr.update(value=[str(path) for path in paths] or None, visible=bool(paths))
