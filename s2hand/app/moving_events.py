"""What happens when a video is opened, when the webcam sends a frame, and when a page is closed."""

from __future__ import annotations

import gradio as gr

from s2hand.app import shown
from s2hand.app.answers import Answers, downloads, in_one_line
from s2hand.app.photo_events import received
from s2hand.app.videos import process_video
from s2hand.app.webcam import decode_frame, draw_frame
from s2hand.errors import S2HandError
from s2hand.pages.prediction_cards import counted


class MovingEvents:
    """Handlers.

    Args:
        answers: knows the pages.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    @in_one_line
    def open_video(self, request: gr.Request, sent: dict | None, refine: bool):
        """Sentence, viewer and downloads of a video."""
        session = self.answers.session(request)
        if sent is None:
            raise S2HandError("Choose a video first.")
        with received(sent, session, "video") as (path, name):
            scene, files = process_video(self.answers.studio, path, name, refine)
        found = f"**{counted(len(scene.hands), 'hand')}** in {counted(len(scene.frames), 'frame')}."
        return found, shown.viewer_frame(scene), downloads(files)

    @in_one_line
    def stream(self, request: gr.Request, sent: dict | None):
        """A frame of the webcam with its hands."""
        if not sent or not isinstance(sent.get("url"), str):
            return gr.skip()
        session = self.answers.session(request)
        pixels = draw_frame(self.answers.studio, session, decode_frame(sent["url"]))
        return shown.inline_picture(pixels, "The webcam's picture with the hands in it")

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.answers.sessions.close(request.session_hash or "")
