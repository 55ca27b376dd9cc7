"""One page of an account's list: keyset pagination over the rows' own order, stable while rows are inserted."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from app.queries.reading.slice_age import SliceAge
from app.queries.reading.store import Answer, Store, build_answer, etag_of


class Page(Struct, frozen=True):
    """The requested part of a list.

    `after` is the sort key of the last item of the page before; `held` are the validators (ETags) that the caller sent;
    `counted` asks for the number of items of the whole list.
    """

    limit: int = 25
    after: str | None = None
    held: frozenset[str] = frozenset()
    counted: bool = False


class Listing(Struct, frozen=True):
    """The source of a list: its read model, the order, and the column or expression that shows an item.

    `sort` is unique. `lead`, an expression without NULLs and its type, sorts before it.
    """

    slice: str
    sort: str
    sort_type: str
    body: str = "summary"
    lead: tuple[str, str] | None = None
    descending: bool = True

    @property
    def keys(self) -> list[tuple[str, str]]:
        """The order as (expression, type)."""
        return [*([self.lead] if self.lead else []), (self.sort, self.sort_type)]


_PAGE = """
SELECT a.n, page.items, page.keys FROM unnest($1::uuid[]) WITH ORDINALITY AS a (account_id, n)
CROSS JOIN LATERAL (SELECT array_agg(body) AS items, array_agg(keys) AS keys FROM (
    SELECT {body} AS body, ARRAY[{texts}] AS keys FROM read_model.{slice}
    WHERE {conditions} ORDER BY {order} LIMIT {limit}
) AS found) AS page
"""

_COUNT = """
SELECT a.n, (SELECT count(*) FROM (SELECT FROM read_model.{slice} WHERE {conditions} LIMIT {most}) AS found) AS count
FROM unnest($1::uuid[]) WITH ORDINALITY AS a (account_id, n)
"""
MOST_COUNTED = 10_000
"""Counting stops there, so that no list makes it slow."""

Cursor = Callable[[str], str]
"""Turns the sort key of the last item into the cursor that the caller sends back for the next page."""


async def answer(
    store: Store,
    account_id: UUID,
    listing: Listing,
    freshness: SliceAge,
    page: Page,
    cursor: Cursor,
    where: Sequence[tuple[str, Any]] = (),
    first: Sequence[bytes] = (),
    render: Callable[[bytes], bytes] | None = None,
) -> Answer:
    """Return a page, or only its validator when the caller holds that: then the list is not read.

    `where` holds (condition with `{}` for its parameter, value); conditions are literals of the calling query. `first`
    are items that come before all others on the first page. `render` turns stored items into what the account may be
    shown, by what the revision of the read model covers.
    """
    age = freshness.age
    filters = [f"{condition}={value}" for condition, value in where]
    etag = etag_of(_shape(listing), *freshness.revision, page.limit, page.after, page.counted, *filters, *first)
    if age.etag(etag) in page.held:
        return Answer(b"", age.etag(etag), age.as_of, age.stale_reason, (freshness.source,))
    items, after = await _fetch(store, account_id, listing, page, where)
    token = msgspec.json.encode(cursor(after) if after is not None else None)
    shown = [render(item) for item in items] if render else items
    shown = shown if page.after else [*first, *shown]
    count = await _count(store, account_id, listing, where, len(first)) if page.counted else None
    body = b'{"items":[' + b",".join(shown) + b'],"next_cursor":' + token + with_count(count) + b"}"
    return build_answer(body, etag, freshness.source, parked_at=freshness.parked_at)


def with_count(count: int | None) -> bytes:
    """Render the member of a page that counts the list, where that was asked for."""
    return b"" if count is None else b',"count":%d' % min(count, MOST_COUNTED)


async def _count(store: Store, account_id: UUID, listing: Listing, where: Sequence[tuple[str, Any]], more: int) -> int:
    """Count the items of the whole list, and `more` that the read model does not have yet."""
    statement = _count_statement(listing.slice, tuple(condition for condition, _ in where))
    row = await store.row(statement, account_id, *(value for _, value in where))
    return more + (row["count"] if row else 0)


async def _fetch(
    store: Store, account_id: UUID, listing: Listing, page: Page, where: Sequence[tuple[str, Any]]
) -> tuple[list[bytes], str | None]:
    conditions, values = tuple(condition for condition, _ in where), [value for _, value in where]
    statement = _statement(listing, conditions, int(page.limit), page.after is not None)
    if page.after is not None:
        values += _keys(listing, page.after)
    row = await store.row(statement, account_id, *values)
    items, keys = (row["items"] or [], row["keys"]) if row else ([], [])
    return items[: page.limit], _after(listing, keys[page.limit - 1]) if len(items) > page.limit else None


@lru_cache(maxsize=256)
def _shape(listing: Listing) -> str:
    """Return the part of the validator that identifies the listing."""
    return repr((listing.slice, listing.body, listing.keys, listing.descending))


@lru_cache(maxsize=256)
def _statement(listing: Listing, where: tuple[str, ...], limit: int, is_later: bool) -> str:
    conditions = _conditions(where)
    if is_later:
        conditions.append(_behind(listing, len(conditions)))
    direction = "DESC" if listing.descending else "ASC"
    return _PAGE.format(
        body=listing.body,
        texts=", ".join(f"({expression})::text" for expression, _ in listing.keys),
        slice=listing.slice,
        conditions=" AND ".join(conditions),
        order=", ".join(f"{expression} {direction}" for expression, _ in listing.keys),
        limit=limit + 1,
    )


@lru_cache(maxsize=256)
def _count_statement(slice_name: str, where: tuple[str, ...]) -> str:
    conditions = " AND ".join(_conditions(where))
    return _COUNT.format(slice=slice_name, conditions=conditions, most=MOST_COUNTED)


def _conditions(where: Sequence[str]) -> list[str]:
    filters = [condition.format(f"${number}") for number, condition in enumerate(where, 2)]
    return ["account_id = a.account_id", *filters]


def _behind(listing: Listing, given: int) -> str:
    """Return the condition for rows after the cursor, whose values follow `given` others."""
    left = ", ".join(expression for expression, _ in listing.keys)
    right = ", ".join(f"${given + n}::text::{kind}" for n, (_, kind) in enumerate(listing.keys, 1))
    return f"({left}) {'<' if listing.descending else '>'} ({right})"


def _after(listing: Listing, keys: Sequence[str]) -> str:
    return msgspec.json.encode(list(keys)).decode() if listing.lead else keys[0]


def _keys(listing: Listing, after: str) -> list[str]:
    return msgspec.json.decode(after, type=list[str]) if listing.lead else [after]
