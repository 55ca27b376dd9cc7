"""One page of an account's list: keyset over the row's own order, stable while rows are inserted."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.queries.standing import Standing
from app.queries.store import Answer, Store, answered, etag_of


class Page(Struct, frozen=True):
    """Which part of a list. `after` is the sort key of the last item of the page before; `held` are the validators of
    what the caller has already."""

    limit: int = 25
    after: str | None = None
    held: frozenset[str] = frozenset()


class Listing(Struct, frozen=True):
    """How a list is read: its slice, the order, and the column that shows an item."""

    slice: str
    sort: str
    sort_type: str
    body: str = "summary"


Cursor = Callable[[str], str]
"""Turns the sort key of the last item into what the caller sends back for the next page."""


async def answer(
    store: Store,
    account_id: UUID,
    listing: Listing,
    standing: Standing,
    page: Page,
    cursor: Cursor,
    where: Sequence[tuple[str, Any]] = (),
    first: Sequence[bytes] = (),
) -> Answer:
    """A page, or only its validator when the caller holds that: then the list is not even read.

    `where` holds (condition with `{}` for its parameter, value); conditions are literals of the calling query. `first`
    are items that stand before all others on the first page.
    """
    stale = standing.source.past_bound or standing.parked_at is not None
    filters = [f"{condition}={value}" for condition, value in where]
    etag = etag_of(listing.slice, *standing.revision, page.limit, page.after, stale, *filters, *first)
    if etag in page.held:
        return Answer(b"", etag, standing.source.as_of, stale, (standing.source,))
    items, after = await _fetch(store, account_id, listing, page, where)
    token = b'"' + cursor(after).encode() + b'"' if after is not None else b"null"
    shown = items if page.after else [*first, *items]
    body = b'{"items":[' + b",".join(shown) + b'],"next_cursor":' + token + b"}"
    return answered(body, etag, standing.source, parked_at=standing.parked_at)


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
        f"SELECT {listing.body} AS body, ({listing.sort})::text AS sort FROM read_model.{listing.slice} "
        f"WHERE {' AND '.join(conditions)} ORDER BY {listing.sort} DESC LIMIT {int(page.limit) + 1}",
        *values,
    )
    shown = rows[: page.limit]
    return [row["body"] for row in shown], shown[-1]["sort"] if len(rows) > page.limit else None
