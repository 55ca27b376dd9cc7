"""An account's charges: in a list of their own, with the service they belong to, and on the lines of invoices.

Reads: read_model.charges, subscriptions and what `slice_age` reads.
"""

from collections.abc import Awaitable, Collection
from typing import Any
from uuid import UUID

import msgspec
from msgspec import structs

from app.queries.reading import page
from app.queries.reading.filters import one_of
from app.queries.reading.slice_age import of_whmcs
from app.queries.reading.store import Answer, Store, etag_of
from app.readmodels.charges import SUBSCRIPTION_OF
from app.readmodels.documents import with_members
from app.readmodels.subscriptions import ServiceStatus

_WITH_SUBSCRIPTION = f"""
overlay(summary PLACING convert_to(
    ',"subscription_id":' || coalesce(to_json({SUBSCRIPTION_OF})::text, 'null') || '}}', 'UTF8') FROM length(summary))
"""
LISTING = page.Listing("charges", "sort_id", "bigint", body=_WITH_SUBSCRIPTION)
_OF_SUBSCRIPTION = f"""
SELECT summary FROM read_model.charges WHERE account_id = $1 AND {SUBSCRIPTION_OF} = $2 ORDER BY sort_id
"""
_NAMED = f"""
SELECT charge_id, {SUBSCRIPTION_OF} AS subscription_id FROM read_model.charges
WHERE account_id = $1 AND charge_id = ANY($2::text[])
"""
CHARGE = "charge"
"""The kind of an invoice line that bills a charge."""


async def list_charges(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, statuses: Collection[ServiceStatus] = ()
) -> Answer:
    """List charges, newest first, optionally of some statuses."""
    where = one_of("status", statuses)
    freshness = await of_whmcs(store, account_id, "charges", "client_services")
    return await page.answer(store, account_id, LISTING, freshness, which, cursor, where)


async def with_charges(store: Store, account_id: UUID, subscription_id: str, found: Awaitable[Answer]) -> Answer:
    """Add `charges` to the answer about a subscription: the fees that were ordered with it."""
    answer = await found
    rows = await store.pool.fetch(_OF_SUBSCRIPTION, account_id, subscription_id)
    return _changed(answer, with_members(answer.body, b'"charges":[%b]' % b",".join(row["summary"] for row in rows)))


async def on_lines(store: Store, account_id: UUID, found: Awaitable[Answer]) -> Answer:
    """Name the lines of an invoice that bill charges: WHMCS gives them the type and number of a service."""
    answer = await found
    body = msgspec.json.decode(answer.body)
    named = sorted({each["subscription_id"] for each in body.get("items", ()) if each["subscription_id"]})
    rows = await store.pool.fetch(_NAMED, account_id, named) if named else []
    charges = {row["charge_id"]: row["subscription_id"] for row in rows}
    if not charges:
        return answer
    body["items"] = [_as_charge(each, charges) for each in body["items"]]
    return _changed(answer, msgspec.json.encode(body))


def _as_charge(line: dict[str, Any], charges: dict[str, str | None]) -> dict[str, Any]:
    number = line["subscription_id"]
    return {**line, "kind": CHARGE, "subscription_id": charges[number]} if number in charges else line


def _changed(answer: Answer, body: bytes) -> Answer:
    return structs.replace(answer, body=body, etag=etag_of(answer.etag, body))
