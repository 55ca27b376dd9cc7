"""What a customer sees of an unpaid invoice: on the invoice and its services, each step once, and nothing once it is
settled."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.events import Change
from app.projections.engine import fan_outs, referrers
from app.projections.registry import projectors
from app.readmodels.billing.dunning import Dunning, most_urgent
from app.settings import Settings
from tests.fixtures.changes import FOLLOWED, INVOICE, SERVICE, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]
OWNED = {"owner_id": "1001"}
SUSPENDS_ON = "2026-02-10"
RETRYING = {
    "invoice_id": "77",
    "status": "trying",
    "attempts": 1,
    "max_attempts": 3,
    "next_attempt_at": "2026-01-18T00:00:00+00:00",
    "next_attempt_on": "2026-01-18",
    "suspend_on": SUSPENDS_ON,
    "decline_code": "insufficient_funds",
}
PAID = {"status": "Paid", "balance": "0.00", "datepaid": "2026-01-20 12:00:00"}
PAYMENT = {"id": "9", "gateway": "stripe", "date": "2026-01-20 12:00:00", "amountin": "1628.00", "amountout": "0.00"}


def invoice(number: str = "77", at: int = 0, **data: Any) -> Change:
    return change("whmcs", "invoice", number, {**INVOICE, **data}, at=at, **OWNED)


def service(number: str = "55", at: int = 0, **data: Any) -> Change:
    return change("whmcs", "service", number, {**SERVICE, **data}, at=at, **OWNED)


def dunning(at: int = 0, **facts: Any) -> Change:
    whole = {**RETRYING, **facts}
    return change("whmcs", "dunning", whole["invoice_id"], whole, at=at, parent_id=whole["invoice_id"], **OWNED)


def of_service(at: int = 0, number: str = "55", **facts: Any) -> Change:
    whole = {**RETRYING, **facts}
    return change(
        "whmcs", "service_dunning", f"{whole['invoice_id']}:{number}", whole, at=at, parent_id=number, **OWNED
    )


async def on_invoice(pool: asyncpg.Pool, number: str = "77") -> Any:
    row = await pool.fetchrow("SELECT summary, document FROM read_model.invoices WHERE invoice_id = $1", number)
    summary, document = (msgspec.json.decode(row[name])["dunning"] for name in ("summary", "document"))
    assert summary == document
    return without_phrases(document)


def without_phrases(shown: Any) -> Any:
    """Leave out the codes and parameters of sentences, of which other tests are about."""
    if not isinstance(shown, dict):
        return shown
    return {name: without_phrases(value) for name, value in shown.items() if not name.endswith("_phrases")}


async def on_service(pool: asyncpg.Pool, number: str = "55") -> Any:
    row = await pool.fetchval("SELECT document FROM read_model.subscriptions WHERE subscription_id = $1", number)
    return msgspec.json.decode(row)["dunning"]


async def test_an_invoice_says_what_failed_what_follows_and_what_to_do(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([dunning(), invoice()])
    assert await on_invoice(pool) == {
        "invoice_id": "77",
        "state": "retrying",
        "text": "Invoice 77 is unpaid. Your bank declined the charge because there were not enough funds. We try again "
        "on January 18, 2026 (attempt 2 of 3). Unless it is paid, what it bills is suspended on February "
        "10, 2026. Please pay it, "
        "or add another payment method.",
        "next_steps": ["pay_invoice", "add_payment_method"],
        "attempt": 1,
        "max_attempts": 3,
        "next_attempt_at": "2026-01-18T00:00:00Z",
        "suspends_on": "2026-02-10",
        "suspended_at": None,
        "paused_until": None,
        "decline": {
            "code": "insufficient_funds",
            "text": "Your bank declined the charge because there were not enough funds.",
        },
    }


NO_TRY = {"next_attempt_at": None, "next_attempt_on": None}
BY_WHMCS = {**NO_TRY, "attempts": None, "max_attempts": None}
CASES: list[tuple[dict[str, Any], str, list[str]]] = [
    (
        {**NO_TRY, "decline_code": "card_expired"},
        "Invoice 77 is unpaid. Your card has expired. Unless it is paid, what it bills is suspended "
        "on February 10, 2026. "
        "Please add a new payment method, or pay the invoice now.",
        ["add_payment_method", "pay_invoice"],
    ),
    (
        {**NO_TRY, "status": "grace", "attempts": 3, "decline_code": "do_not_honour"},
        "Invoice 77 is unpaid. Your payment method was declined, and the bank did not say why. We do not try to charge "
        "it again. Unless it is paid, what it bills is suspended on February 10, 2026. Please pay "
        "it, or add another payment "
        "method.",
        ["pay_invoice", "add_payment_method"],
    ),
    (
        {**NO_TRY, "status": "grace", "suspend_on": None, "suspension_due": True, "decline_code": None},
        "Invoice 77 is unpaid. We do not try to charge it again. Unless it is paid, what it bills can be suspended at "
        "any time. Please pay it, or add another payment method.",
        ["pay_invoice", "add_payment_method"],
    ),
    (
        {"suspend_on": None},
        "Invoice 77 is unpaid. Your bank declined the charge because there were not enough funds. We try again on "
        "2026-01-18 (attempt 2 of 3). Please pay it, or add another payment method.",
        ["pay_invoice", "add_payment_method"],
    ),
    (
        {**BY_WHMCS, "decline_code": None},
        "Invoice 77 is unpaid. Unless it is paid, what it bills is suspended on February 10, 2026. "
        "Please pay it, or add "
        "another payment method.",
        ["pay_invoice", "add_payment_method"],
    ),
    (
        {**NO_TRY, "status": "suspended", "suspend_on": None, "suspended_at": "2026-02-10T01:00:00+00:00"},
        "What it bills is suspended because invoice 77 is unpaid. Pay it and it is switched on again.",
        ["pay_invoice"],
    ),
    (
        {**NO_TRY, "status": "paused", "suspend_on": None, "paused_until": "2026-03-01"},
        "We have paused the collection of invoice 77 until March 1, 2026. Meanwhile we neither charge it nor suspend "
        "anything. You can still pay it.",
        ["pay_invoice"],
    ),
    (
        {**NO_TRY, "status": "paused", "suspend_on": None},
        "We have paused the collection of invoice 77. Meanwhile we neither charge it nor suspend anything. You can "
        "still pay it.",
        ["pay_invoice"],
    ),
]


@pytest.mark.parametrize(("facts", "text", "next_steps"), CASES)
async def test_every_state_is_told_in_sentences(
    pool: asyncpg.Pool, account: UUID, feed: Feed, facts: dict[str, Any], text: str, next_steps: list[str]
) -> None:
    await feed([invoice(), dunning(**facts)])
    found = await on_invoice(pool)
    assert (found["text"], found["next_steps"]) == (text, next_steps)


@pytest.mark.parametrize(
    "data",
    [
        PAID,
        {"status": "Payment Pending"},
        {"status": "Cancelled"},
        {"status": "Collections"},
        {"status": "Refunded"},
        {"status": "New in 2030"},
        {"transactions": [PAYMENT], "balance": "0.00"},
    ],
)
async def test_nothing_more_is_said_in_the_commit_that_settles_the_invoice(
    pool: asyncpg.Pool, account: UUID, feed: Feed, data: dict[str, Any]
) -> None:
    await feed([service(), invoice(), dunning(), of_service()])
    assert (await on_invoice(pool), await on_service(pool)) != (None, None)
    await feed([invoice(at=1_000, **data)])
    assert (await on_invoice(pool), await on_service(pool)) == (None, None)
    await feed([dunning(at=2_000, attempts=2), of_service(at=2_000, attempts=2)])  # the journal is late
    assert (await on_invoice(pool), await on_service(pool)) == (None, None)


async def test_a_part_that_was_paid_does_not_end_it(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    part = {**PAYMENT, "amountin": "1000.00"}
    await feed([dunning(), invoice(transactions=[part], balance="628.00")])
    assert (await on_invoice(pool))["state"] == "retrying"


@pytest.mark.parametrize("facts", [{"status": "ended"}, {"status": "new in 2030"}, {"attempts": "three"}])
async def test_what_has_ended_or_cannot_be_read_is_not_shown(
    pool: asyncpg.Pool, account: UUID, feed: Feed, facts: dict[str, Any]
) -> None:
    await feed([service(), invoice(), dunning(**facts), of_service(**facts)])
    assert (await on_invoice(pool), await on_service(pool)) == (None, None)


async def test_a_service_shows_the_most_urgent_of_its_unpaid_invoices(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    later = {**NO_TRY, "invoice_id": "78", "status": "grace", "suspend_on": "2026-02-20"}
    sooner = {**NO_TRY, "invoice_id": "79", "status": "grace"}
    await feed([service(), invoice(), invoice("78"), invoice("79")])
    await feed([of_service(), of_service(**later), of_service(**sooner)])
    found = await on_service(pool)
    assert (found["invoice_id"], found["suspends_on"]) == ("79", SUSPENDS_ON)
    await feed([invoice("79", at=1_000, **PAID)])
    assert (await on_service(pool))["invoice_id"] == "78"
    await feed([invoice("78", at=1_000, **PAID)])
    assert (await on_service(pool))["invoice_id"] == "77"


async def test_only_the_service_that_was_suspended_says_so(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    gone = {**NO_TRY, "status": "suspended", "suspend_on": None, "suspended_at": "2026-02-10T01:00:00+00:00"}
    await feed([service(status="Suspended"), service("56"), invoice()])
    await feed([of_service(**gone, service_suspended_at="2026-02-10T01:00:00+00:00"), of_service(number="56", **gone)])
    assert (await on_service(pool))["text"] == (
        "This is suspended because invoice 77 is unpaid. Pay it and it is switched on again."
    )
    assert await on_service(pool, "56") is None


@pytest.mark.parametrize(
    ("provider", "actual", "text"),
    [
        ("whm", "suspended", "This is suspended because invoice 77 is unpaid. Pay it and it is switched on again."),
        ("whm", "active", "Invoice 77 is unpaid, so this is being suspended. Pay it and it stays on."),
        ("whm", None, "Invoice 77 is unpaid, so this is being suspended. Pay it and it stays on."),
        (
            *("freebit", "active"),
            "Invoice 77 is unpaid. Your SIM still works; please pay the invoice so that it stays on.",
        ),
    ],
)
async def test_a_suspension_is_told_of_a_provided_service_once_its_provider_confirmed_it(
    pool: asyncpg.Pool, account: UUID, feed: Feed, provider: str, actual: str | None, text: str
) -> None:
    gone = {**NO_TRY, "status": "suspended", "suspend_on": None, "suspended_at": "2026-02-10T01:00:00+00:00"}
    state = {**FOLLOWED, "type": provider, "desired_status": "suspended", "actual_status": actual}
    followed = change("whmcs", "provider_state", "55", state, parent_id="55", **OWNED)
    suspended = of_service(**gone, service_suspended_at="2026-02-10T01:00:00+00:00")
    await feed([service(status="Suspended"), invoice(), followed, suspended])
    assert (await on_service(pool))["text"] == text


async def test_a_charge_that_was_not_tried_before_is_not_tried_again(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([invoice(), dunning(attempts=0, decline_code=None, suspend_on=None)])
    assert (await on_invoice(pool))["text"] == (
        "Invoice 77 is unpaid. We charge your payment method on January 18, 2026 (attempt 1 of 3). "
        "Please pay it, or add "
        "another payment method."
    )


@pytest.mark.parametrize("status", ["Terminated", "Cancelled"])
async def test_a_service_that_has_ended_is_not_threatened(
    pool: asyncpg.Pool, account: UUID, feed: Feed, status: str
) -> None:
    await feed([service(status=status), invoice(), of_service()])
    assert await on_service(pool) is None


async def test_an_invoice_of_very_many_services_reaches_all_of_them(
    pool: asyncpg.Pool, account: UUID, feed: Feed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payment ends the dunning of each service also where they are recomputed in the background."""
    monkeypatch.setattr(referrers, "AT_ONCE", 2)
    numbers = [str(number) for number in range(60, 67)]
    await feed([invoice(), *(service(number) for number in numbers), *(of_service(number=n) for n in numbers)])
    await feed([invoice(at=1_000, **PAID)])
    assert [size async for size in fan_outs.run(pool, projectors(settings))]
    assert [await on_service(pool, number) for number in numbers] == [None] * 7


def test_what_is_suspended_is_more_urgent_than_what_will_be() -> None:
    base = Dunning(
        invoice_id="1",
        state="paused",
        text="",
        next_steps=[],
        attempt=None,
        max_attempts=None,
        next_attempt_at=None,
        suspends_on=None,
        suspended_at=None,
        paused_until=None,
        decline=None,
    )
    found = [msgspec.structs.replace(base, state=state) for state in ("paused", "retrying", "grace", "suspended")]
    for last in range(len(found), 0, -1):
        assert most_urgent(found[:last]) is found[last - 1]
    assert most_urgent([]) is None
