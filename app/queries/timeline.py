"""An account's history over orders, billing, services and cases, newest first.

Reads: read_model.timeline, payment_methods, subscriptions and what `account_age` reads.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from app.errors import InvalidRequest
from app.queries.reading import account_age, page
from app.queries.reading.store import Answer, Store, etag_of
from app.readmodels.billing.dunning import DECLINED
from app.readmodels.timeline import CARD_EXPIRED, CHARGE_REFUSED, Entry, StoredEntry
from app.words.sentence import say

RESOURCES = ("client_invoices", "client_services")
"""The WHMCS lists that entries come from."""

UNEXPLAINED = (None, CHARGE_REFUSED, DECLINED)
"""Reasons that say nothing, so that a better one may be inferred."""

_INFERRED = """
t.kind = 'charge_failed' AND coalesce((
    SELECT bool_and(p.expires < to_char(t.at AT TIME ZONE ${zone}::text, 'YYYY-MM'))
    FROM read_model.payment_methods p WHERE p.account_id = $1), false) AS expired,
CASE WHEN t.area = 'billing'
     THEN ARRAY(SELECT subscription_id FROM read_model.subscriptions WHERE account_id = $1) END AS services
"""


_COUNT = """
SELECT count(*) FROM (
    SELECT FROM read_model.timeline WHERE account_id = $1 AND at <= now() AND ($2::text[] = '{}' OR area = ANY($2))
    LIMIT $3) AS counted
"""


class TimelinePosition(Struct, frozen=True):
    """The entry after which a page begins."""

    at: datetime
    entry_id: str


async def list_timeline(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, areas: Collection[str] = ()
) -> Answer:
    """List entries, newest first, optionally of some areas. Entries dated in the future are not shown yet."""
    freshness, _ = await account_age.of_account(store, account_id, RESOURCES)
    values: list[Any] = [account_id]
    inferred = inferred_columns(store, values)
    conditions = ["account_id = $1", "at <= now()", *before(which, values)]
    if areas:
        values.append(sorted(set(areas)))
        conditions.append(f"area = ANY(${len(values)}::text[])")
    rows = await store.pool.fetch(
        f"SELECT at, entry_id, document, {inferred} FROM read_model.timeline t WHERE {' AND '.join(conditions)} "
        f"ORDER BY at DESC, entry_id DESC LIMIT {int(which.limit) + 1}",
        *values,
    )
    shown = [row["document"] if row["services"] is None else msgspec.json.encode(entry(row)) for row in rows]
    return listed(freshness, which, cursor, rows, shown, await _count(store, account_id, which, areas))


async def _count(store: Store, account_id: UUID, which: page.Page, areas: Collection[str]) -> bytes:
    counted = which.counted and await store.pool.fetchval(_COUNT, account_id, sorted(set(areas)), page.MOST_COUNTED)
    return page.with_count(counted) if which.counted else b""


def entry(row: Any) -> Entry:
    """Decode an entry. One of billing gets its reason where it can be inferred, and the services that it bills."""
    stored, services = msgspec.json.decode(row["document"], type=StoredEntry), row["services"]
    values = msgspec.structs.asdict(stored)
    billed_ids = values.pop("billed_ids")
    if services is not None:  # documents of the release before have the ids as subscriptions
        values["subscription_ids"] = [each for each in billed_ids or stored.subscription_ids if each in services]
    if row["expired"] and stored.reason in UNEXPLAINED:
        values["reason"] = CARD_EXPIRED
    return Entry(**values)


def inferred_columns(store: Store, values: list[Any]) -> str:
    """Return `expired`, true for an attempt that failed when every method on file had expired, and `services`, the
    account's services, null where an entry names its own.

    WHMCS reveals nothing else about why an attempt failed. Months are those of the billing system's time zone, which is
    appended to `values`.
    """
    values.append(store.time_zone)
    return _INFERRED.format(zone=len(values))


def before(which: page.Page, values: list[Any]) -> list[str]:
    """Return the condition for rows after the cursor, and append its values to `values`."""
    if which.after is None:
        return []
    place = _place(which.after)
    values += [place.at, place.entry_id]
    return [f"(at, entry_id) < (${len(values) - 1}, ${len(values)})"]


def listed(
    freshness: account_age.AccountAge,
    which: page.Page,
    cursor: page.Cursor,
    rows: Sequence[Any],
    bodies: Sequence[bytes],
    more: bytes = b"",
) -> Answer:
    """Build a page of rows. One row more than the limit shows that there is another page.

    `more` are further members of the answer. The validator covers what the page shows, because entries dated in the
    future appear by the passage of time alone.
    """
    shown = bodies[: which.limit]
    last = rows[which.limit - 1] if len(rows) > which.limit else None
    token = b'"' + cursor(f"{last['at'].isoformat()} {last['entry_id']}").encode() + b'"' if last else b"null"
    body = b'{"items":[' + b",".join(shown) + b'],"next_cursor":' + token + more + b"}"
    etag = etag_of(*shown, last and last["entry_id"], more)
    return account_age.build_answer(body, etag, freshness)


def _place(after: str) -> TimelinePosition:
    at, _, entry_id = after.partition(" ")
    try:
        return TimelinePosition(datetime.fromisoformat(at), entry_id)
    except ValueError as error:
        raise InvalidRequest(say("problems.cursor_invalid"), code="token_invalid") from error
