"""A fee is a charge and no service, whatever cycle it is paid by; what recurs and is no fee is a service."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.events import Change
from tests.fixtures.changes import CLIENT, PRODUCT, SERVICE, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]
INTERNET = {"Product2Categories1__c": "Internet", "SIM_Plan_Type__c": None}


def service(number: int = 55, *, pid: str = "242", at: int = 0, **fields: Any) -> Change:
    base = {"name": "Internet installation", "groupname": "Internet", "orderid": "9", "firstpaymentamount": "22800.00"}
    data = {**SERVICE, **base, "pid": pid, **fields}
    return change("whmcs", "service", str(number), data, at=at, owner_id="1001")


def product(item_class: str | None, cycle: str | None = "Monthly", *, at: int = 0, record: str = "01tA") -> Change:
    data = {**PRODUCT, **INTERNET, "Item_Class__c": item_class, "Billing_Cycle__c": cycle, "WH_Product_ID__c": 242.0}
    return change("salesforce", "Product2", record, data, at=at)


async def shown(pool: asyncpg.Pool) -> tuple[list[str], list[str], int]:
    """Return the subscriptions, the charges, and how many events of services the timeline has."""
    subscriptions = await pool.fetch("SELECT subscription_id FROM read_model.subscriptions ORDER BY sort_id")
    charges = await pool.fetch("SELECT charge_id FROM read_model.charges ORDER BY sort_id")
    events = await pool.fetchval("SELECT count(*) FROM read_model.timeline_subscriptions")
    return [row[0] for row in subscriptions], [row[0] for row in charges], events


@pytest.mark.parametrize(
    ("item_class", "sold_as", "billed", "is_charge"),
    [
        ("Installation", "Monthly", "Monthly", True),
        ("Installation", "Onetime", "One Time", True),
        (" ACTIVATION ", "Onetime", "Free Account", True),
        ("Activation", "Monthly", "", True),
        ("Service", "Monthly", "Monthly", False),
        ("Service", "Monthly", "One-Time", True),
        ("Service", "Onetime", "Free Account", True),
        ("Service", "Onetime", "", True),
        ("Service", "Onetime", "Annually", False),
        ("Service", "Monthly", "Free Account", False),
        ("Service", None, "Fortnightly", False),
        ("Add-on", "Monthly", "Semi-Annually", False),
        ("Add-on", "Onetime", "One Time", True),
        (None, None, "Monthly", False),
        ("Nonsense", "Onetime", "One Time", True),
    ],
)
async def test_the_product_and_the_cycle_decide(
    pool: asyncpg.Pool,
    account: UUID,
    feed: Feed,
    item_class: str | None,
    sold_as: str | None,
    billed: str,
    is_charge: bool,
) -> None:
    await feed([product(item_class, sold_as), service(billingcycle=billed)])
    subscriptions, charges, events = await shown(pool)
    assert (subscriptions, charges) == (([], ["55"]) if is_charge else (["55"], []))
    assert bool(events) is not is_charge


async def test_a_product_that_becomes_a_fee_takes_its_services_with_it(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([service()])
    assert (await shown(pool))[:2] == (["55"], []), "nothing says that it is a fee"
    await feed([product("Installation", at=1000)])
    assert await shown(pool) == ([], ["55"], 0)
    await feed([product("Service", at=2000)])
    assert (await shown(pool))[:2] == (["55"], [])


async def test_contradicting_products_are_no_fee_unless_all_are(pool: asyncpg.Pool, account: UUID, feed: Feed) -> None:
    await feed([service(), product("Installation"), product("Activation", record="01tB")])
    assert (await shown(pool))[:2] == ([], ["55"])
    await feed([product("Service", record="01tB", at=1000)])
    assert (await shown(pool))[:2] == (["55"], [])


@pytest.mark.parametrize(
    ("cycle", "recurring", "amount"),
    [("Monthly", "1900.00", "1900"), ("One Time", "0.00", "22800"), ("Monthly", "tbd", None)],
)
async def test_a_charge_shows_what_is_billed_each_time(
    pool: asyncpg.Pool, account: UUID, feed: Feed, cycle: str, recurring: str, amount: str | None
) -> None:
    due = {"nextduedate": "2026-03-01"} if cycle == "Monthly" else {"nextduedate": None}
    await feed([change("whmcs", "client", "1001", CLIENT, owner_id="1001"), product("Installation")])
    await feed([service(billingcycle=cycle, recurringamount=recurring, **due)])
    row = await pool.fetchrow("SELECT * FROM read_model.charges")
    said = msgspec.json.decode(row["summary"])
    assert said["amount"] == (None if amount is None else {"amount": amount, "currency": "JPY"})
    assert row["amount"] == (None if amount is None else int(amount))
    assert (said["category"], said["item_class"], said["status"]) == ("internet", "installation", "active")
    assert (row["whmcs_order_id"], said["next_due_on"]) == ("9", due["nextduedate"])
