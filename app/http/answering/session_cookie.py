"""The cookie that carries a browser's session."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response
from litestar.datastructures import Cookie

from app.commands.execution.context import Context
from app.commands.identity.sessions import session_store
from app.commands.identity.sessions.session_store import Opened
from app.settings import Settings

COOKIE = "portal_session"
HOST_PREFIX = "__Host-"
"""Browsers accept a cookie of this name only if it is secure and set by this very host, so that neither another host of
the domain nor anyone on the network can plant one."""
CLEARED = '"cache", "cookies", "storage"'
LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def is_secure(settings: Settings) -> bool:
    """Return whether browsers reach the portal by https."""
    return not settings.public_url.startswith(LOOPBACK)


def cookie_name(settings: Settings) -> str:
    """Return the name of the cookie in this installation."""
    return (HOST_PREFIX if is_secure(settings) else "") + COOKIE


def cookie_for(settings: Settings, opened: Opened) -> Cookie:
    """Make the cookie of a session, valid until the session expires."""
    return _cookie(settings, opened.token, round((opened.expires_at - datetime.now(UTC)).total_seconds()))


async def leave_before(request: Request[Any, Any, Any]) -> None:
    """End the session that the browser had: the answer puts another in its place."""
    context: Context = request.app.state.context
    if before := request.cookies.get(cookie_name(context.settings)):
        await session_store.leave(context.pool, before)


def cookie_gone(settings: Settings) -> Cookie:
    """Make the cookie that deletes the session's cookie."""
    return _cookie(settings, "", 0)


def signed_out(settings: Settings) -> Response[None]:
    """Answer the end of a session: the browser drops the cookie and everything else it stored of the portal."""
    headers = {"Cache-Control": "no-store", "Clear-Site-Data": CLEARED}
    return Response(None, status_code=204, cookies=[cookie_gone(settings)], headers=headers)


def _cookie(settings: Settings, value: str, max_age_seconds: int) -> Cookie:
    return Cookie(
        key=cookie_name(settings),
        value=value,
        httponly=True,
        secure=is_secure(settings),
        samesite="lax",
        max_age=max_age_seconds,
    )
