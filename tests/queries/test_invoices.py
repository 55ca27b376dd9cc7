"""The list of invoices: filters, sorts, pages that stay stable in each of them, and overdue by the customer's date."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest

from app import calendar
from app.queries import invoices
from app.queries.reading.page import Page
from app.queries.reading.store import Store
from app.readmodels.invoices import InvoiceStatus

FEED = "/data/Portal__chn"
TOKYO = "Asia/Tokyo"
STATUSES = get_args(InvoiceStatus)
HANA = uuid4()

Add = Callable[..., Awaitable[None]]


@pytest.fixture
async def store(pool: asyncpg.Pool) -> Store:
    """Hana's account, read just now."""
    user = uuid4()
    await pool.execute("INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'h@example.jp', 'x')", user)
    await pool.execute("INSERT INTO portal.id_mappings VALUES ($1, $2, '1000', '001A', 'C-1')", HANA, user)
    await pool.execute("INSERT INTO read_model.freshness VALUES ($1, 'client_invoices', now())", HANA)
    return Store(pool, FEED, TOKYO)


@pytest.fixture
def add(pool: asyncpg.Pool) -> Add:
    async def run(number: int, **more: Any) -> None:
        fields = {"status": "unpaid", "issued_on": None, "due_on": None, "total": 1, "collective": False, **more}
        body = msgspec.json.encode({"invoice_id": str(number)})
        await pool.execute(
            "INSERT INTO read_model.invoices (account_id, invoice_id, status, upstream_status, issued_on, due_on, "
            "subtotal, tax, credit, total, balance, currency, sort_id, version, as_of, summary, document, collective) "
            "VALUES ($1, $2, $3, 'x', $4, $5, 1, 0, 0, $6, 1, 'JPY', $7, 1, now(), $8, $8, $9)",
            HANA,
            str(number),
            fields["status"],
            fields["issued_on"],
            fields["due_on"],
            fields["total"],
            number,
            body,
            fields["collective"],
        )

    return run


async def lives_in(store: Store, country: str) -> None:
    await store.pool.execute("DELETE FROM read_model.profiles")
    await store.pool.execute(
        "INSERT INTO read_model.profiles (account_id, whmcs_client_id, email, first_name, last_name, country, "
        "currency, status, version, as_of, document) VALUES ($1, '1000', '', '', '', $2, '', '', 1, now(), '{}')",
        HANA,
        country,
    )


async def shown(store: Store, page: Page = Page(), **wanted: Any) -> tuple[list[dict[str, Any]], str | None]:  # noqa: B008
    answer = await invoices.list_invoices(store, HANA, page, lambda after: after, invoices.InvoiceFilter(**wanted))
    body = msgspec.json.decode(answer.body)
    return body["items"], body["next_cursor"]


async def ids(store: Store, **wanted: Any) -> list[str]:
    return [each["invoice_id"] for each in (await shown(store, **wanted))[0]]


async def test_every_status_is_a_filter(store: Store, add: Add) -> None:
    for number, status in enumerate(("draft", *STATUSES[1:2], *STATUSES[3:]), 1):
        await add(number, status=status)
    for number, status in enumerate(("draft", "unpaid", *STATUSES[3:]), 1):
        assert await ids(store, statuses=[status]) == ([] if status == "draft" else [str(number)])
    assert "1" not in await ids(store)


async def test_from_and_to_are_days_of_issue_and_both_count(store: Store, add: Add) -> None:
    for number in range(1, 6):
        await add(number, issued_on=date(2026, 1, number))
    await add(6)
    assert await ids(store, issued_from=date(2026, 1, 2), issued_to=date(2026, 1, 4)) == ["4", "3", "2"]
    assert await ids(store, issued_from=date(2026, 1, 4)) == ["5", "4"]
    assert await ids(store, issued_to=date(2026, 1, 1)) == ["1"]


@pytest.mark.parametrize("sort", [None, *invoices.SORTS])
async def test_pages_of_every_sort_hold_each_invoice_once_though_one_comes_in_between(
    store: Store, add: Add, sort: str | None
) -> None:
    days = [date(2026, 1, 1), date(2026, 1, 1), None, date(2026, 3, 1), None, date(2026, 2, 1), date(2026, 2, 1)]
    for number, day in enumerate(days, 1):
        await add(number, issued_on=day, due_on=day, total=number % 3)
    whole = await ids(store, sort=sort)
    assert sorted(whole, key=int) == [str(number) for number in range(1, 8)]
    seen: list[str] = []
    after: str | None = None
    for turn in range(10):
        items, after = await shown(store, Page(2, after), sort=sort)
        seen += [each["invoice_id"] for each in items]
        if after is None:
            break
        if turn == 0:
            await add(99, issued_on=date(2026, 2, 1), due_on=date(2026, 2, 1), total=1)
    assert [each for each in seen if each != "99"] == whole
    assert len(seen) == len(set(seen))


