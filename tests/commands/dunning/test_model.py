"""Customers of every kind through a full cycle, with random payments, declines, staff, faults and kills: each ends as
an independent model says, and nobody pays twice.

Every fifth has hosting that the portal provisioned: WHM's account must then be as WHMCS's service is, every day. In a
variant the jobs run in a process of their own, which is killed.

`DUNNING_CUSTOMERS` and `DUNNING_SEED` make more or others of them; `-s` prints what happened.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from app.commands.execution.context import Actor
from app.commands.providers import follow as providers
from app.commands.providers.take_up import take_up
from tests.commands.dunning.collecting import MONDAY, Collecting
from tests.commands.dunning.model import Card, Customer
from tests.commands.dunning.one_day import Errand
from tests.commands.providers.provided import Provided, provided

CUSTOMERS = int(os.environ.get("DUNNING_CUSTOMERS", "20"))
SEED = int(os.environ.get("DUNNING_SEED", "16"))
DAYS = 36
HOSTING_EVERY = 5
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
    {"upstream": "whm", "kind": "timeout_after_write", "operation": "suspendacct"},
    {"upstream": "whm", "kind": "status", "status": 500, "operation": "unsuspendacct"},
)
Kill = Callable[[Collecting, random.Random, Counter[str]], Awaitable[None]]


@dataclass
class Walker:
    """One customer in the sandbox, next to its model."""

    actor: Actor
    service: str
    invoice: str
    model: Customer
    acts: dict[date, list[str]]
    hosting: Provided | None = None


async def _cancelled(c: Collecting, chance: random.Random, counted: Counter[str]) -> None:
    """Run every job once, and cut it off at any instant."""
    running = asyncio.create_task(c.run(careful=True))
    _, cut = await asyncio.wait([running], timeout=chance.uniform(0.0, 1.5))
    counted["kills"] += len(cut)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await running


async def _killed(c: Collecting, chance: random.Random, counted: Counter[str]) -> None:
    """Run every job once in a process, and kill it at any instant."""
    piped = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.commands.dunning.one_day", stdin=piped, stdout=piped
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(Errand.of(c.desk.resources.settings, c.at)) + b"\n")
    assert await process.stdout.readline() == b"begun\n"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(chance.uniform(0.0, 1.5)):
            await process.stdout.readline()
    if process.returncode is None:
        process.kill()
    counted["kills"] += await process.wait() != 0


async def test_every_account_ends_as_the_model_says(collecting: Collecting) -> None:
    await _walked(collecting, CUSTOMERS, _cancelled)


async def test_every_account_ends_so_when_the_process_is_killed(collecting: Collecting) -> None:
    await _walked(collecting, min(CUSTOMERS, 6), _killed)


async def _walked(c: Collecting, customers: int, kill: Kill) -> None:
    """Let customers walk through the cycle."""
    chance, counted, started = random.Random(SEED), Counter[str](), time.monotonic()
    walkers = [await _walker(c, chance, number) for number in range(customers)]
    for number in range(DAYS):
        today = MONDAY + timedelta(days=number)
        await c.move_to(today, 10)
        for walker in walkers:
            for act in walker.acts.get(today, ()):
                await _act(c, walker, act, today)
        await _run_all(c, chance, kill, counted)
        for walker in walkers:
            walker.model.day(today)
            status, row = await c.status(walker.service), await c.row(walker.invoice)
            assert status == walker.model.status, f"seed {SEED}, {today}: {walker.acts}, {walker.model}, {row}"
            counted["suspensions" if status == "Suspended" and not walker.model.abused else "other days"] += 1
            await _same_at_provider(walker, status)
    for walker in walkers:
        await _settled(c, walker)
        steps = Counter(each.split()[0] for each in await c.told(walker.invoice))
        counted.update({f"told {step}": count for step, count in steps.items()})
    counted["charges"] = await c.desk.pool.fetchval("SELECT count(*) FROM portal.capture_attempts")
    seconds = time.monotonic() - started
    sys.stdout.write(f"seed {SEED}, {customers} customers, {DAYS} days, {seconds:.0f} s: {dict(counted)}\n")


async def _same_at_provider(walker: Walker, status: str) -> None:
    """Compare WHM's account with WHMCS's service."""
    if walker.hosting:
        account = await walker.hosting.account()
        assert account is not None
        assert bool(account["suspended"]) == (status == "Suspended"), f"seed {SEED}: {walker.acts}, {account}"


async def _walker(c: Collecting, chance: random.Random, number: int) -> Walker:
    customers = [each for each in c.desk.sandbox.state["customers"] if each["whmcs_client_id"]]
    actor = await c.desk.link(customers[number], None)
    hosting = await _hosting(c, actor) if number % HOSTING_EVERY == 0 else None
    service = hosting.subscription_id if hosting else await _vpn(c, actor)
    kinds = chance.choice([["good"], ["soft"], ["soft"], ["hard"], ["hard", "soft"], ["soft", "good"], []])
    for index, kind in enumerate(kinds):
        await c.card(actor, NUMBERS[kind], only=index == 0)
    due_on = MONDAY + timedelta(days=chance.randrange(5))
    invoice = await c.bill(actor, due_on, service)
    model = Customer(due_on, [Card(kind) for kind in kinds], by_transfer=not kinds)
    if not kinds:
        await _no_cards(c, actor)
        await c.staff("invoices", invoice, reread="invoice", paymentmethod="banktransfer")
    model.owed = int(Decimal((await c.whmcs("invoices", invoice))["balance"]))
    return Walker(actor, service, invoice, model, _acts(chance, due_on), hosting)


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


async def _hosting(c: Collecting, actor: Actor) -> Provided:
    """Let a customer order hosting."""
    await c.card(actor, NUMBERS["good"], only=True)
    return await provided(c.desk, "hosting", actor=actor)


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


async def _run_all(c: Collecting, chance: random.Random, kill: Kill, counted: Counter[str]) -> None:
    """Run the jobs under a fault, killed at any instant; then until everything of the day is done."""
    await c.desk.sandbox.fault(**{"upstream": "whmcs", **chance.choice(FAULTS)})
    counted["faults"] += 1
    await kill(c, chance, counted)
    await _follow_providers(c)
    await c.desk.sandbox.clear_faults()
    for _ in range(3):
        await c.later(minutes=20)
        await c.desk.settle()
        await c.run()
        await _follow_providers(c)


async def _follow_providers(c: Collecting) -> None:
    """Let WHM follow WHMCS, as if what was waited for had passed."""
    await take_up(c.desk.pool, c.desk.resources.inbox)
    await c.desk.pool.execute(
        "UPDATE portal.provided_services SET next_attempt_at = now(), step_at = step_at - interval '5 minutes'"
    )
    await providers.follow(c.desk.context)
    await c.desk.settle()


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
