"""What happens when a photo is opened and hands are looked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr

from s2hand.app.answers import Answers, chosen_hand, in_one_line
from s2hand.app.editing import HandEdit
from s2hand.app.reading import plain_name
from s2hand.app.sessions import Session
from s2hand.errors import S2HandError
from s2hand.prediction.sample_photos import sample_photos


class PhotoEvents:
    """Handlers; each returns what :meth:`Answers.everything` does.

    Args:
        answers: makes what is returned.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers, self.studio = answers, answers.studio

    @in_one_line
    def open(self, request: gr.Request, sent: dict | None, refine: bool, shows: str, skeleton: bool):
        """A photo was uploaded, pasted or shot; or it was taken away."""
        session = self.answers.session(request)
        if sent is None:
            session.work = None
        else:
            with received(sent, session, "photo") as (path, name):
                self.studio.open_photo(session, path, name, refine)
        return self.answers.everything(session, 0, shows, skeleton)

    def sample_opener(self, number: int) -> Callable:
        """Opens one of the packaged photos; returns it too, before the rest."""

        @in_one_line
        def open_sample(request: gr.Request, refine: bool, shows: str, skeleton: bool):
            session, sample = self.answers.session(request), sample_photos()[number]
            with session.place_for("photo") as folder:
                path = Path(shutil.copy(sample, folder))
                self.studio.open_photo(session, path, sample.name, refine)
            return [str(path), *self.answers.everything(session, 0, shows, skeleton)]

        return open_sample

    @in_one_line
    def refine(self, request: gr.Request, refine: bool, hand: str, shows: str, skeleton: bool):
        """Refinement was switched on or off."""
        session = self.answers.session(request)
        if session.work is not None and session.work.hands is not None:
            self.studio.refine(session, refine)
        return self.answers.everything(session, chosen_hand(session, hand), shows, skeleton)

    def box_searcher(self, adds: bool) -> Callable:
        """Looks for a hand in the box: for the chosen one, or for a further one."""

        @in_one_line
        def look(
            request: gr.Request,
            hand: str,
            side: str,
            left: float | None,
            top: float | None,
            width: float | None,
            height: float | None,
            shows: str,
            skeleton: bool,
        ):
            session = self.answers.working(request)
            if None in (left, top, width, height):
                raise S2HandError("Draw a box first: click two opposite corners in the picture.")
            index = None if adds or session.work.hands is None else chosen_hand(session, hand)
            work = self.studio.look_again(session, (left, top, width, height), side, index)
            at = len(work.views) - 1 if index is None else index
            return self.answers.everything(session, at, shows, skeleton)

        return look

    @in_one_line
    def remove(self, request: gr.Request, hand: str, shows: str, skeleton: bool):
        """The chosen hand is no hand, or not meant."""
        session = self.answers.working(request)
        if session.work.hands is not None:
            self.studio.remove(session, chosen_hand(session, hand))
        return self.answers.everything(session, 0, shows, skeleton)

    @in_one_line
    def choose(self, request: gr.Request, hand: str, shows: str, skeleton: bool):
        """Another hand was chosen."""
        session = self.answers.working(request)
        return self.answers.everything(session, chosen_hand(session, hand), shows, skeleton)

    @in_one_line
    def reset(self, request: gr.Request, hand: str, shows: str, skeleton: bool):
        """The changes of the chosen hand are to be undone."""
        session = self.answers.working(request)
        index = chosen_hand(session, hand)
        if session.work.edits:
            session.work.edits[index] = HandEdit()
        return self.answers.everything(session, index, shows, skeleton)


@contextmanager
def received(sent: dict, session: Session, kind: str) -> Iterator[tuple[Path, str]]:
    """A file that was sent, copied to the page's own folder, and its name.

    The gate has seen to it that it is one of this browser's own.

    Args:
        sent: as Gradio names a file.
        session: the page.
        kind: see :meth:`Session.place_for`.
    """
    path = Path(sent["path"])
    name = plain_name(sent.get("orig_name") or path.name)
    with session.place_for(kind) as folder:
        shutil.copyfile(path, folder / name)
        yield folder / name, name
