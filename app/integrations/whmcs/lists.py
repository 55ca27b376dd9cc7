"""Lists of any length, and what is known about a list that could not be read completely.

Pages are advanced by the rows they contain, because an installation may return fewer than requested. Rows move when one
is added or deleted while later pages are read; totals and ids reveal that, and the list is read again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import structlog
from msgspec import Struct

from app.errors import UpstreamMalformed, UpstreamUnavailable
from app.intake import parse, unreadable
from app.integrations.forms import TIMED_OUT
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.wire import collection, identifier

PAGE = 100
MOST_ROWS = 100_000
LIST_SECONDS = 50.0
READINGS = 3

T = TypeVar("T")
ListRow = Mapping[str, Any]

log = structlog.get_logger()


class Call(Protocol):
    """A call of one action."""

    async def __call__(self, action: str, params: Mapping[str, object] | None = None) -> dict[str, Any]: ...


class RecordList(list[T]):
    """The records of a list.

    `unread` names records that exist and could not be read. A list that is not `complete` proves nothing about records
    that are not in it.
    """

    def __init__(self, records: Iterable[T] = (), *, unread: Iterable[str] = (), complete: bool = True) -> None:
        super().__init__(records)
        self.unread = frozenset(unread)
        self.complete = complete


class Rows(Struct, frozen=True):
    """Raw rows, each id once, including rows that are not objects or lack an id."""

    rows: list[Any]
    complete: bool


class ListPage(Struct, frozen=True):
    """One page as received. `total` is the number of rows in all pages, if the installation states it."""

    rows: list[Any]
    total: int | None
    said: bool
    """True if the list was present at all: a success without it proves nothing about its content."""


def page_of(body: Mapping[str, Any], plural: str, singular: str) -> ListPage:
    """Parse the page of an answer.

    Raises:
        ValueError: something else is in place of the list.
    """
    return ListPage(
        collection(body.get(plural), singular), parse.whole_number(body.get("totalresults")), plural in body
    )


def all_of(action: str, body: Mapping[str, Any], plural: str, singular: str) -> Rows:
    """Parse a list that WHMCS returns in one page."""
    with understood(action):
        page = page_of(body, plural, singular)
    short = page.total is not None and page.total > len(page.rows)
    return Rows(page.rows, (page.said or page.total == 0) and not short)


async def page(
    call: Call, action: str, params: Mapping[str, object], plural: str, singular: str, *, start: int, size: int = PAGE
) -> ListPage:
    """Read one page of a list."""
    body = await call(action, {**params, "limitstart": start, "limitnum": size})
    with understood(action):
        return page_of(body, plural, singular)


async def rows_of(call: Call, action: str, params: Mapping[str, object], plural: str, singular: str) -> Rows:
    """Read every row.

    Raises:
        UpstreamUnavailable: it took longer than `LIST_SECONDS`.
        UpstreamMalformed: more than `MOST_ROWS`; and whatever `call` raises.
    """
    try:
        async with asyncio.timeout(LIST_SECONDS):
            return await _settled(call, action, params, plural, singular)
    except TimeoutError as error:
        reason = f"the list took longer than {LIST_SECONDS:.0f} s"
        raise UpstreamUnavailable(WHMCS, action, reason, vendor_code=TIMED_OUT) from error


async def _settled(call: Call, action: str, params: Mapping[str, object], plural: str, singular: str) -> Rows:
    before: list[Any] | None = None
    found = Rows([], False)
    for _ in range(READINGS):
        found = await _reading(call, action, params, plural, singular)
        if found.complete or found.rows == before:  # two equal readings are stable, though they miss the total
            break
        before = found.rows
    if not found.complete:
        log.warning("list_incomplete", action=action, rows=len(found.rows))
        unreadable.note(WHMCS, action, "totalresults", "")
    return found


async def _reading(call: Call, action: str, params: Mapping[str, object], plural: str, singular: str) -> Rows:
    """Read all pages once; complete if each row came once and their number equals the total."""
    named: dict[str, Any] = {}
    nameless: list[Any] = []
    totals: set[int | None] = set()
    start, again, said = 0, False, True
    while True:
        found = await page(call, action, params, plural, singular, start=start)
        fresh = _add(named, nameless, found.rows)
        again = again or fresh < len(found.rows)
        said = said and (found.said or found.total == 0)
        totals.add(found.total)
        start += len(found.rows)
        if not fresh or (found.total is not None and start >= found.total):
            break
        if start > MOST_ROWS:
            raise UpstreamMalformed(WHMCS, action, f"more than {MOST_ROWS} rows")
    count = len(named) + len(nameless)
    still = len(totals) == 1 and totals <= {None, count}
    # An installation that ignores the start returns the same short page again: then that is the whole list.
    whole = not again or (totals == {None} and count < PAGE)
    return Rows([*named.values(), *nameless], said and still and whole)


def _add(named: dict[str, Any], nameless: list[Any], rows: Iterable[Any]) -> int:
    """Add the rows; returns how many were new."""
    before = len(named) + len(nameless)
    for row in rows:
        if row_id := _id(row, "id"):
            named[row_id] = row
        elif row not in nameless:
            nameless.append(row)
    return len(named) + len(nameless) - before


def read(
    action: str, rows: Rows, make: Callable[[ListRow], T], *, object_name: str, id_field: str = "id"
) -> RecordList[T]:
    """Convert these rows to records. A row that cannot be read is left out and counted; it does not fail the others.

    Raises:
        UpstreamMalformed: there are rows and none can be read.
    """
    records: list[T] = []
    unread: set[str] = set()
    complete = rows.complete
    for row in rows.rows:
        try:
            records.append(make(row))
        except Exception as error:
            row_id = _id(row, id_field)
            log.warning("row_left_out", action=action, id=row_id, error=type(error).__name__)
            unreadable.note(WHMCS, object_name, "record", row_id)
            unread.add(row_id)
    if unread and not records:
        raise UpstreamMalformed(WHMCS, action, "not one of its rows can be read")
    return RecordList(records, unread=unread - {""}, complete=complete and "" not in unread)


def _id(row: Any, field: str) -> str:
    try:
        return identifier(row.get(field)) if isinstance(row, Mapping) else ""
    except ValueError:
        return ""
