"""Customers of every kind through a full cycle, with random payments, declines, staff, faults and kills: each ends as
an independent model says, and nobody pays twice.

`DUNNING_CUSTOMERS` and `DUNNING_SEED` make more or others of them.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.commands.execution.context import Actor
from tests.commands.dunning.collecting import MONDAY, Collecting
from tests.commands.dunning.model import Card, Customer

CUSTOMERS = int(os.environ.get("DUNNING_CUSTOMERS", "20"))
SEED = int(os.environ.get("DUNNING_SEED", "16"))
DAYS = 36
NUMBERS = {"good": "4242424242424242", "soft": "4000000000009995", "hard": "4000000000000069"}
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "timeout_after_write", "operation": "CapturePayment"},
    {"kind": "reset", "operation": "CapturePayment"},
    {"kind": "status", "status": 503, "operation": "GetInvoice", "count": 3},
    {"kind": "garbage", "operation": "GetClientsDetails", "count": 2},
    {"kind": "timeout_after_write", "operation": "ModuleSuspend"},
    {"kind": "timeout_after_write", "operation": "ModuleUnsuspend"},
    {"kind": "status", "status": 500, "operation": "ModuleSuspend"},
    {"kind": "status", "status": 503, "operation": "*", "count": 5},
)


@dataclass
class Walker:
    """One customer in the sandbox, next to its model."""

    actor: Actor
    service: str
    invoice: str
    model: Customer
    acts: dict[date, list[str]]


async def test_every_account_ends_as_the_model_says(collecting: Collecting) -> None:
    c, chance = collecting, random.Random(SEED)
    walkers = [await _walker(c, chance, number) for number in range(CUSTOMERS)]
    for number in range(DAYS):
        today = MONDAY + timedelta(days=number)
        await c.move_to(today, 10)
        for walker in walkers:
            for act in walker.acts.get(today, ()):
                await _act(c, walker, act, today)
        await _run_all(c, chance)
        for walker in walkers:
            walker.model.day(today)
            status, row = await c.status(walker.service), await c.row(walker.invoice)
            assert status == walker.model.status, f"seed {SEED}, {today}: {walker.acts}, {walker.model}, {row}"
    for walker in walkers:
        await _settled(c, walker)


async def _walker(c: Collecting, chance: random.Random, number: int) -> Walker:
    customers = [each for each in c.desk.sandbox.state["customers"] if each["whmcs_client_id"]]
    actor = await c.desk.link(customers[number], None)
    pid = await c.desk.pool.fetchval(
        "SELECT whmcs_product_id FROM read_model.catalog WHERE category = 'vpn' AND item_class = 'service' "
        "ORDER BY sku LIMIT 1"
    )
    made = (
        await c.desk.sandbox.control.post("/whmcs/services", json={"clientid": actor.whmcs_client_id, "pid": pid})
    ).json()
    await c.desk.reread("client_services", actor.whmcs_client_id)
    kinds = chance.choice([["good"], ["soft"], ["soft"], ["hard"], ["hard", "soft"], ["soft", "good"], []])
    for index, kind in enumerate(kinds):
        await c.card(actor, NUMBERS[kind], only=index == 0)
    due_on = MONDAY + timedelta(days=chance.randrange(5))
    invoice = await c.bill(actor, due_on, str(made["id"]))
    model = Customer(due_on, [Card(kind) for kind in kinds], by_transfer=not kinds)
    if not kinds:
        await _no_cards(c, actor)
        await c.staff("invoices", invoice, reread="invoice", paymentmethod="banktransfer")
    model.owed = int(Decimal((await c.whmcs("invoices", invoice))["balance"]))
    return Walker(actor, str(made["id"]), invoice, model, _acts(chance, due_on))


async def _no_cards(c: Collecting, actor: Actor) -> None:
    control = c.desk.sandbox.control
    found = (await control.get("/whmcs/pay_methods", params={"clientid": actor.whmcs_client_id})).json()["records"]
    for each in found:
        await control.delete(f"/whmcs/pay_methods/{each['id']}")
    await c.desk.reread("pay_methods", actor.whmcs_client_id)


def _acts(chance: random.Random, due_on: date) -> dict[date, list[str]]:
    """Draw what happens to a customer, and when."""
    drawn = chance.choice(
        [[], [], ["pay"], ["part"], ["good"], ["soft"], ["pending", "unpaid"], ["hold"], ["abuse", "pay"], ["cancel"]]
    )
    found: dict[date, list[str]] = {}
    day = due_on + timedelta(days=chance.randrange(1, 20))
    for act in drawn:
        found.setdefault(day, []).append(act)
        day += timedelta(days=chance.randrange(1, 6))
    return found


async def _act(c: Collecting, walker: Walker, act: str, today: date) -> None:
    """Do in WHMCS what somebody does, and tell the model."""
    model = walker.model
    if act in ("pay", "part", "pending", "cancel") and (model.owed <= 0 or model.over):
        return
    await ACTS[act](c, walker, today)


async def _pay(c: Collecting, walker: Walker, _: date) -> None:
    await c.pay(walker.invoice, gateway="banktransfer", silent=True)
    walker.model.owed, walker.model.pending = 0, False


async def _part(c: Collecting, walker: Walker, _: date) -> None:
    await c.pay(walker.invoice, gateway="banktransfer", amount="100", silent=True)
    walker.model.owed -= 100


async def _card(c: Collecting, walker: Walker, kind: str) -> None:
    await c.card(walker.actor, NUMBERS[kind])
    walker.model.cards.append(Card(kind))
    walker.model.fresh_card = True


async def _pending(c: Collecting, walker: Walker, _: date) -> None:
    await c.staff("invoices", walker.invoice, reread="invoice", status="Payment Pending")
    walker.model.pending = True


async def _unpaid(c: Collecting, walker: Walker, _: date) -> None:
    if walker.model.pending:
        await c.staff("invoices", walker.invoice, reread="invoice", status="Unpaid")
        walker.model.pending = False


async def _hold(c: Collecting, walker: Walker, today: date) -> None:
    until = today + timedelta(days=4)
    await c.desk.pool.execute(
        "INSERT INTO portal.dunning_holds (account_id, whmcs_invoice_id, reason, until, placed_by) "
        "VALUES ($1, $2, 'asked for time', $3, 'aya')",
        str(walker.actor.account_id),
        int(walker.invoice),
        until,
    )
    walker.model.held_until = until


async def _abuse(c: Collecting, walker: Walker, _: date) -> None:
    await c.staff("services", walker.service, reread="service", status="Suspended", suspensionreason="Abuse")
    walker.model.abused, walker.model.suspended = True, False


async def _cancel(c: Collecting, walker: Walker, _: date) -> None:
    await c.staff("invoices", walker.invoice, reread="invoice", status="Cancelled")
    walker.model.over = "cancelled"


ACTS: dict[str, Callable[[Collecting, Walker, date], Awaitable[None]]] = {
    "pay": _pay,
    "part": _part,
    "good": lambda c, walker, _: _card(c, walker, "good"),
    "soft": lambda c, walker, _: _card(c, walker, "soft"),
    "pending": _pending,
    "unpaid": _unpaid,
    "hold": _hold,
    "abuse": _abuse,
    "cancel": _cancel,
}


async def _run_all(c: Collecting, chance: random.Random) -> None:
    """Run the jobs under a fault, killed at any instant; then until everything of the day is done."""
    await c.desk.sandbox.fault("whmcs", **chance.choice(FAULTS))
    running = asyncio.create_task(c.run(careful=True))
    await asyncio.wait([running], timeout=chance.uniform(0.0, 1.5))
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await running
    await c.desk.sandbox.clear_faults()
    for _ in range(3):
        await c.later(minutes=20)
        await c.desk.settle()
        await c.run()


async def _settled(c: Collecting, walker: Walker) -> None:
    """Compare the money: what is owed, what was charged, and no credit from a second payment."""
    model, invoice = walker.model, await c.whmcs("invoices", walker.invoice)
    client = await c.whmcs("clients", walker.actor.whmcs_client_id)
    charged = [each for each in await c.desk.payments(walker.invoice) if each["gateway"] == "stripe"]
    assert [int(Decimal(each["amountin"])) for each in charged] == model.charged, walker.acts
    assert Decimal(client["credit"]) == 0
    if not model.over:
        assert int(Decimal(invoice["balance"])) == model.owed
    told = await c.told(walker.invoice)
    assert len(told) == len(set(told))
