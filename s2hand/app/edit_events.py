"""What happens when a slider moves or the picture is clicked.

While a slider moves, only the picture is drawn anew; viewer and downloads follow when it is let go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from s2hand.app.answers import Answers, chosen_hand, in_one_line
from s2hand.app.editing import LightEdit
from s2hand.app.layout import BOXES
from s2hand.app.work import PhotoWork

CHANGES: dict[str, Callable[..., dict[str, Any]]] = {
    "shape": lambda *values: {"shape": tuple(map(float, values))},
    "pose": lambda *values: {"pose": tuple(map(float, values))},
    "light": lambda *values: {"light": LightEdit(*map(float, values))},
    "texture": lambda texture, color: {"texture": texture, "color": color},
}
"""What the values of a group of controls change about a hand."""


class EditEvents:
    """Handlers; most return the picture.

    Args:
        answers: makes what is returned.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    def changer(self, kind: str) -> Callable:
        """Changes a hand; ``kind`` is a key of ``CHANGES``."""

        @in_one_line
        def change(request: gr.Request, hand: str, shows: str, skeleton: bool, *values: Any):
            session = self.answers.working(request)
            work: PhotoWork = session.work
            index = chosen_hand(session, hand)
            if work.edits:
                work.edits[index] = replace(work.edits[index], **CHANGES[kind](*values))
            return self.answers.picture(session, index, shows, skeleton)

        return change

    @in_one_line
    def draw(self, request: gr.Request, hand: str, shows: str, skeleton: bool):
        """The picture is to show something else."""
        session = self.answers.session(request)
        return self.answers.picture(session, chosen_hand(session, hand), shows, skeleton)

    @in_one_line
    def settle(self, request: gr.Request):
        """A change is finished: viewer and downloads."""
        return self.answers.results(self.answers.session(request))

    @in_one_line
    def click(self, request: gr.Request, event: gr.SelectData, hand: str, shows: str, skeleton: bool):
        """Among boxes, a click is the first or the second corner of one; returns picture and box."""
        session = self.answers.working(request)
        work: PhotoWork = session.work
        if shows != BOXES:
            return [gr.skip()] * 5
        x, y = (float(value) / work.scale for value in event.index)
        box: list[Any] = [gr.skip()] * 4
        if work.corner is None:
            work.corner = x, y
        else:
            (left, right), (top, bottom) = sorted((work.corner[0], x)), sorted((work.corner[1], y))
            box, work.corner = [round(left), round(top), round(right - left), round(bottom - top)], None
        return [self.answers.picture(session, chosen_hand(session, hand), shows, skeleton), *box]
