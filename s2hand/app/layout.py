"""What is on the page and where; what it does is in :mod:`s2hand.app.events`."""

from __future__ import annotations

from dataclasses import dataclass, field

import gradio as gr

from s2hand.app.editing import DEFAULT_COLOR, POSE_SLIDERS, SHAPE_SLIDERS, TEXTURES
from s2hand.app.limits import Limits
from s2hand.app.shown import NOTHING_YET
from s2hand.prediction.options import AUTO

HANDS, CLAY, BOXES = "Hands", "Clay", "Boxes"
"""What the picture shows."""

SAMPLES = ("Sample: right hand", "Sample: left hand")

SHAPE_RANGE, POSE_RANGE = 3.0, 2.0
"""Coefficients have a standard deviation of one."""

VIDEO_NOTE = "Up to {frames} frames. Other requests wait while a video is being processed."
STREAM_NOTE = "Frames are sent to this program only. The stream stops after {seconds:.0f} seconds."


@dataclass
class PhotoPart:
    """The components of the tab for photos; ``tabs`` are those of a hand besides its box."""

    photo: gr.Image
    samples: list[gr.Button]
    refine: gr.Checkbox
    status: gr.Markdown
    picture: gr.Image
    shows: gr.Radio
    skeleton: gr.Checkbox
    hand: gr.Radio
    boxes: gr.Tab
    tabs: list[gr.Tab]
    box: list[gr.Number]
    side: gr.Radio
    replace: gr.Button
    add: gr.Button
    remove: gr.Button
    shape: list[gr.Slider]
    pose: list[gr.Slider]
    light: list[gr.Slider]
    texture: gr.Dropdown
    color: gr.ColorPicker
    reset: gr.Button
    viewer: gr.HTML
    files: gr.File


@dataclass
class VideoPart:
    """The components of the tab for videos."""

    video: gr.Video
    refine: gr.Checkbox
    start: gr.Button
    status: gr.Markdown
    viewer: gr.HTML
    files: gr.File


@dataclass
class WebcamPart:
    """The components of the tab for the webcam."""

    camera: gr.Image
    drawn: gr.HTML


@dataclass
class Layout:
    """All components that do something."""

    photo: PhotoPart = field(init=False)
    video: VideoPart = field(init=False)
    webcam: WebcamPart = field(init=False)


def lay_out(limits: Limits) -> Layout:
    """Fills the Blocks at hand."""
    layout = Layout()
    gr.HTML(
        "<h1>s2hand</h1><p>3D hands from a photo, a video or a webcam. "
        "What you open here stays on the machine that runs this program.</p>",
        elem_classes="head",
    )
    with gr.Tab("Photo"):
        layout.photo = _photo_part()
    with gr.Tab("Video"):
        layout.video = _video_part(limits)
    with gr.Tab("Webcam"):
        layout.webcam = _webcam_part(limits)
    return layout


def _photo_part() -> PhotoPart:
    """Photo, picture and controls beside each other, or below each other on a phone, in this order."""
    parts: dict = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=3, min_width=300):
            parts |= _photo_input()
        with gr.Column(scale=5, min_width=320):
            parts |= _picture()
        with gr.Column(scale=3, min_width=300):
            parts["hand"] = gr.Radio([], label="Hand", visible=False)
            with gr.Tabs(selected="shape"):
                parts |= _box_controls() | _hand_controls()
            parts["reset"] = gr.Button("Undo all changes to this hand", size="sm")
    with gr.Row(equal_height=False):
        with gr.Column(scale=8, min_width=320):
            parts["viewer"] = gr.HTML("", elem_classes="viewer-holder", padding=False)
        with gr.Column(scale=3, min_width=300):
            parts["files"] = _downloads()
    return PhotoPart(**parts)


def _photo_input() -> dict:
    parts: dict = {
        "photo": gr.Image(
            label="Photo",
            type="filepath",
            image_mode=None,
            sources=["upload", "webcam", "clipboard"],
            webcam_options=gr.WebcamOptions(mirror=False),
            buttons=[],
            height=260,
            elem_classes="photo-input",
        )
    }
    with gr.Row():
        parts["samples"] = [gr.Button(text, size="sm", min_width=120) for text in SAMPLES]
    parts["refine"] = gr.Checkbox(True, label="Refine: fit the hands to their keypoints")
    parts["status"] = gr.Markdown(NOTHING_YET, elem_classes="status")
    return parts


