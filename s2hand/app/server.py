"""Serves the app on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from s2hand.app.gate import Gate
from s2hand.app.limits import MEGABYTE, Limits
from s2hand.app.sessions import Sessions
from s2hand.app.uploads import Uploads
from s2hand.errors import S2HandError
from s2hand.prediction.reconstructor import HandReconstructor

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7860

SILENT = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Keeps Gradio and what it brings along from reporting to anybody; read when they are imported."""


@contextlib.contextmanager
def made_app(reconstructor: HandReconstructor, limits: Limits | None = None) -> Iterator[Callable]:
    """The app as an ASGI application; its temporary folder is there for as long as the context.

    Args:
        reconstructor: with a detector.
        limits: what it takes at most.

    Raises:
        S2HandError: Gradio is missing.
    """
    limits = limits or Limits()
    with tempfile.TemporaryDirectory(prefix="s2hand-app-", ignore_cleanup_errors=True) as name:
        root = Path(name).resolve()
        os.environ["GRADIO_TEMP_DIR"] = str(root)
        gradio = check_gradio()
        import fastapi

        from s2hand.app.answers import Answers
        from s2hand.app.studio import Studio
        from s2hand.app.wiring import make_blocks

        uploads = Uploads(root, int(limits.stored_mb * MEGABYTE))
        sessions = Sessions(root, limits, left=uploads.forget)
        blocks = make_blocks(Answers(Studio(reconstructor, limits), sessions), limits)
        served = gradio.mount_gradio_app(
            fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
            blocks,
            path="/",
            footer_links=[],
            run_history=False,
            allowed_paths=[],
            max_file_size=limits.upload_bytes,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            pwa=False,
            theme=_theme(gradio),
            css=Path(__file__).with_name("app.css").read_text(encoding="utf-8"),
        )
        yield Gate(served, sessions, uploads, limits)


def serve(
    reconstructor: HandReconstructor,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    limits: Limits | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serves until it is interrupted.

    Args:
        reconstructor: with a detector.
        host: address to listen on; other machines reach the app on others than the default alone.
        port: to listen on; 0: any that is free.
        limits: what it takes at most.
        say: takes the address to open.

    Raises:
        S2HandError: Gradio is missing, or the address cannot be had.
    """
    with made_app(reconstructor, limits) as app, _listening(host, port) as listener:
        import uvicorn

        shown = f"[{host}]" if ":" in host else host
        say(f"http://{shown}:{listener.getsockname()[1]}  (Ctrl-C ends it)")
        config = uvicorn.Config(
            app,
            log_level="warning",
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=1,
            server_header=False,
        )
        # uvicorn raises the signal that ended it again: it must reach the contexts, which remove the files.
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket.

    Raises:
        S2HandError: there is no such address on this machine, or another program has it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise S2HandError(
                f"cannot listen on {host}, port {port} ({reason}): name another --host or --port"
            ) from None
        yield listener


def check_gradio() -> Any:
    """Gradio, silenced, as a module.

    Raises:
        S2HandError: it is missing.
    """
    os.environ.update(SILENT)
    try:
        import gradio
    except ImportError as error:
        raise S2HandError(f"the app needs Gradio ({error}): pip install 's2hand[app]'") from None
    return gradio


def _theme(gradio: Any) -> Any:
    """Fonts of the system: none is loaded."""
    return gradio.themes.Default(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="zinc",
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    )
