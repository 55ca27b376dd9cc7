"""The timeline and its notifications: each thing once, at its own time, however often and in whatever order the news of
it comes, and the same again after a rebuild."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import Change
from app.projections import rebuild
from app.projections.parts.timeline_events import NAMESPACE, entry_id
from app.queries import timeline
from app.queries.reading.page import Page
from app.queries.reading.store import Store
from app.readmodels.timeline import CARD_EXPIRED, CHARGE_REFUSED, StoredEntry
from app.settings import Settings
from tests.fixtures.changes import CARD, CASE, CLOSED, COMMENT, INVOICE, ORDER, PLANNED, SERVICE, T0, change
from tests.projections.generated import of

Feed = Callable[[Sequence[Change]], Awaitable[None]]

TODAY = datetime.fromtimestamp(T0 / 1000, ZoneInfo("Asia/Tokyo")).date()
"""Where WHMCS is."""
DAY = 86_400_000
PAID = {"status": "Paid", "balance": "0.00", "datepaid": "2026-01-10 12:00:00"}
TRANSACTION = {
    "id": "9",
    "gateway": "stripe",
    "date": "2026-01-10 12:00:00",
    "amountin": "1628.00",
    "amountout": "0.00",
}


def invoice(at: int = 0, **data: Any) -> Change:
    return change("whmcs", "invoice", "77", {**INVOICE, **data}, at=at, owner_id="1001")


def service(at: int = 0, **data: Any) -> Change:
    return change("whmcs", "service", "55", {**SERVICE, **data}, at=at, owner_id="1001")


async def entries(pool: asyncpg.Pool, account: UUID) -> list[StoredEntry]:
    rows = await pool.fetch(
        "SELECT document FROM read_model.timeline WHERE account_id = $1 ORDER BY at, kind, entry_id", account
    )
    return [msgspec.json.decode(row["document"], type=StoredEntry) for row in rows]


async def kinds(pool: asyncpg.Pool, account: UUID) -> list[str]:
    return [entry.kind for entry in await entries(pool, account)]


async def test_an_invoice_is_issued_paid_and_refunded_at_the_times_that_whmcs_keeps(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    back = {**TRANSACTION, "id": "10", "date": "2026-01-20 09:30:00", "amountin": "0.00", "amountout": "628.00"}
    await feed([invoice(), invoice(at=1000, **PAID, transactions=[TRANSACTION, back])])
    found = await entries(pool, account)
    assert [(entry.kind, entry.at.isoformat()) for entry in found] == [
        ("invoice_issued", "2025-12-31T15:00:00+00:00"),
        ("invoice_paid", "2026-01-10T03:00:00+00:00"),
        ("invoice_refunded", "2026-01-20T00:30:00+00:00"),
    ]
    assert found[0].text == "Invoice 77 over ¥1,628 was issued, to be paid by January 15, 2026."
    assert found[2].text == "¥628 of invoice 77 was refunded."
    assert all((entry.invoice_id, entry.billed_ids, entry.subscription_ids) == ("77", ["55"], []) for entry in found)


async def test_an_unpaid_invoice_is_overdue_from_the_day_after(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed([invoice()])
    overdue = (await entries(pool, account))[-1]
    assert (overdue.kind, overdue.at.isoformat()) == ("invoice_overdue", "2026-01-15T15:00:00+00:00")
    await feed([invoice(at=1000, **PAID)])
    assert "invoice_overdue" not in await kinds(pool, account)
    await feed([invoice(at=2000, **{**PAID, "datepaid": "2026-01-17 12:00:00"})])
    assert "invoice_overdue" in await kinds(pool, account)


async def test_every_failed_charge_has_an_event_that_stays_when_the_invoice_is_paid(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    await feed(
        [
            invoice(),
            invoice(at=1000, last_capture_attempt="2026-01-08 10:00:00"),
            invoice(at=2000, last_capture_attempt="2026-01-09 10:00:00"),
            invoice(at=3000, **PAID, last_capture_attempt="2026-01-10 12:00:00"),
        ]
    )
    failed = [entry for entry in await entries(pool, account) if entry.kind == "charge_failed"]
    assert [entry.at.isoformat() for entry in failed] == ["2026-01-08T01:00:00+00:00", "2026-01-09T01:00:00+00:00"]
    assert all(entry.reason and "update your payment method" in entry.text for entry in failed)


@pytest.mark.parametrize(("tried_at", "told"), [("11:58:00", 0), ("11:57:59", 1), ("12:00:01", 1)])
@pytest.mark.parametrize("status", ["Paid", "Refunded"])
async def test_a_charge_that_another_payment_method_made_good_at_once_is_not_told(
    feed: Feed, pool: asyncpg.Pool, account: UUID, tried_at: str, told: int, status: str
) -> None:
    await feed([invoice(), invoice(at=1000, last_capture_attempt=f"2026-01-10 {tried_at}")])
    assert (await kinds(pool, account)).count("charge_failed") == 1
    await feed([invoice(at=2000, **{**PAID, "status": status}, last_capture_attempt="2026-01-10 12:00:00")])
    assert (await kinds(pool, account)).count("charge_failed") == told


async def test_each_partial_payment_has_an_event(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    part = {**TRANSACTION, "amountin": "628.00"}
    await feed([invoice(transactions=[part])])
    assert "payment_received" in await kinds(pool, account)
    await feed([invoice(at=1000, **PAID, transactions=[part, {**part, "id": "10", "amountin": "1000.00"}])])
    assert (await kinds(pool, account)).count("payment_received") == 2


async def test_drafts_and_collective_invoices_have_no_events(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    collected = [{"id": "1", "type": "Invoice", "relid": "70", "description": "#70", "amount": "9.00", "taxed": "0"}]
    await feed([invoice(status="Draft")])
    assert await kinds(pool, account) == []
    await feed([invoice(at=1000, items=collected)])
    assert await kinds(pool, account) == []


async def test_a_cancellation_has_the_time_it_was_first_seen(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed([invoice(), invoice(at=5000, status="Cancelled")])
    cancelled = next(entry for entry in await entries(pool, account) if entry.kind == "invoice_cancelled")
    assert cancelled.at.timestamp() * 1000 == T0 + 5000


async def test_the_first_known_state_of_an_old_record_has_no_time_and_no_event(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    await feed([invoice(status="Cancelled"), service(status="Terminated")])
    assert await kinds(pool, account) == ["invoice_issued", "service_registered"]
    assert await pool.fetchval("SELECT count(*) FROM mirror.records WHERE object LIKE '%stage'") == 0


async def test_an_event_with_only_a_date_has_the_time_it_was_first_seen_that_day(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    await feed([invoice(at=1000, date=TODAY.isoformat()), service(at=2000, regdate=TODAY.isoformat())])
    found = await entries(pool, account)
    assert [entry.kind for entry in found if entry.kind != "invoice_overdue"] == [
        "invoice_issued",
        "service_registered",
    ]
    moments = {entry.kind: round(entry.at.timestamp() * 1000) - T0 for entry in found}
    assert (moments["invoice_issued"], moments["service_registered"]) == (1000, 2000)
    await feed([invoice(at=DAY, date=TODAY.isoformat(), status="Paid")])
    issued = next(entry for entry in await entries(pool, account) if entry.kind == "invoice_issued")
    assert round(issued.at.timestamp() * 1000) - T0 == 1000


async def test_a_service_is_suspended_and_active_again(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed([service(), service(at=1000, status="Suspended"), service(at=2000, status="Active")])
    found = await entries(pool, account)
    assert [entry.kind for entry in found] == ["service_registered", "service_suspended", "service_active"]
    assert found[1].text == "SIM 5 GB was suspended. Please check for unpaid invoices."


async def test_an_orders_states_have_events(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed(
        [
            change("salesforce", "Order", "801A", ORDER, owner_id="001A"),
            change("salesforce", "OrderItem", "802A", {"WHMCS_Service_ID__c": "55"}, parent_id="801A"),
            change("salesforce", "Order", "801A", {"Status": "Approved"}, at=1000, kind="partial", owner_id="001A"),
        ]
    )
    found = await entries(pool, account)
    assert [entry.kind for entry in found] == ["order_in_review", "order_approved"]
    assert found[1].text == "Order 00000100: Your order is approved. Activation starts shortly."
    assert (found[1].order_id, found[1].subscription_ids) == ("801A", ["55"])


def support() -> list[Change]:
    return [
        change("salesforce", "Case", "500A", CASE, owner_id="001A"),
        change("salesforce", "CaseComment", "00aA", COMMENT, parent_id="500A"),
        change("salesforce", "CaseComment", "00aB", {**COMMENT, "IsPublished": False}, parent_id="500A"),
        change("salesforce", "Case", "500A", {**CASE, **CLOSED}, at=3000, owner_id="001A"),
    ]


async def test_a_case_is_opened_answered_and_closed(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed(support())
    found = await entries(pool, account)
    assert [(entry.kind, entry.text) for entry in found] == [
        ("case_opened", "Case 00001026 was opened: No signal"),
        ("case_answered", "Support answered case 00001026: No signal"),
        ("case_closed", "Case 00001026 was closed: No signal"),
    ]
    assert {entry.case_id for entry in found} == {"500A"}


def everything() -> list[Change]:
    return [
        *support(),
        change("salesforce", "Order", "801A", ORDER, owner_id="001A"),
        change("salesforce", "Order", "801A", {"Status": "Approved"}, at=1000, kind="partial", owner_id="001A"),
        invoice(),
        invoice(at=1000, last_capture_attempt="2026-01-08 10:00:00"),
        invoice(at=2000, **PAID, transactions=[TRANSACTION]),
        service(),
        service(at=1000, status="Suspended"),
        service(at=2000, status="Active"),
    ]


async def test_news_that_comes_again_makes_nothing_new(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    news = everything()
    await feed(news)
    first = await entries(pool, account)
    await feed([msgspec.structs.replace(each, event_id=f"again-{each.event_id}") for each in news])
    assert await entries(pool, account) == first
    assert len(first) == len({entry.entry_id for entry in first}) == 11


@pytest.mark.usefixtures("first_generations")
async def test_a_rebuilt_timeline_is_the_same_to_the_letter(
    feed: Feed, pool: asyncpg.Pool, account: UUID, settings: Settings
) -> None:
    await feed(everything())
    before = await entries(pool, account)
    for name in ("timeline_orders", "timeline_invoices", "timeline_subscriptions", "timeline_cases"):
        outcome = await rebuild.rebuild(pool, of(settings, name))
        assert outcome.serving
        assert (outcome.comparison.changed, outcome.comparison.added, outcome.comparison.removed) == (0, 0, 0)
    assert await entries(pool, account) == before
    await feed([invoice(at=9000, **PAID, transactions=[TRANSACTION, {**TRANSACTION, "id": "10"}])])
    assert (await kinds(pool, account)).count("payment_received") == 2


async def test_an_account_rebuilt_alone_keeps_its_timeline(
    feed: Feed, pool: asyncpg.Pool, account: UUID, settings: Settings
) -> None:
    await feed(everything())
    before = await entries(pool, account)
    await pool.execute("UPDATE read_model.timeline_invoices SET kind = 'damaged', record_id = 'elsewhere'")
    names = ("timeline_orders", "timeline_invoices", "timeline_subscriptions", "timeline_cases")
    await rebuild.rebuild_account(pool, [of(settings, name) for name in names], account)
    assert await entries(pool, account) == before


async def test_a_record_that_goes_to_another_account_takes_its_entries_along(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    other, user = UUID(int=8), UUID(int=7)
    await pool.execute("INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'k@example.jp', 'x')", user)
    await pool.execute("INSERT INTO portal.id_mappings VALUES ($1, $2, '1002', '001B', 'C-000002')", other, user)
    await feed([invoice(), change("whmcs", "invoice", "77", INVOICE, at=1000, owner_id="1002")])
    assert await kinds(pool, account) == []
    assert "invoice_issued" in await kinds(pool, other)


async def test_rows_of_a_record_that_makes_several_go_one_by_one(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed([invoice(), change("whmcs", "invoice", "78", INVOICE, owner_id="1001")])
    assert await kinds(pool, account) == ["invoice_issued"] * 2 + ["invoice_overdue"] * 2
    await feed([invoice(at=1000, **PAID)])
    assert sorted(await kinds(pool, account)) == ["invoice_issued"] * 2 + ["invoice_overdue", "invoice_paid"]
    await feed([change("whmcs", "invoice", "78", at=1000, kind="deleted")])
    assert await kinds(pool, account) == ["invoice_issued", "invoice_paid"]


async def test_a_failed_charge_names_its_reason_where_it_is_known(
    feed: Feed, pool: asyncpg.Pool, account: UUID
) -> None:
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ('feed', now())")
    now = int(time.time() * 1000) - T0
    await feed(
        [
            *(change("whmcs", name, "1001", {"ids": []}, at=now, owner_id="1001") for name in timeline.RESOURCES),
            invoice(last_capture_attempt="2026-01-08 10:00:00"),
        ]
    )

    async def reason() -> str:
        answer = await timeline.list_timeline(Store(pool, "feed", "Asia/Tokyo"), account, Page(), str)
        (failed,) = [each for each in msgspec.json.decode(answer.body)["items"] if each["kind"] == "charge_failed"]
        return str(failed["reason"])

    assert await reason() == CHARGE_REFUSED
    await feed([change("whmcs", "pay_method", "3", {**CARD, "expiry_date": "12/25"}, owner_id="1001")])
    assert await reason() == CARD_EXPIRED
    await feed([change("whmcs", "pay_method", "4", {**CARD, "expiry_date": "01/26"}, owner_id="1001")])
    assert await reason() == CHARGE_REFUSED


async def test_moments_of_one_instant_stay_in_order(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    states = [("Approved", None), ("Approved", "Activating"), ("Processed", "Activated")]
    at_once = [
        change(
            "salesforce",
            "Order",
            "801A",
            {"Status": review, "Activation_Status__c": activation},
            at=1000,
            kind="partial",
            owner_id="001A",
        )
        for review, activation in states
    ]
    await feed([change("salesforce", "Order", "801A", ORDER, owner_id="001A"), *at_once])
    found = await entries(pool, account)
    states_shown = ["in_review", "approved", "created", "activating", "active"]
    assert [entry.kind for entry in found] == [f"order_{state}" for state in states_shown]
    back = {**TRANSACTION, "id": "10", "amountin": "0.00", "amountout": "9.00"}
    await feed([invoice(**PAID, transactions=[TRANSACTION, back])])
    found = [entry for entry in await entries(pool, account) if entry.area == "billing"]
    assert [entry.kind for entry in found] == ["invoice_issued", "invoice_paid", "invoice_refunded"]
    assert found[1].at < found[2].at


async def test_a_fee_is_no_service(feed: Feed, pool: asyncpg.Pool, account: UUID) -> None:
    await feed([service(billingcycle="One Time"), service(at=1000, billingcycle="One Time", status="Suspended")])
    assert await kinds(pool, account) == []


async def test_a_page_of_a_long_history_is_found_by_its_index(pool: asyncpg.Pool, account: UUID) -> None:
    for name in ("orders", "invoices", "subscriptions", "cases"):
        await pool.execute(
            f"INSERT INTO read_model.timeline_{name} SELECT CASE WHEN n % 50 = 0 THEN $1 ELSE gen_random_uuid() END, "
            "gen_random_uuid()::text, n::text, now() - n * interval '1 minute', 'billing', 'invoice_paid', true, 1, "
            "now(), '' FROM generate_series(1, 20000) AS n",
            account,
        )
        await pool.execute(f"ANALYZE generations.timeline_{name}_1")
    plan = await pool.fetch(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT document FROM read_model.timeline t "
        "WHERE account_id = $1 AND at <= now() AND (at, entry_id) < (now() - interval '1 hour', 'x') "
        "ORDER BY at DESC, entry_id DESC LIMIT 26",
        account,
    )
    text = "\n".join(row[0] for row in plan)
    assert "Merge Append" in text
    assert "Seq Scan" not in text
    assert "Sort  " not in text


@pytest.mark.parametrize(
    ("ending", "kind", "text"),
    [
        ({"status": "done"}, "change_made", "SIM 5 GB was changed to SIM 1 GB, as you planned."),
        (
            {"status": "done", "invoice_id": "77"},
            "change_made",
            "SIM 5 GB was to be changed to SIM 1 GB, as you planned. It will be when invoice 77 is paid.",
        ),
        (
            {"status": "refused", "reason": "Sorry."},
            "change_refused",
            "SIM 5 GB could not be changed to SIM 1 GB as you planned.",
        ),
        (
            {"status": "cancelled", "code": "by_customer"},
            "change_dropped",
            "You took back the change of SIM 5 GB to SIM 1 GB.",
        ),
        (
            {"status": "cancelled", "code": "service_ends"},
            "change_dropped",
            "SIM 5 GB will not be changed to SIM 1 GB, because it ends.",
        ),
        ({"status": "cancelled", "code": "else"}, "change_dropped", "SIM 5 GB will not be changed to SIM 1 GB."),
    ],
)
async def test_a_scheduled_change_has_events_when_it_is_scheduled_and_when_it_ends(
    feed: Feed, pool: asyncpg.Pool, account: UUID, ending: dict[str, Any], kind: str, text: str
) -> None:
    part = {"owner_id": "1001", "parent_id": "55"}
    await feed([service(), change("whmcs", "scheduled_change", "a1", PLANNED, **part)])
    [planned] = [each for each in await entries(pool, account) if each.kind == "change_scheduled"]
    assert planned.text == "You planned to change SIM 5 GB to SIM 1 GB on March 1, 2026."
    assert (planned.at.isoformat(), planned.subscription_ids) == ("2026-02-01T01:00:00+00:00", ["55"])
    over = {**PLANNED, "ended_at": "2026-03-01T00:00:05+00:00", **ending}
    await feed([change("whmcs", "scheduled_change", "a1", over, at=5000, **part)])
    [ended] = [each for each in await entries(pool, account) if each.kind == kind]
    assert (ended.text, ended.reason, ended.at.isoformat()) == (text, ending.get("reason"), over["ended_at"])
    notified = await pool.fetchval("SELECT notifies FROM read_model.timeline WHERE entry_id = $1", ended.entry_id)
    assert notified == (kind != "change_dropped")


@given(st.text())
def test_an_entrys_id_is_the_uuid_of_its_name(name: str) -> None:
    assert entry_id(name) == str(uuid5(NAMESPACE, name))