def _picture() -> dict:
    parts: dict = {
        "picture": gr.Image(
            label="Hands",
            interactive=False,
            buttons=["fullscreen"],
            type="filepath",
            height=480,
            elem_classes="picture-output",
        )
    }
    with gr.Row(elem_classes="picture-controls"):
        parts["shows"] = gr.Radio(
            [HANDS, CLAY, BOXES], value=HANDS, show_label=False, scale=3, container=False
        )
        parts["skeleton"] = gr.Checkbox(False, label="Joints", scale=1, min_width=90, container=False)
    return parts


def _box_controls() -> dict:
    parts: dict = {}
    with gr.Tab("Boxes") as parts["boxes"]:
        gr.Markdown("Click two opposite corners in the picture, or type its place in pixels of the photo.")
        parts["box"] = []
        for labels in (("Left", "Top"), ("Width", "Height")):
            with gr.Row():
                parts["box"] += [gr.Number(label=label, precision=0, min_width=110) for label in labels]
        parts["side"] = gr.Radio([AUTO, "left", "right"], value=AUTO, label="Which hand")
        parts["replace"] = gr.Button("Look for this hand here", size="sm")
        with gr.Row():
            parts["add"] = gr.Button("Add a hand", size="sm", min_width=110)
            parts["remove"] = gr.Button("Remove this one", size="sm", min_width=110)
    return parts


def _hand_controls() -> dict:
    parts: dict = {}
    with gr.Tab("Shape", id="shape") as shape_tab:
        parts["shape"] = _sliders("Shape", SHAPE_SLIDERS, SHAPE_RANGE)
    with gr.Tab("Pose") as pose_tab:
        parts["pose"] = _sliders("Pose", POSE_SLIDERS, POSE_RANGE)
    with gr.Tab("Light") as light_tab:
        parts["light"] = [
            gr.Slider(0, 2, 0.6, step=0.01, label="Ambient light"),
            gr.Slider(0, 2, 0.5, step=0.01, label="Lamp"),
            gr.Slider(-180, 180, 0, step=1, label="Lamp from left to right (°)"),
            gr.Slider(-90, 90, 0, step=1, label="Lamp from below to above (°)"),
            gr.Slider(-1, 1, 0, step=0.01, label="Warmth"),
        ]
    with gr.Tab("Texture") as texture_tab:
        parts["texture"] = gr.Dropdown(list(TEXTURES), value=TEXTURES[0], label="Texture")
        parts["color"] = gr.ColorPicker(DEFAULT_COLOR, label="Colour of “One colour”")
    parts["tabs"] = [shape_tab, pose_tab, light_tab, texture_tab]
    return parts


def _sliders(name: str, count: int, reach: float) -> list[gr.Slider]:
    gr.Markdown("Changes in standard deviations; 0 is as reconstructed.")
    return [gr.Slider(-reach, reach, 0, step=0.01, label=f"{name} {number + 1}") for number in range(count)]


def _downloads() -> gr.File:
    return gr.File(
        label="Downloads", file_count="multiple", interactive=False, visible=False, elem_classes="downloads"
    )


def _video_part(limits: Limits) -> VideoPart:
    with gr.Row(equal_height=False):
        with gr.Column(scale=2, min_width=300):
            video = gr.Video(
                label="Video",
                sources=["upload", "webcam"],
                webcam_options=gr.WebcamOptions(mirror=False),
                include_audio=False,
                buttons=[],
                height=260,
            )
            refine = gr.Checkbox(False, label="Refine: fit the hands to their keypoints")
            start = gr.Button("Reconstruct", variant="primary")
            status = gr.Markdown(VIDEO_NOTE.format(frames=limits.video_frames), elem_classes="status")
            files = _downloads()
        with gr.Column(scale=3, min_width=320):
            viewer = gr.HTML("", elem_classes="viewer-holder", padding=False)
    return VideoPart(video, refine, start, status, viewer, files)


def _webcam_part(limits: Limits) -> WebcamPart:
    gr.Markdown(STREAM_NOTE.format(seconds=limits.stream_s), elem_classes="status")
    with gr.Row(equal_height=False):
        camera = gr.Image(
            label="Webcam",
            sources=["webcam"],
            streaming=True,
            type="filepath",
            webcam_options=gr.WebcamOptions(mirror=False),
            buttons=[],
            height=360,
        )
        drawn = gr.HTML("", elem_classes="viewer-holder", padding=False)
    return WebcamPart(camera, drawn)