async def test_sorts_mean_what_they_say(store: Store, add: Add) -> None:
    for number, (day, total) in enumerate([(3, "10.00"), (1, "9.00"), (2, "100.00")], 1):
        await add(number, issued_on=date(2026, 1, day), due_on=date(2026, 2, day), total=int(total.partition(".")[0]))
    await add(4, total=50)
    assert await ids(store, sort="issued_on") == ["4", "2", "3", "1"]
    assert await ids(store, sort="-due_on") == ["4", "1", "3", "2"]
    assert await ids(store, sort="due_on") == ["2", "3", "1", "4"]
    assert await ids(store, sort="-total") == ["3", "4", "1", "2"]
    assert await ids(store) == ["4", "3", "2", "1"]


async def test_two_sorts_and_two_days_have_different_validators(
    store: Store, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(1, due_on=date(2026, 1, 15))
    etags = set()
    for day, sort in ((15, None), (16, None), (16, "total")):
        monkeypatch.setattr(invoices, "today", lambda country, zone, day=day: date(2026, 1, day))
        wanted = invoices.InvoiceFilter(sort=sort)
        etags.add((await invoices.list_invoices(store, HANA, Page(), lambda after: after, wanted)).etag)
        etags.add((await invoices.invoice(store, HANA, "1")).etag + str(sort))
    assert len(etags) == 6


async def test_an_invoice_is_overdue_from_the_day_after_it_was_due(store: Store, add: Add) -> None:
    here = datetime.now(ZoneInfo(TOKYO)).date()
    await add(1, due_on=here - timedelta(days=1))
    await add(2, due_on=here)
    await add(3, due_on=here - timedelta(days=1), status="paid")
    await add(4)
    await lives_in(store, "JP")
    found = {each["invoice_id"]: each["overdue"] for each in (await shown(store))[0]}
    assert found == {"1": True, "2": False, "3": False, "4": False}
    assert await ids(store, statuses=["overdue"]) == ["1"]
    assert await ids(store, statuses=["unpaid"]) == ["4", "2", "1"], "overdue ones are unpaid all the same"
    for number, overdue in found.items():
        body = msgspec.json.decode((await invoices.invoice(store, HANA, number)).body)
        assert body["overdue"] is overdue


async def test_the_day_depends_on_where_the_customer_lives(store: Store, add: Add) -> None:
    """Kiribati has several zones and counts as Tokyo; Samoa's day begins 24 hours before that of its American namesake,
    so that one of the two always is a day away from the other."""
    samoa, american = (datetime.now(ZoneInfo(name)).date() for name in ("Pacific/Apia", "Pacific/Pago_Pago"))
    assert samoa == american + timedelta(days=1)
    await add(1, due_on=american)
    seen = {}
    for country in ("WS", "AS", "KI", ""):
        await lives_in(store, country)
        [item], _ = await shown(store)
        detail = msgspec.json.decode((await invoices.invoice(store, HANA, "1")).body)
        assert detail["overdue"] == item["overdue"]
        seen[country] = item["overdue"]
    tokyo = datetime.now(ZoneInfo(TOKYO)).date()
    assert seen == {"WS": True, "AS": False, "KI": american < tokyo, "": american < tokyo}


def test_the_calendar_knows_countries_of_one_zone_alone() -> None:
    def day(zone: str) -> date:
        return datetime.now(UTC).astimezone(ZoneInfo(zone)).date()

    assert calendar.today("jp", "Pacific/Pago_Pago") == day(TOKYO)
    assert calendar.today("WS", TOKYO) == day("Pacific/Apia")
    for unsure in ("US", "XX", "", None):
        assert calendar.today(unsure, "Pacific/Pago_Pago") == day("Pacific/Pago_Pago")


async def test_a_bill_that_only_collects_others_is_in_no_list(store: Store, add: Add) -> None:
    await add(1)
    await add(2, collective=True)
    assert await ids(store) == ["1"]
    assert await ids(store, statuses=["unpaid"]) == ["1"]
    assert msgspec.json.decode((await invoices.invoice(store, HANA, "2")).body)["invoice_id"] == "2"


async def test_nobody_elses_invoice_is_in_any_list(store: Store, add: Add) -> None:
    await add(1)
    await store.pool.execute("UPDATE read_model.invoices SET account_id = $1", UUID(int=9))
    for sort in (None, *invoices.SORTS):
        assert await ids(store, sort=sort) == []
