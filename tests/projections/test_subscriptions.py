"""Subscriptions as customers see them: in a sentence, with what is asked of them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.events import Change
from tests.fixtures.changes import ADDON, CLIENT, INVOICE, PLANNED, SERVICE, TAKEN_BACK, UPGRADE, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]
OWNED = {"owner_id": "1001"}
PART = {"owner_id": "1001", "parent_id": "55"}


def service(**fields: str) -> Change:
    base = {"pid": "301", "domain": "080-1234-5678", "nextduedate": "2026-03-01", "orderid": "9"}
    return change("whmcs", "service", "55", {**SERVICE, **base, **fields}, **OWNED)


def request(kind: str) -> Change:
    return change("whmcs", "cancel_request", "55", {"type": kind, "date": "2026-02-01 10:00:00"}, parent_id="55")


async def seen(pool: asyncpg.Pool) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(await pool.fetchval("SELECT document FROM read_model.subscriptions"))
    return found


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ("Active", "", "Active."),
        ("Suspended", "Overdue on Payment", "Suspended because a payment is overdue. Pay the open invoice"),
        ("Suspended", "Spam", "Suspended. Please contact support"),
        ("Terminated", "", "Ended. To use it again, please order it again."),
        ("Cancelled", "", "Cancelled, as it was asked for."),
        ("Nonsense", "", "Please contact support about this service."),
    ],
)
async def test_every_state_is_a_sentence(
    pool: asyncpg.Pool, account: UUID, feed: Feed, status: str, reason: str, words: str
) -> None:
    await feed([service(status=status, suspensionreason=reason)])
    assert (await seen(pool))["status_text"].startswith(words)


async def test_a_suspension_that_outlives_its_invoices_says_what_to_do(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([service(status="Suspended", suspensionreason="Overdue on Payment")])
    assert (await seen(pool))["status_text"].endswith("If no invoice is open any more, please contact support.")


@pytest.mark.parametrize(
    ("kind", "when", "ends_on"),
    [
        ("Immediate", "now", None),
        ("End of Billing Period", "end_of_period", "2026-03-01"),
        ("Someday", "end_of_period", "2026-03-01"),
    ],
)
async def test_a_request_to_cancel_shows_until_it_is_carried_out(
    pool: asyncpg.Pool, account: UUID, feed: Feed, kind: str, when: str, ends_on: str | None
) -> None:
    await feed([request(kind), service()])
    assert (await seen(pool))["cancellation"] == {"when": when, "requested_on": "2026-02-01", "ends_on": ends_on}
    row = await pool.fetchrow("SELECT cancellation, ends_on::text FROM read_model.subscriptions")
    assert tuple(row) == (when, ends_on)
    await feed([change("whmcs", "service", "55", {**SERVICE, "status": "Cancelled"}, at=9_000, **OWNED)])
    assert (await seen(pool))["cancellation"] is None


async def test_a_request_that_staff_took_back_is_gone(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    await feed([service(), request("Immediate"), change("whmcs", "cancel_request", "55", at=50, kind="deleted")])
    assert (await seen(pool))["cancellation"] is None


async def test_a_plan_that_waits_for_its_payment_shows_until_the_service_has_it(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([service(), change("whmcs", "upgrade", "55", UPGRADE, **PART)])
    assert (await seen(pool))["pending_change"] == {
        "product_name": "SIM 10 GB",
        "invoice_id": "77",
        "requested_on": "2026-02-01",
    }
    await feed([change("whmcs", "invoice", "77", {**INVOICE, "status": "Paid"}, **OWNED)])
    assert (await seen(pool))["pending_change"] is not None
    await feed([change("whmcs", "service", "55", {**SERVICE, "pid": "302"}, at=9_000, **OWNED)])
    assert (await seen(pool))["pending_change"] is None


async def test_a_plan_whose_invoice_is_cancelled_is_not_coming(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    await feed([service(), change("whmcs", "upgrade", "55", UPGRADE, **PART)])
    await feed([change("whmcs", "invoice", "77", {**INVOICE, "status": "Cancelled"}, at=100, **OWNED)])
    assert (await seen(pool))["pending_change"] is None


async def test_a_plan_for_a_day_to_come_shows_while_it_waits_and_the_service_stays(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([change("whmcs", "scheduled_change", "a1", PLANNED, **PART), service()])
    planned = {"sku": "SIM-1GB", "name": "SIM 1 GB", "direction": "downgrade", "effective_date": "2026-03-01"}
    assert (await seen(pool))["scheduled_change"] == planned
    await feed([request("End of Billing Period")])
    assert (await seen(pool))["scheduled_change"] is None
    await feed([change("whmcs", "cancel_request", "55", at=50, kind="deleted")])
    assert (await seen(pool))["scheduled_change"] == planned
    later = {**PLANNED, "effective_date": "2026-04-01"}
    await feed(
        [
            change("whmcs", "scheduled_change", "a1", {**PLANNED, **TAKEN_BACK}, at=60, **PART),
            change("whmcs", "scheduled_change", "a2", later, at=60, **PART),
        ]
    )
    assert (await seen(pool))["scheduled_change"]["effective_date"] == "2026-04-01"
    await feed([change("whmcs", "service", "55", {**SERVICE, "status": "Terminated"}, at=9_000, **OWNED)])
    assert (await seen(pool))["scheduled_change"] is None


async def test_a_client_and_an_invoice_of_one_number_are_not_taken_for_each_other(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    wish = {**UPGRADE, "invoice_id": "1001"}
    await feed([service(), change("whmcs", "upgrade", "55", wish, **PART)])
    await feed([change("whmcs", "invoice", "1001", {**INVOICE, "status": "Cancelled"}, **OWNED)])
    await feed([change("whmcs", "client", "1001", {**CLIENT, "currency_code": "USD"}, **OWNED)])
    found = await seen(pool)
    assert (found["amount"]["currency"], found["pending_change"]) == ("USD", None)


async def test_add_ons_and_the_line_are_part_of_it(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    client = change("whmcs", "client", "1001", CLIENT, **OWNED)
    await feed([client, change("whmcs", "addon", "7", ADDON, **PART), service()])
    found = await seen(pool)
    assert (found["line"], found["domain"]) == ("08012345678", None)
    [addon] = found["addons"]
    assert (addon["name"], addon["amount"]["amount"], addon["status"]) == ("Backup", "500", "active")
    await feed([change("whmcs", "addon", "7", at=50, kind="deleted")])
    assert (await seen(pool))["addons"] == []
    await feed([change("whmcs", "service", "55", {**SERVICE, "name": "Hosting Pro", "domain": "a.jp"}, at=60, **OWNED)])
    found = await seen(pool)
    assert (found["line"], found["domain"]) == (None, "a.jp")


async def test_a_domain_is_shown_in_the_script_of_its_readers(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    hosting = {**SERVICE, "name": "Hosting Pro", "domain": "xn--wgv71a119e.jp"}
    await feed([change("whmcs", "service", "55", hosting, at=60, **OWNED)])
    assert (await seen(pool))["domain"] == "日本語.jp"
    assert await pool.fetchval("SELECT domain FROM read_model.subscriptions") == "xn--wgv71a119e.jp"


@pytest.mark.parametrize("cycle", ["One Time", "onetime", "One-Time", "ONE_TIME", " one time "])
async def test_a_fee_is_no_subscription(pool: asyncpg.Pool, account: UUID, feed: Feed, cycle: str) -> None:
    await feed([service(billingcycle="Monthly")])
    await feed([msgspec.structs.replace(service(billingcycle=cycle), version=10**15, event_id="later")])
    assert await pool.fetchval("SELECT count(*) FROM read_model.subscriptions") == 0


@pytest.mark.parametrize("cycle", ["Free Account", "Monthly", "Semi-Annually", "", "Fortnightly"])
async def test_whatever_else_it_is_billed_by_a_service_is_one(
    pool: asyncpg.Pool, account: UUID, feed: Feed, cycle: str
) -> None:
    await feed([service(billingcycle=cycle)])
    assert await pool.fetchval("SELECT count(*) FROM read_model.subscriptions") == 1


@pytest.mark.parametrize("client", [None, {**CLIENT, "currency_code": ""}, {**CLIENT, "currency_code": None}])
async def test_an_amount_is_unknown_until_the_clients_currency_is_known(
    pool: asyncpg.Pool, account: UUID, feed: Feed, client: dict[str, Any] | None
) -> None:
    known = [change("whmcs", "client", "1001", client, **OWNED)] if client else []
    fee = change("whmcs", "service", "58", {**SERVICE, "billingcycle": "One Time", "firstpaymentamount": "10"}, **OWNED)
    await feed([*known, change("whmcs", "addon", "7", ADDON, **PART), service(), fee])
    found = await seen(pool)
    assert (found["amount"], found["addons"][0]["amount"]) == (None, None)
    tables = ("subscriptions", "charges")
    rows = [await pool.fetchrow(f"SELECT amount, currency FROM read_model.{table}") for table in tables]
    assert [tuple(row) for row in rows] == [(None, ""), (None, "")]
    await feed([change("whmcs", "client", "1001", {**CLIENT, "currency_code": "usd"}, at=100, **OWNED)])
    assert (await seen(pool))["amount"] == {"amount": "1480.00", "currency": "USD"}
    assert await pool.fetchval("SELECT currency FROM read_model.charges") == "USD"
