"""The app, served in a thread."""

import threading
import time

import pytest
from app_visitors import Served, Visitor

from s2hand.prediction.reconstructor import HandReconstructor

NEEDS_GRADIO = "needs Gradio: pip install 's2hand[app]'"
START_TRIES = 600
STOP_S = 5
"""Seconds that the server has to end, and to be ended by force."""


@pytest.fixture(scope="session")
def reconstructor():
    return HandReconstructor.small(device="cpu")


@pytest.fixture(scope="session")
def served(reconstructor):
    """The app, started once."""
    pytest.importorskip("gradio", reason=NEEDS_GRADIO)
    import uvicorn

    from s2hand.app.server import made_app

    with made_app(reconstructor) as gate:
        config = uvicorn.Config(gate, port=0, log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        for _ in range(START_TRIES):
            if server.started or not thread.is_alive():
                break
            time.sleep(0.1)
        yield Served(gate, server.servers[0].sockets[0].getsockname()[1])
        server.should_exit = True
        thread.join(STOP_S)
        server.force_exit = True  # streams of pages that a browser left open do not end by themselves
        thread.join(STOP_S)


@pytest.fixture
def visitor(served):
    return Visitor(served)
