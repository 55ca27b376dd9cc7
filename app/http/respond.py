"""From a query's answer to a response: bounded wait for one's own write, validators, caching headers, and the wish to
have stale data verified."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import State

from app.errors import PortalError
from app.http.signed import seal, unseal
from app.ingest.accounts import whmcs_hint
from app.ingest.inbox import Inbox
from app.queries.page import Page
from app.queries.store import Answer, Verify
from app.settings import Settings

PRIVATE = "private, no-cache"
NEVER_STORED = "private, no-store"
DEFAULT_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 10.0

_WAIT = re.compile(r"\bwait=(\d+(?:\.\d+)?)")

log = structlog.get_logger()


def public_cache(settings: Settings) -> str:
    """What shared caches may do with the public catalog."""
    age, shared = settings.public_max_age_seconds, settings.public_shared_max_age_seconds
    return f"public, max-age={age}, s-maxage={shared}, stale-while-revalidate={shared}"


def consistency_token(settings: Settings, account_id: object, submission: int) -> str:
    """What a command hands out: names the submission whose effects a later query may wait for."""
    return seal(settings.portal_secret, f"consistency:{account_id}", str(submission))


async def respond(
    request: Request[Any, Any, State], account_id: object, query: Callable[[], Awaitable[Answer]], cache: str = PRIVATE
) -> Response[bytes]:
    """Run a query and answer with its bytes, or with 304 when the caller holds them already."""
    consistency = await _wait_for_own_write(request, account_id)
    answer = await query()
    await _ask_to_verify(request.app.state.context.inbox, answer.verify)
    headers = {"ETag": answer.etag, "Cache-Control": cache}
    if consistency:
        headers["Consistency"] = consistency
    if answer.etag in _held(request):
        return Response(b"", status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)


def page_of(request: Request[Any, Any, State], scope: str, limit: int, cursor: str | None) -> Page:
    """The page a caller asks for; `scope` binds cursors to one list of one account."""
    settings: Settings = request.app.state.context.settings
    after = unseal(settings.portal_secret, f"cursor:{scope}", cursor, "cursor") if cursor else None
    return Page(limit, after)


def cursor_for(request: Request[Any, Any, State], scope: str) -> Callable[[str], str]:
    """Makes the cursors of one list of one account."""
    settings: Settings = request.app.state.context.settings
    return lambda after: seal(settings.portal_secret, f"cursor:{scope}", after)


def _held(request: Request[Any, Any, State]) -> set[str]:
    held = request.headers.get("if-none-match", "")
    return {tag.strip().removeprefix("W/") for tag in held.split(",") if tag.strip()}


async def _wait_for_own_write(request: Request[Any, Any, State], account_id: object) -> str | None:
    token = request.headers.get("consistency-token")
    if not token:
        return None
    context = request.app.state.context
    purpose = f"consistency:{account_id}"
    submission = int(unseal(context.settings.portal_secret, purpose, token, "Consistency-Token"))
    asked = _WAIT.search(request.headers.get("prefer", ""))
    wait_seconds = min(float(asked.group(1)) if asked else DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
    return "reached" if await context.inbox.settled(submission, wait_seconds) else "pending"


async def _ask_to_verify(inbox: Inbox, wishes: tuple[Verify, ...]) -> None:
    """One re-read per state of the data: everybody who sees the same `as_of` asks for the same thing."""
    if not wishes:
        return
    hints = [whmcs_hint(wish.resource, wish.record_id, f"verify:{wish.as_of.isoformat()}") for wish in wishes]
    try:
        await inbox.submit(hints)
    except PortalError as error:
        log.warning("verification_not_asked", error=repr(error))
