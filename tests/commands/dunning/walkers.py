"""Customers in the sandbox next to their models: what they have, and what they and staff do."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from app.commands.execution.context import Actor
from tests.commands.dunning.collecting import MONDAY, Collecting
from tests.commands.dunning.model import Card, Customer
from tests.commands.providers.provided import Provided, provided

HOSTING_EVERY = 5
SIM_EVERY = 7
NUMBERS = {"good": "4242424242424242", "soft": "4000000000009995", "hard": "4000000000000069"}
CARDS: list[list[str]] = [["good"], ["soft"], ["soft"], ["hard"], ["hard", "soft"], ["soft", "good"], []]
DRAWN: list[list[str]] = [
    *([], [], ["pay"], ["part"], ["good"], ["soft"], ["pending", "unpaid"], ["hold"], ["abuse", "pay"], ["cancel"]),
    *(["hold", "pay"], ["pending", "pay"], ["part", "soft"]),
]
"""What happens to a customer, one thing some days after the other."""


@dataclass
class Walker:
    """One customer in the sandbox, next to its model."""

    actor: Actor
    service: str
    invoice: str
    model: Customer
    acts: dict[date, list[str]]
    provided: Provided | None = None
    is_line: bool = False

    def __str__(self) -> str:
        """Return what a failed test must say of it."""
        return f"invoice {self.invoice}: {self.acts}, {self.model}"


async def walker(c: Collecting, chance: random.Random, number: int) -> Walker:
    """Return the `number`-th customer, with cards and a fate by chance."""
    customers = [each for each in c.desk.sandbox.state["customers"] if each["whmcs_client_id"]]
    actor = await c.desk.link(customers[number], None)
    is_line = number % SIM_EVERY == 1 and number % HOSTING_EVERY > 0
    ours = await _provided(c, actor, number, is_line) if is_line or number % HOSTING_EVERY == 0 else None
    service = ours.subscription_id if ours else await _vpn(c, actor)
    kinds = chance.choice(CARDS)
    for index, kind in enumerate(kinds):
        await c.card(actor, NUMBERS[kind], only=index == 0)
    due_on = MONDAY + timedelta(days=chance.randrange(5))
    invoice = await c.bill(actor, due_on, service)
    model = Customer(due_on, [Card(kind) for kind in kinds], by_transfer=not kinds)
    if not kinds:
        await _no_cards(c, actor)
        await c.staff("invoices", invoice, reread="invoice", paymentmethod="banktransfer")
    model.owed = int(Decimal((await c.whmcs("invoices", invoice))["balance"]))
    return Walker(actor, service, invoice, model, _acts(chance, due_on), ours, is_line)


async def _vpn(c: Collecting, actor: Actor) -> str:
    """Give a customer a service that only WHMCS knows."""
    pid = await c.desk.pool.fetchval(
        "SELECT whmcs_product_id FROM read_model.catalog WHERE category = 'vpn' AND item_class = 'service' "
        "ORDER BY sku LIMIT 1"
    )
    body = {"clientid": actor.whmcs_client_id, "pid": pid}
    made = (await c.desk.sandbox.control.post("/whmcs/services", json=body)).json()
    await c.desk.reread("client_services", actor.whmcs_client_id)
    return str(made["id"])


async def _provided(c: Collecting, actor: Actor, number: int, is_line: bool) -> Provided:
    """Let a customer order hosting, or a SIM for a phone of its own."""
    await c.card(actor, NUMBERS["good"], only=True)
    if not is_line:
        return await provided(c.desk, "hosting", actor=actor)
    esim = {"sim_type": "esim", "eid": f"89049032{number:024d}"}
    return await provided(c.desk, "sim", actor=actor, configuration=esim)


async def _no_cards(c: Collecting, actor: Actor) -> None:
    control = c.desk.sandbox.control
    found = (await control.get("/whmcs/pay_methods", params={"clientid": actor.whmcs_client_id})).json()["records"]
    for each in found:
        await control.delete(f"/whmcs/pay_methods/{each['id']}")
    await c.desk.reread("pay_methods", actor.whmcs_client_id)


def _acts(chance: random.Random, due_on: date) -> dict[date, list[str]]:
    """Draw what happens to a customer, and when."""
    found: dict[date, list[str]] = {}
    day = due_on + timedelta(days=chance.randrange(1, 20))
    for act in chance.choice(DRAWN):
        found.setdefault(day, []).append(act)
        day += timedelta(days=chance.randrange(1, 6))
    return found


async def do(c: Collecting, walker: Walker, act: str, today: date) -> None:
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


async def at_provider(walker: Walker, status: str) -> None:
    """Compare WHM's account, or Freebit's line, with WHMCS's service. Staff must know of a line that goes on."""
    if walker.provided is None:
        return
    journal = await walker.provided.journal()
    if walker.is_line:
        line: dict[str, Any] = await walker.provided.line()
        wanted = "LINE_CANNOT_BE_SUSPENDED" if status == "Suspended" else None
        assert (line["state"], journal["task_code"]) == ("active", wanted), f"{walker}, {line}, {journal}"
        return
    account = await walker.provided.account()
    assert account is not None
    assert bool(account["suspended"]) == (status == "Suspended"), f"{walker}, {account}, {journal}"
