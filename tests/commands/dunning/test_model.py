"""Customers of every kind through a full cycle, with random payments, declines, staff, faults and kills: each ends as
an independent model says, nobody pays twice, and each is told every step once.

Every fifth has hosting that the portal provisioned, and every seventh a SIM: WHM's account must then be as WHMCS's
service is, every day, and staff must know of every line that cannot be suspended. In a variant the jobs run in a
process of their own, which is killed.

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
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from app.commands.providers import follow as providers
from app.commands.providers.take_up import take_up
from tests.commands.dunning.collecting import MONDAY, Collecting
from tests.commands.dunning.one_day import Errand
from tests.commands.dunning.shown import notified
from tests.commands.dunning.walkers import Walker, at_provider, do, walker

CUSTOMERS = int(os.environ.get("DUNNING_CUSTOMERS", "20"))
SEED = int(os.environ.get("DUNNING_SEED", "16"))
DAYS = 36
ROUNDS = 3
"""Runs after the killed one: what was in doubt is looked at, what that ends is told, and services come back."""
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


async def _cancelled(c: Collecting, chance: random.Random, counted: Counter[str]) -> None:
    """Run every job once, and cut it off at any instant."""
    running = asyncio.create_task(_run(c))
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
    walkers = [await walker(c, chance, number) for number in range(customers)]
    before = [await notified.entries(c, each) for each in walkers]
    for number in range(DAYS):
        today = MONDAY + timedelta(days=number)
        await _day(c, walkers, today, kill, chance, counted)
        counted.update(f"told {step.split()[0]}" for each in walkers for day, step in each.model.told if day == today)
        counted["seconds"] = round(time.monotonic() - started)
        sys.stdout.write(f"day {number} of seed {SEED}: {dict(counted)}\n")
    for each in walkers:
        await _settled(c, each)
    counted["charges"] = await c.desk.pool.fetchval("SELECT count(*) FROM portal.capture_attempts")
    sys.stdout.write(f"seed {SEED}, {customers} customers, {DAYS} days: {dict(counted)}\n")
    for each, entries in zip(walkers, before, strict=True):
        await notified.each_step_once(c, each, entries)


async def _day(
    c: Collecting, walkers: list[Walker], today: date, kill: Kill, chance: random.Random, counted: Counter[str]
) -> None:
    """Let a day pass, and compare every service with its model."""
    await c.move_to(today, 10)
    for each in walkers:
        for act in each.acts.get(today, ()):
            await do(c, each, act, today)
    await _run_all(c, chance, kill, counted)
    for each in walkers:
        each.model.day(today)
        status = await c.status(each.service)
        assert status == each.model.status, f"seed {SEED}, {today}: {each}, {await c.row(each.invoice)}"
        counted["days suspended" if status == "Suspended" and not each.model.abused else "other days"] += 1
        await at_provider(each, status)


async def _run_all(c: Collecting, chance: random.Random, kill: Kill, counted: Counter[str]) -> None:
    """Run the jobs under a fault, killed at any instant; then until everything of the day is done."""
    await c.desk.sandbox.fault(**{"upstream": "whmcs", **chance.choice(FAULTS)})
    counted["faults"] += 1
    await kill(c, chance, counted)
    await c.desk.sandbox.clear_faults()
    for _ in range(ROUNDS):
        await c.later(minutes=20)
        await c.desk.settle()
        await _run(c)
    await notified.deliver(c)


async def _run(c: Collecting) -> None:
    """Run every job once: dunning's, what customers are shown of it, and providers that follow WHMCS."""
    await c.run(careful=True)
    await notified.show(c)
    await take_up(c.desk.pool, c.desk.resources.inbox)
    await c.desk.pool.execute(  # as if what was waited for had passed
        "UPDATE portal.provided_services SET next_attempt_at = now(), step_at = step_at - interval '5 minutes'"
    )
    while await providers.follow(c.desk.context) == providers.AT_ONCE:
        await asyncio.sleep(0)
    await c.desk.settle()


async def _settled(c: Collecting, walker: Walker) -> None:
    """Compare the money: what is owed, what was charged, and no credit from a second payment."""
    model, invoice = walker.model, await c.whmcs("invoices", walker.invoice)
    client = await c.whmcs("clients", walker.actor.whmcs_client_id)
    charged = [each for each in await c.desk.payments(walker.invoice) if each["gateway"] == "stripe"]
    assert [int(Decimal(each["amountin"])) for each in charged] == model.charged, walker
    assert Decimal(client["credit"]) == 0
    if not model.over:
        assert int(Decimal(invoice["balance"])) == model.owed
