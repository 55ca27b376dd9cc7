"""What a customer sees from the due date to suspension and back, day by day, with the process that acts."""

from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from app.audit import Operator
from app.commands.dunning.shown.announce import announce_due
from app.commands.dunning.staff import holds
from app.commands.execution.context import Actor
from tests.commands.dunning.collecting import DECLINED, GOOD, MONDAY, Collecting

SUSPENDS_ON = MONDAY + timedelta(days=14)


@pytest.fixture
async def aya(collecting: Collecting) -> Actor:
    """A customer whose only card is declined."""
    actor = await collecting.desk.customer()
    await collecting.card(actor, DECLINED, only=True)
    return actor


async def shown(c: Collecting, invoice: str, service: str) -> tuple[Any, Any]:
    """Show what there is to show; return what the invoice and the service say."""
    await announce_due(c.desk.context)
    await c.desk.settle()
    pool = c.desk.pool
    of_invoice = await pool.fetchval("SELECT document FROM read_model.invoices WHERE invoice_id = $1", invoice)
    sql = "SELECT document FROM read_model.subscriptions WHERE subscription_id = $1"
    of_service = await pool.fetchval(sql, service)
    return msgspec.json.decode(of_invoice)["dunning"], msgspec.json.decode(of_service)["dunning"]


async def entries(c: Collecting, invoice: str, service: str) -> Counter[str]:
    """Count the notifications about the invoice, or the suspension of its service, by kind."""
    rows = await c.desk.pool.fetch("SELECT document FROM read_model.timeline WHERE notifies")
    found = [msgspec.json.decode(each["document"]) for each in rows]
    return Counter(
        each["kind"]
        for each in found
        if each["invoice_id"] == invoice
        or (each["kind"] in ("service_suspended", "service_active") and each["subscription_ids"] == [service])
    )


async def mails(c: Collecting) -> int:
    return int(await c.desk.pool.fetchval("SELECT count(*) FROM portal.mails WHERE kind = 'dunning'"))


def day_of(number: int) -> str:
    return (MONDAY + timedelta(days=number)).isoformat()


EXPECTED = {
    0: ("retrying", 0, day_of(1)),
    1: ("retrying", 1, day_of(3)),
    2: ("retrying", 1, day_of(3)),
    3: ("retrying", 2, day_of(7)),
    6: ("retrying", 2, day_of(7)),
    7: ("grace", 3, None),
    13: ("grace", 3, None),
    14: ("suspended", 3, None),
    15: ("suspended", 3, None),
}
"""Day after the due date → state, attempts, and the day of the next one."""


async def test_every_day_says_what_was_tried_what_follows_and_when(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    for number in range(-1, 16):
        await c.day(MONDAY + timedelta(days=number))
        of_invoice, of_service = await shown(c, invoice, service)
        if number < 0:
            assert (of_invoice, of_service) == (None, None)
        if number not in EXPECTED:
            continue
        state, attempt, next_on = EXPECTED[number]
        assert (of_invoice["state"], of_invoice["attempt"], of_invoice["max_attempts"]) == (state, attempt, 3), number
        assert (of_invoice["next_attempt_at"] or "None")[:10] == str(next_on), number
        planned = SUSPENDS_ON.isoformat() if number < 14 else None
        assert of_invoice["suspends_on"] == of_service["suspends_on"] == planned, number
        assert of_service["state"] == state, number
        assert (await shown(c, invoice, service))[0] == of_invoice, "a second look says the same"
    told = await entries(c, invoice, service)
    assert (told["charge_failed"], told["suspension_announced"], told["service_suspended"]) == (4, 1, 1)
    assert await mails(c) == 5, "three that failed, the last with the day of suspension, and the suspension"
    await c.pay(invoice, gateway="banktransfer")
    sql = "SELECT document FROM read_model.invoices WHERE invoice_id = $1"
    paid = msgspec.json.decode(await c.desk.pool.fetchval(sql, invoice))
    assert (paid["status"], paid["dunning"]) == ("paid", None), "before the process looked"
    await c.follow()
    assert await shown(c, invoice, service) == (None, None)
    after = await entries(c, invoice, service)
    assert after == told + Counter({"invoice_paid": 1, "service_active": 1})
    assert await mails(c) == 6
    await c.days(MONDAY + timedelta(days=16), 3)
    assert await shown(c, invoice, service) == (None, None)
    assert (await entries(c, invoice, service), await mails(c)) == (after, 6), "nothing is told of it any more"


async def test_a_hold_is_kept_by_the_process_and_told_to_the_customer(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 2)
    target = await holds.target_of_invoice(c.desk.pool, int(invoice))
    await holds.forgive(c.desk.context, Operator(name="mika"), target, "goodwill")
    tries = await c.tries()
    await c.days(MONDAY + timedelta(days=2), 15)
    assert (await c.tries(), await c.status(service)) == (tries, "Active")
    of_invoice, of_service = await shown(c, invoice, service)
    assert (of_invoice["state"], of_service["state"], of_invoice["suspends_on"]) == ("paused", "paused", None)
    await holds.lift(c.desk.context, Operator(name="mika"), target, "by mistake")
    of_invoice, _ = await shown(c, invoice, service)
    assert of_invoice["state"] != "paused"


async def test_a_hold_brings_back_what_was_suspended_and_says_so(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 15)
    assert (await c.status(service), (await shown(c, invoice, service))[1]["state"]) == ("Suspended", "suspended")
    target = await holds.target_of_invoice(c.desk.pool, int(invoice))
    await holds.forgive(c.desk.context, Operator(name="mika"), target, "goodwill")
    await c.follow()
    await c.follow()
    assert await c.status(service) == "Active"
    assert [each["state"] for each in await shown(c, invoice, service)] == ["paused", "paused"]


async def test_a_new_card_that_is_accepted_ends_it_at_once(collecting: Collecting, aya: Actor) -> None:
    c, service = collecting, await collecting.service(aya)
    invoice = await c.bill(aya, MONDAY, service)
    await c.days(MONDAY, 2)
    of_invoice, _ = await shown(c, invoice, service)
    assert of_invoice["decline"]["text"] in of_invoice["text"]
    await c.card(aya, GOOD, only=True)
    await c.captures()
    assert await shown(c, invoice, service) == (None, None)
