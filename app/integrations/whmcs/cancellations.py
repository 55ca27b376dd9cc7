"""Requests to cancel a service. WHMCS keeps the service active until its daily run acts on the request.

It refuses a second request for one service, lists requests for the whole installation only, and has no action to
withdraw one. Old requests stay in the list forever, so it is read from its newest end, and no further than necessary.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Set
from typing import Any, Literal

from app.errors import UpstreamMalformed, UpstreamUnavailable
from app.integrations.error_translation import translates_errors
from app.integrations.forms import TIMED_OUT
from app.integrations.whmcs import lists
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.lists import RecordList, Rows
from app.integrations.whmcs.records import WhmcsRecord, cancel_request
from app.integrations.whmcs.wire import identifier, known_id, text

CancellationKind = Literal["Immediate", "End of Billing Period"]
StoredRequest = tuple[str, str | None, str | None]
"""Service, type and date of a request."""
READ, ADD = "GetCancelledPackages", "AddCancelRequest"
WHAT = (READ, "packages", "package")
NEWEST_PAGES = 10
"""How many pages are searched for a request of our own that was just made."""


@translates_errors(WHMCS)
async def request_cancellation(client: WhmcsClient, service_id: str, kind: CancellationKind, reason: str) -> None:
    """Request a cancellation.

    Raises:
        UpstreamRejected: `cancellation_exists`.
        OutcomeUnknown: check with `reason_of` before repeating it.
    """
    body = await client.call(ADD, {"serviceid": service_id, "type": kind, "reason": reason}, write=True)
    with understood(ADD):
        if identifier(body.get("serviceid") or service_id) != service_id:
            raise UpstreamMalformed(WHMCS, ADD, "another service than the one asked for")


@translates_errors(WHMCS)
async def reason_of(client: WhmcsClient, service_id: str) -> str | None:
    """Return the reason of a service's latest request; None if none is among the newest of the list."""
    pages = 0
    async for rows in _newest_first(client):
        of_service = [row for row in rows if _service(row) == service_id]
        if of_service:
            return text(max(of_service, key=_number).get("reason"))
        pages += 1
        if pages >= NEWEST_PAGES:
            break
    return None


@translates_errors(WHMCS)
async def requests(client: WhmcsClient, known: Set[StoredRequest] = frozenset()) -> RecordList[WhmcsRecord]:
    """List the latest request of every service of the installation that has one.

    With `known` requests, only the newest end of the list is read, back to a page without news: then the list is not
    complete, and proves nothing about older requests.
    """
    if not known:
        rows = await client.rows(READ, {}, *WHAT[1:])
        return _latest(rows.rows, complete=rows.complete)
    found: list[Any] = []
    try:
        async with asyncio.timeout(lists.LIST_SECONDS):
            async for page in _newest_first(client):
                found += page
                if all(_known(row) in known for row in page):
                    break
    except TimeoutError as error:
        raise UpstreamUnavailable(WHMCS, READ, "the list took too long", vendor_code=TIMED_OUT) from error
    return _latest(found, complete=False)


async def _newest_first(client: WhmcsClient) -> AsyncIterator[list[Any]]:
    """Yield the pages from the newest on. WHMCS does not document the order, so the first page decides."""
    action, plural, singular = WHAT
    first = await client.page(action, plural, singular, start=0)
    size, total = len(first.rows), first.total
    if total is None:
        yield (await client.rows(action, {}, plural, singular)).rows
        return
    if size == 0 or total <= size:
        yield first.rows
        return
    if _number(first.rows[0]) > _number(first.rows[-1]):
        yield first.rows
        for start in range(size, total, size):
            yield (await client.page(action, plural, singular, start=start, size=size)).rows
        return
    for end in range(total, 0, -size):
        start = max(end - size, 0)
        yield (await client.page(action, plural, singular, start=start, size=end - start)).rows


def _latest(rows: Iterable[Any], *, complete: bool) -> RecordList[WhmcsRecord]:
    """Keep the last request per service; unreadable ones are identified by their service too."""
    ordered = sorted(rows, key=_number)
    by_service = {_service(row) or f"?{place}": row for place, row in enumerate(ordered)}
    made = Rows(list(by_service.values()), complete)
    return lists.read(READ, made, cancel_request, object_name="cancel_request", id_field="relid")


def _known(row: Any) -> StoredRequest | None:
    try:
        record = cancel_request(row)
    except Exception:  # unreadable, and counted where it is parsed
        return None
    return record.record_id, record.data["type"], record.data["date"]


def _service(row: Any) -> str:
    return _id(row, "relid")


def _number(row: Any) -> int:
    return int(_id(row, "id") or 0)


def _id(row: Any, field: str) -> str:
    try:
        return known_id(row.get(field)) if isinstance(row, Mapping) else ""
    except ValueError:
        return ""
