"""The API process's root."""

from litestar import Litestar

from app import settings
from app.http.app import build


def create_app() -> Litestar:
    """The ASGI application, from the environment."""
    return build(settings.load())
