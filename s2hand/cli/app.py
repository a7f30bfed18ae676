"""The sub-command that serves the app: app."""

from __future__ import annotations

import argparse


def app_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 admits other machines, without a password (default: %(default)s)",
    )
    command.add_argument(
        "--port",
        type=int,
        metavar="N",
        default=7860,
        help="port to listen on; 0 takes a free one (default: %(default)s)",
    )
    command.add_argument(
        "--upload-mb",
        type=float,
        metavar="MB",
        default=50,
        help="largest upload (default: %(default)s MB)",
    )
    command.add_argument("--hand-model", metavar="FILE", help='"generic" or a MANO file (default: generic)')
    command.add_argument(
        "--device", default="auto", help="auto, cpu, cuda or cuda:<index> (default: %(default)s)"
    )


def app(arguments: argparse.Namespace) -> None:
    """Serve a page that finds hands in photos, videos and the webcam, and lets you edit them."""
    from s2hand.app.limits import Limits
    from s2hand.app.server import check_gradio, serve
    from s2hand.prediction.reconstructor import HandReconstructor

    check_gradio()
    reconstructor = HandReconstructor.small(arguments.device, arguments.hand_model)
    serve(reconstructor, arguments.host, arguments.port, Limits(upload_mb=arguments.upload_mb))
