"""The jobs of dunning as the runner runs them: withheld by default, stopped between two charges, dry runs change
nothing, and what is missed is run once."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec import structs
from redis.asyncio import Redis

from app.audit import Operator
from app.commands.dunning import policy
from app.processes.clock import registry
from app.processes.clock.job import ClockJob
from app.processes.clock.runner import run_job
from app.processes.clock.units import preview
from app.resources import open_resources
from app.schedule import clock_jobs, money_stop
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.commands.dunning.collecting import Collecting

TODAY = date.today()
BY = Operator(name="aya")


@pytest.fixture
async def collecting(
    pool: asyncpg.Pool, redis: Redis, sandbox: Any, sandbox_settings: Settings
) -> AsyncIterator[Collecting]:
    """Dunning with both tasks the portal's, at the present time."""
    settings = msgspec.structs.replace(
        sandbox_settings, automate_captures="portal", automate_suspension="portal", dunning_hour=0
    )
    async with open_resources(settings) as resources:
        desk = Desk(resources, sandbox)
        await desk.open()
        found = Collecting(desk)
        await found.begin(since=TODAY - timedelta(days=30))
        await clock_jobs.register(pool, registry.registrations(settings))
        yield found


def job(c: Collecting, name: str) -> ClockJob:
    return next(each for each in registry.jobs(c.desk.resources.settings) if each.name == name)


async def overdue(c: Collecting, count: int) -> list[str]:
    actor = await c.desk.customer()
    return [await c.bill(actor, TODAY - timedelta(days=3 + number)) for number in range(count)]


async def test_due_invoices_are_charged_by_the_runner(collecting: Collecting) -> None:
    c = collecting
    invoices = await overdue(c, 2)
    ended = await run_job(c.desk.resources, job(c, "captures"), forced_by="aya")
    assert ended is not None
    assert (ended.outcome, ended.detail) == ("done", "2 done")
    assert [(await c.whmcs("invoices", each))["status"] for each in invoices] == ["Paid", "Paid"]
    again = await run_job(c.desk.resources, job(c, "captures"), forced_by="aya")
    assert again is not None
    assert (again.detail, await c.tries()) == ("0 done", 2)


async def test_by_default_nothing_of_it_acts(collecting: Collecting) -> None:
    c = collecting
    await overdue(c, 1)
    usual = structs.replace(c.desk.resources.settings, automate_captures="whmcs", automate_suspension="whmcs")
    r = structs.replace(c.desk.resources, settings=usual)
    for name in ("captures", "suspension"):
        ended = await run_job(r, job(c, name), forced_by="aya")
        assert ended is not None
        assert ended.outcome == "withheld"
    assert await c.tries() == 0
    listed = {each.name: each for each in registry.registrations(usual)}
    assert (listed["captures"].owner, listed["captures"].process) == ("whmcs", "whmcs")


async def test_the_emergency_stop_holds_before_the_next_charge(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = collecting
    await overdue(c, 3)
    charges = 0

    async def attended(*given: Any, **named: Any) -> None:
        nonlocal charges
        charges += 1
        await money_stop.stop(c.desk.pool, BY, "charged twice")

    from app.processes import dunning

    monkeypatch.setattr(dunning, "attend", attended)
    ended = await run_job(c.desk.resources, job(c, "captures"), forced_by="aya")
    assert ended is not None
    assert (ended.outcome, charges) == ("withheld", 1)


async def test_a_dry_run_lists_what_would_be_charged_and_what_is_left_alone(collecting: Collecting) -> None:
    c = collecting
    [new] = await overdue(c, 1)
    actor = await c.desk.customer(number=1)
    old = await c.bill(actor, TODAY - timedelta(days=1_000))
    said = await preview(c.desk.resources, job(c, "captures"))
    assert said is not None
    assert any(f"Would charge invoice {new}, due on" in each for each in said)
    assert any(f"Leaves invoice {old} of client" in each for each in said)
    assert not any(f"Would charge invoice {old}" in each for each in said)
    assert (await c.tries(), await c.state(new), await c.state(old)) == (0, "", "")


@pytest.mark.parametrize("name", ["captures", "suspension"])
async def test_a_dry_run_writes_nothing(collecting: Collecting, name: str) -> None:
    """Not even what a run would note of customers whom staff merged."""
    c, pool = collecting, collecting.desk.pool
    await overdue(c, 1)
    gone, into = await c.desk.customer(number=1), await c.desk.customer(number=2)
    await pool.execute(
        "INSERT INTO portal.dunning_holds (account_id, reason, placed_by) VALUES ($1, 'ill', 'mika')",
        str(gone.account_id),
    )
    await pool.execute("INSERT INTO ingest.client_merges VALUES ($1, $2)", gone.whmcs_client_id, into.whmcs_client_id)
    before = await pool.fetch(WRITES)
    assert await preview(c.desk.resources, job(c, name))
    assert await pool.fetch(WRITES) == before


WRITES = """
SELECT (SELECT count(*) FROM portal.dunning_holds), (SELECT count(*) FROM portal.dunning),
       (SELECT count(*) FROM portal.dunning_steps), (SELECT count(*) FROM ingest.inbox)
"""


async def test_a_policy_that_cannot_be_used_stops_the_start_and_not_the_charges(collecting: Collecting) -> None:
    odd = structs.replace(collecting.desk.resources.settings, dunning_retry_days="7,1")
    with pytest.raises(policy.SettingsError, match="days must rise"):
        registry.jobs(odd)
