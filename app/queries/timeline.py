"""An account's history over orders, billing, services and cases, newest first.

Reads: read_model.timeline, payment_methods and what `whole` reads.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct, structs

from app.errors import InvalidRequest
from app.queries.reading import account_age, page
from app.queries.reading.store import Answer, Store, etag_of
from app.readmodels.timeline import CARD_EXPIRED, Entry

RESOURCES = ("client_invoices", "client_services")
"""The WHMCS lists that entries are made of."""


EXPIRED = """
t.kind = 'charge_failed' AND coalesce((
    SELECT bool_and(p.expires < to_char(t.at AT TIME ZONE 'Asia/Tokyo', 'YYYY-MM'))
    FROM read_model.payment_methods p WHERE p.account_id = $1), false) AS expired
"""
"""Whether a charge failed when nothing on file was good any more: all that the billing system lets one know of why."""


class TimelinePosition(Struct, frozen=True):
    """The entry behind which a page begins."""

    at: datetime
    entry_id: str


async def list_timeline(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, area: str | None = None
) -> Answer:
    """Newest first, optionally of one area. What is due later is not told before."""
    standing, _ = await account_age.of_account(store, account_id, RESOURCES)
    values: list[Any] = [account_id]
    conditions = ["account_id = $1", "at <= now()", *before(which, values)]
    if area:
        values.append(area)
        conditions.append(f"area = ${len(values)}")
    rows = await store.pool.fetch(
        f"SELECT at, entry_id, document, {EXPIRED} FROM read_model.timeline t WHERE {' AND '.join(conditions)} "
        f"ORDER BY at DESC, entry_id DESC LIMIT {int(which.limit) + 1}",
        *values,
    )
    return listed(
        standing,
        which,
        cursor,
        rows,
        [msgspec.json.encode(entry(row)) if row["expired"] else row["document"] for row in rows],
    )


def entry(row: Any) -> Entry:
    """An entry, with why as far as that can be told."""
    found = msgspec.json.decode(row["document"], type=Entry)
    return structs.replace(found, reason=CARD_EXPIRED) if row["expired"] else found


def before(which: page.Page, values: list[Any]) -> list[str]:
    """The condition that a page begins behind its cursor; its values are added to `values`."""
    if which.after is None:
        return []
    place = _place(which.after)
    values += [place.at, place.entry_id]
    return [f"(at, entry_id) < (${len(values) - 1}, ${len(values)})"]


def listed(
    standing: account_age.AccountAge,
    which: page.Page,
    cursor: page.Cursor,
    rows: Sequence[Any],
    bodies: Sequence[bytes],
    more: bytes = b"",
) -> Answer:
    """A page of rows, of which there is one more when it is not the last; `more` are further members of the answer.

    Its validator is over what it shows, because time alone brings entries that were ahead.
    """
    shown = bodies[: which.limit]
    last = rows[which.limit - 1] if len(rows) > which.limit else None
    token = b'"' + cursor(f"{last['at'].isoformat()} {last['entry_id']}").encode() + b'"' if last else b"null"
    body = b'{"items":[' + b",".join(shown) + b'],"next_cursor":' + token + more + b"}"
    etag = etag_of(*shown, last and last["entry_id"], more)
    return account_age.answered(body, etag, standing)


def _place(after: str) -> TimelinePosition:
    at, _, entry_id = after.partition(" ")
    try:
        return TimelinePosition(datetime.fromisoformat(at), entry_id)
    except ValueError as error:
        raise InvalidRequest("The cursor cannot be used here. Start again without it.", code="token_invalid") from error
