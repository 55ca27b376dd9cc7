"""Turn a query's answer into a response: bounded wait for the caller's own write, validators, caching headers, and
verification of stale data."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Response
from litestar.datastructures import Cookie

from app.http.answering.handler_types import AnyRequest, context_of
from app.http.answering.languages import in_own_words, is_worded, language_of
from app.http.answering.preconditions import names
from app.http.answering.signed_tokens import seal, unseal
from app.ingest.refetch.verification import Verifications
from app.queries.reading.account_version import exactly
from app.queries.reading.spoken import spoken
from app.queries.reading.store import Answer, AnswerSource
from app.settings import Settings
from app.words.languages import DEFAULT

PRIVATE = "private, no-cache"
NEVER_STORED = "private, no-store"
VERSION_HEADER = "Account-Version"
"""The version of the account that an answer shows. Events of later versions are news to its reader."""
VARY = "Accept-Encoding, Portal-Version"
"""What an answer that may be stored depends on besides its address."""
DEFAULT_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 10.0

_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})")
_WAIT = re.compile(r"\bwait=(\d+(?:\.\d+)?)")


def public_cache(settings: Settings) -> str:
    """Render the caching header of the public catalog."""
    age, shared = settings.public_max_age_seconds, settings.public_shared_max_age_seconds
    return f"public, max-age={age}, s-maxage={shared}, stale-while-revalidate={shared}"


def consistency_token(settings: Settings, account_id: object, submission: int) -> str:
    """Seal the submission of a command, for whose effects a later query can wait."""
    return seal(settings.keyring, f"consistency:{account_id}", str(submission))


async def respond(
    request: AnyRequest, account_id: object, query: Callable[[], Awaitable[Answer]], cache: str = PRIVATE
) -> Response[bytes]:
    """Run a query and answer with its bytes, or with 304 when the caller holds them already.

    Stale data is answered at once and verified by a worker. With `Cache-Control: max-age=N` the answer waits, as long
    as `Prefer: wait` allows, until the data was verified within N seconds; `as_of` says whether it was.
    """
    consistency = await _wait_for_own_write(request, account_id)
    answer, version = await _versioned(request, account_id, query)
    wanted_seconds = _max_age_seconds(request)
    due = [each for each in answer.sources if _worth_reading(each, wanted_seconds)]
    if due and await _verified(request, due, wait=wanted_seconds is not None):
        answer, version = await _versioned(request, account_id, query)
    headers = {"ETag": answer.etag, "Cache-Control": cache, "Vary": VARY}
    if is_worded(request.route_handler):
        answer = spoken(answer, language_of(request.scope))
        headers |= {
            "ETag": answer.etag,
            "Vary": f"{VARY}, Accept-Language",
            "Content-Language": answer.language or DEFAULT,
        }
    if version is not None:
        headers[VERSION_HEADER] = str(version)
    if consistency:
        headers["Consistency"] = consistency
    if names(joined(request, "if-none-match"), answer.etag):
        return Response(b"", status_code=304, headers=headers)
    return Response(answer.body, media_type="application/json", headers=headers)


async def _versioned(
    request: AnyRequest, account_id: object, query: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, int | None]:
    """Run a query; with the version of the account that the answer shows, if it is an account's."""
    if not isinstance(account_id, UUID):
        return await query(), None
    return await exactly(context_of(request).pool, account_id, query)


async def respond_publicly(request: AnyRequest, query: Callable[[], Awaitable[Answer]]) -> Response[bytes]:
    """Run a query whose answer is the same for everyone, so that shared caches may store it."""
    return await respond(request, None, query, public_cache(context_of(request).settings))


def unstored(
    body: Any, *, status: int = 200, cookies: list[Cookie] | None = None, request: AnyRequest | None = None
) -> Response[bytes]:
    """Answer with JSON that no cache may store, not even the caller's browser. Sentences need the `request`."""
    content, words = msgspec.json.encode(body), dict[str, str]()
    if request is not None:
        content, words = in_own_words(request.scope, request.route_handler, content)
    return Response(
        content,
        media_type="application/json",
        status_code=status,
        cookies=cookies,
        headers={"Cache-Control": NEVER_STORED, **words},
    )


def _max_age_seconds(request: AnyRequest) -> float | None:
    directives = request.headers.get("cache-control", "").lower()
    found = _MAX_AGE.search(directives)
    return float(found.group(1)) if found else 0.0 if "no-cache" in directives else None


def _worth_reading(source: AnswerSource, wanted_seconds: float | None) -> bool:
    """Return whether a source should be read again. What a change feed keeps current is read again only on demand, and
    the catalog never."""
    if source.resource == "catalog":
        return False
    return (source.past_bound and not source.by_events) or _older(source, wanted_seconds)


def _older(source: AnswerSource, wanted_seconds: float | None) -> bool:
    return wanted_seconds is not None and (datetime.now(UTC) - source.as_of).total_seconds() > wanted_seconds


async def _verified(request: AnyRequest, due: Sequence[AnswerSource], *, wait: bool) -> bool:
    """Request that sources are read again. Return whether they were, which is awaited only on demand."""
    context = context_of(request)
    verifications: Verifications = request.app.state.verifications
    requested = [(source.resource, source.record_id, source.as_of) for source in due]
    if not wait:
        verifications.begin(requested)
        return False
    loop, seconds = asyncio.get_running_loop(), _wait_seconds(request)
    deadline = loop.time() + seconds
    numbers = [number for number in await verifications.request(requested, seconds) if number is not None]
    left_seconds = max(deadline - loop.time(), 0.0)
    settled = await asyncio.gather(*(context.inbox.settled(number, left_seconds) for number in numbers))
    return bool(numbers) and all(settled)


def joined(request: AnyRequest, name: str) -> str:
    """Join the lines of a list header, which callers and proxies may split."""
    return ", ".join(request.headers.getall(name, []))


async def _wait_for_own_write(request: AnyRequest, account_id: object) -> str | None:
    token = request.headers.get("consistency-token")
    if not token:
        return None
    context = context_of(request)
    purpose = f"consistency:{account_id}"
    submission = int(unseal(context.settings.keyring, purpose, token, "Consistency-Token"))
    return await context.inbox.consistency(submission, _wait_seconds(request))


def _wait_seconds(request: AnyRequest) -> float:
    wanted = _WAIT.search(request.headers.get("prefer", ""))
    return min(float(wanted.group(1)) if wanted else DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
