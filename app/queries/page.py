"""One page of an account's list: keyset over the row's own order, stable while rows are inserted."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.queries.store import Answer, Store, Verify, etag_of, with_age


class Page(Struct, frozen=True):
    """Which part of a list. `after` is the sort key of the last item of the page before."""

    limit: int = 25
    after: str | None = None


class Listing(Struct, frozen=True):
    """How a list is read: its table, the order, and what filters the caller may name."""

    table: str
    sort: str
    sort_type: str
    body: str = "summary"
    projector_version: int = 1


Cursor = Callable[[str], str]
"""Turns the sort key of the last item into what the caller sends back for the next page."""


async def answer(
    store: Store,
    account_id: UUID,
    listing: Listing,
    page: Page,
    cursor: Cursor,
    where: Sequence[tuple[str, Any]] = (),
) -> Callable[[datetime, tuple[Verify, ...]], Answer]:
    """Read a page; returns a function that completes the answer once its age is known.

    `where` holds (condition with `{}` for its parameter, value); conditions are literals of the calling query.
    """
    items, after = await _fetch(store, account_id, listing, page, where)
    token = b'"' + cursor(after).encode() + b'"' if after is not None else b"null"
    body = b'{"items":[' + b",".join(items) + b'],"next_cursor":' + token + b"}"

    def complete(as_of: datetime, verify: tuple[Verify, ...] = ()) -> Answer:
        stale = bool(verify)
        return Answer(with_age(body, as_of, stale), etag_of(body, listing.projector_version), as_of, stale, verify)

    return complete


async def _fetch(
    store: Store, account_id: UUID, listing: Listing, page: Page, where: Sequence[tuple[str, Any]]
) -> tuple[list[bytes], str | None]:
    conditions: list[str] = ["account_id = $1"]
    values: list[Any] = [account_id]
    if page.after is not None:
        where = [(f"{listing.sort} < {{}}::text::{listing.sort_type}", page.after), *where]
    for condition, value in where:
        values.append(value)
        conditions.append(condition.format(f"${len(values)}"))
    rows = await store.pool.fetch(
        f"SELECT {listing.body} AS body, ({listing.sort})::text AS sort FROM read_model.{listing.table} "
        f"WHERE {' AND '.join(conditions)} ORDER BY {listing.sort} DESC LIMIT {int(page.limit) + 1}",
        *values,
    )
    shown = rows[: page.limit]
    return [row["body"] for row in shown], shown[-1]["sort"] if len(rows) > page.limit else None
