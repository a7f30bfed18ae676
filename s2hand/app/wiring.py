"""The Blocks: the layout with its events."""

from __future__ import annotations

import gradio as gr

from s2hand.app.answers import Answers
from s2hand.app.edit_events import EditEvents
from s2hand.app.layout import BOXES, HANDS, PhotoPart, VideoPart, WebcamPart, lay_out
from s2hand.app.limits import Limits
from s2hand.app.moving_events import MovingEvents
from s2hand.app.photo_events import PhotoEvents

NETWORK = {"concurrency_id": "network", "concurrency_limit": 1, "api_visibility": "private"}
"""Finding and reconstructing: one request at a time, for all pages together."""

DRAWING = {"concurrency_id": "drawing", "concurrency_limit": 1, "api_visibility": "private"}
"""Posing and rendering, so that sliders do not wait for other people's videos."""

STREAM_EVERY_S = 0.3
CLEAN_EVERY_S = 600


def make_blocks(answers: Answers, limits: Limits) -> gr.Blocks:
    """The page.

    Args:
        answers: what it shows.
        limits: what the app takes at most.
    """
    with gr.Blocks(
        title="s2hand",
        analytics_enabled=False,
        delete_cache=(CLEAN_EVERY_S, int(limits.idle_s)),
        fill_width=True,
    ) as blocks:
        layout = lay_out(limits)
        moving = MovingEvents(answers)
        _wire_photo(PhotoEvents(answers), EditEvents(answers), layout.photo)
        _wire_video(moving, layout.video)
        _wire_webcam(moving, layout.webcam, limits)
        blocks.unload(moving.leave)
    blocks.queue(max_size=limits.waiting, api_open=False, default_concurrency_limit=1)
    return blocks


def _wire_photo(events: PhotoEvents, edits: EditEvents, part: PhotoPart) -> None:
    picture = [part.shows, part.skeleton]
    results = [part.viewer, part.files]
    controls = [*part.box, *part.shape, *part.pose, *part.light, part.texture, part.color]
    everything = [part.status, part.picture, part.hand, *controls, *results]
    part.photo.input(
        events.open, [part.photo, part.refine, *picture], everything, preprocess=False, **NETWORK
    )
    for number, button in enumerate(part.samples):
        button.click(
            events.sample_opener(number), [part.refine, *picture], [part.photo, *everything], **NETWORK
        )
    part.refine.input(events.refine, [part.refine, part.hand, *picture], everything, **NETWORK)
    for button, adds in ((part.replace, False), (part.add, True)):
        button.click(
            events.box_searcher(adds),
            [part.hand, part.side, *part.box, *picture],
            everything,
            **NETWORK,
        )
    part.remove.click(events.remove, [part.hand, *picture], everything, **NETWORK)
    part.reset.click(events.reset, [part.hand, *picture], everything, **DRAWING)
    part.hand.input(events.choose, [part.hand, *picture], everything, **DRAWING)
    _wire_sliders(edits, part)
    # Whoever draws boxes wants to see them, whoever moves sliders the hands.
    part.boxes.select(lambda: BOXES, None, part.shows, api_visibility="private")
    for tab in part.tabs:
        tab.select(_not_boxes, part.shows, part.shows, api_visibility="private")
    for chooser in (part.shows.change, part.skeleton.input):
        chooser(edits.draw, [part.hand, *picture], part.picture, show_progress="hidden", **DRAWING)
    part.picture.select(
        edits.click, [part.hand, *picture], [part.picture, *part.box], show_progress="hidden", **DRAWING
    )


def _wire_sliders(edits: EditEvents, part: PhotoPart) -> None:
    kinds = {
        "shape": part.shape,
        "pose": part.pose,
        "light": part.light,
        "texture": [part.texture, part.color],
    }
    results = [part.viewer, part.files]
    for kind, components in kinds.items():
        changed = gr.on(
            [component.input for component in components],
            edits.changer(kind),
            [part.hand, part.shows, part.skeleton, *components],
            part.picture,
            show_progress="hidden",
            trigger_mode="always_last",
            **DRAWING,
        )
        if kind == "texture":
            changed.then(edits.settle, None, results, show_progress="hidden", **DRAWING)
        else:
            let_go = [component.release for component in components]
            gr.on(let_go, edits.settle, None, results, show_progress="hidden", **DRAWING)


def _wire_video(events: MovingEvents, part: VideoPart) -> None:
    part.start.click(
        events.open_video,
        [part.video, part.refine],
        [part.status, part.viewer, part.files],
        preprocess=False,
        **NETWORK,
    )


def _wire_webcam(events: MovingEvents, part: WebcamPart, limits: Limits) -> None:
    part.camera.stream(
        events.stream,
        part.camera,
        part.drawn,
        preprocess=False,
        stream_every=STREAM_EVERY_S,
        time_limit=limits.stream_s,
        concurrency_id="stream",
        concurrency_limit=4,
        api_visibility="private",
        show_progress="hidden",
    )


def _not_boxes(shows: str) -> str:
    return HANDS if shows == BOXES else shows
