"""The cookie that carries a session for browsers."""

from datetime import UTC, datetime

from litestar.datastructures import Cookie

from app.commands.sessions import Opened
from app.http.access import COOKIE
from app.settings import Settings

LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def cookie_for(settings: Settings, opened: Opened) -> Cookie:
    """The token, kept as long as the session may last."""
    return _cookie(settings, opened.token, round((opened.expires_at - datetime.now(UTC)).total_seconds()))


def cookie_gone(settings: Settings) -> Cookie:
    """What makes a browser forget it."""
    return _cookie(settings, "", 0)


def _cookie(settings: Settings, value: str, max_age_seconds: int) -> Cookie:
    return Cookie(
        key=COOKIE,
        value=value,
        httponly=True,
        secure=not settings.public_url.startswith(LOOPBACK),
        samesite="lax",
        max_age=max_age_seconds,
    )
