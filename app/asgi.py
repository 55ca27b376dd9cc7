"""The API process's root."""

import ctypes
import signal

from litestar import Litestar

from app import settings
from app.http.app import build
from app.http.draining import drain_on
from app.logs import configure
from app.notify import READY, notify
from app.server import DRAIN_SIGNAL, stop_accepting

_PR_SET_PDEATHSIG = 1


def create_app() -> Litestar:
    """The ASGI application, from the environment."""
    _end_with_parent()
    loaded = settings.load()
    configure(loaded)
    app = build(loaded)
    drain_on(app, DRAIN_SIGNAL, stop_accepting)
    app.on_startup.append(_say_ready)
    return app


async def _say_ready() -> None:
    notify(READY)


def _end_with_parent() -> None:
    """The server forks its workers; one whose parent was killed must not keep the port."""
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):  # Linux alone has it
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
