"""Clock jobs: one process at a time, missed runs made up for once, and none in the way of another."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from msgspec import structs

from app import leases
from app.audit import Operator
from app.errors import UpstreamUnavailable
from app.lock_numbers import LockSpace
from app.processes.clock import units
from app.processes.clock.job import ClockJob, Postponed, Unit
from app.processes.clock.runner import JobRunner, run_job
from app.resources import Resources
from app.schedule import billing_tasks, clock_jobs, listing, money_stop, requests
from app.schedule.billing_tasks import Observed
from app.schedule.listing import ListedJob
from app.schedule.timing import Cron, Every, Timing

DAILY = Cron("0 3 * * *", "Asia/Tokyo")
NOBODY = Operator(name="aya")


def job(
    run: Callable[[Resources], Awaitable[Any]] | None, name: str = "test", when: Timing = DAILY, **more: Any
) -> ClockJob:
    return ClockJob(name, when, "A test.", run, **more)


async def registered(resources: Resources, *jobs: ClockJob, due: bool = True) -> None:
    await clock_jobs.register(resources.pool, [each.registration(resources.settings) for each in jobs])
    if due:
        await resources.pool.execute("UPDATE portal.clock_jobs SET next_run_at = now() - interval '1 second'")


async def row_of(pool: asyncpg.Pool, name: str = "test") -> ListedJob:
    return next(each for each in await listing.listed(pool) if each.name == name)


async def outcomes(pool: asyncpg.Pool, name: str = "test") -> list[str]:
    return [each.outcome for each in reversed(await listing.runs_of(pool, name, 100))]


async def test_a_run_is_recorded_with_its_outcome_duration_and_next_time(resources: Resources) -> None:
    async def work(_: Resources) -> str:
        await asyncio.sleep(0.05)
        return "3 mails"

    it = job(work)
    await registered(resources, it)
    ended = await run_job(resources, it)
    row = await row_of(resources.pool)
    assert (row.last_outcome, row.last_detail, row.failures, row.state) == ("done", "3 mails", 0, "waiting")
    assert row.last_seconds is not None
    assert 0.05 <= row.last_seconds < 5
    assert (row.cron, row.zone, row.owner) == ("0 3 * * *", "Asia/Tokyo", "portal")
    assert row.next_run_at == DAILY.after(row.now)
    assert row.runner
    assert ended is not None
    assert await run_job(resources, it) is None  # not due any more


async def test_a_month_of_missed_runs_is_one_run(resources: Resources) -> None:
    ran = []

    async def work(_: Resources) -> None:
        ran.append(1)

    for name, when in (("daily", DAILY), ("often", Every(1))):
        it = job(work, name, when)
        await registered(resources, it, due=False)
        await resources.pool.execute("UPDATE portal.clock_jobs SET next_run_at = now() - interval '31 days'")
        assert (await row_of(resources.pool, name)).state == "overdue"
        ran.clear()
        runner = JobRunner(resources, [it], [it.registration(resources.settings)])
        for _ in range(5):
            await runner.look()
            await asyncio.sleep(0.1)
        assert len(ran) == 1
        assert (await row_of(resources.pool, name)).state == "waiting"


async def test_two_processes_never_run_a_job_at_once_and_share_one_slot(resources: Resources) -> None:
    at_once, most, ran = 0, 0, 0

    async def work(_: Resources) -> None:
        nonlocal at_once, most, ran
        at_once, ran = at_once + 1, ran + 1
        most = max(most, at_once)
        await asyncio.sleep(0.1)
        at_once -= 1

    it = job(work)
    await registered(resources, it)
    found = await asyncio.gather(*(run_job(resources, it) for _ in range(6)))
    assert (most, ran, len([each for each in found if each])) == (1, 1, 1)
    forced = await asyncio.gather(*(run_job(resources, it, forced_by="aya") for _ in range(4)))
    assert (most, len([each for each in forced if each])) == (1, ran - 1)


async def test_a_lock_of_another_release_is_respected(resources: Resources) -> None:
    async def work(_: Resources) -> None:
        raise AssertionError("ran beside the other")

    it = job(work)
    await registered(resources, it)
    async with leases.named(resources.pool, LockSpace.CHORE, it.name) as held:
        assert held is not None
        assert await run_job(resources, it, forced_by="aya") is None
    assert await outcomes(resources.pool) == []


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (KeyError("unforeseen"), "failed"),
        (Postponed("Salesforce is away"), "postponed"),
        (UpstreamUnavailable("whmcs", "GetInvoices", "away"), "postponed"),
        (ConnectionResetError("the database went away"), "postponed"),
        (TimeoutError("of its own"), "postponed"),
    ],
)
async def test_a_failure_is_recorded_and_tried_again_after_a_pause(
    resources: Resources, error: Exception, outcome: str
) -> None:
    async def work(_: Resources) -> None:
        raise error

    it = job(work)
    await registered(resources, it)
    due_at = (await row_of(resources.pool)).next_run_at
    await run_job(resources, it)
    row = await row_of(resources.pool)
    assert (row.last_outcome, row.failures, row.next_run_at, row.last_done_at) == (outcome, 1, due_at, None)
    assert row.next_try_at is not None
    assert timedelta(seconds=55) < row.next_try_at - row.now < timedelta(seconds=65)
    assert await run_job(resources, it) is None  # not before the pause is over
    await resources.pool.execute("UPDATE portal.clock_jobs SET not_before = now()")
    await run_job(resources, it)
    assert (await row_of(resources.pool)).failures == 2


async def test_a_job_that_hangs_is_ended(resources: Resources) -> None:
    it = job(lambda _: asyncio.sleep(60), most_seconds=0.2)
    await registered(resources, it)
    ended = await run_job(resources, it)
    assert ended is not None
    assert (ended.outcome, await outcomes(resources.pool)) == ("timed_out", ["timed_out"])
    assert not (await row_of(resources.pool)).running_since


async def test_a_failing_and_a_hanging_job_do_not_stop_the_others(resources: Resources) -> None:
    ran = asyncio.Event()

    async def fails(_: Resources) -> None:
        raise KeyError("poison")

    async def works(_: Resources) -> None:
        ran.set()

    jobs = [job(fails, "a"), job(lambda _: asyncio.sleep(60), "b"), job(works, "c")]
    await registered(resources, *jobs)
    runner = JobRunner(resources, jobs, [each.registration(resources.settings) for each in jobs])
    running = asyncio.create_task(runner.run_until_cancelled())

    async def as_far_as(expected: dict[str, Any]) -> None:
        while {name: getattr(await row_of(resources.pool, name[0]), name[2:]) for name in expected} != expected:
            await asyncio.sleep(0.05)

    async with asyncio.timeout(10):
        await ran.wait()
        await as_far_as({"a.last_outcome": "failed", "b.state": "running", "c.last_outcome": "done"})
    running.cancel()
    await asyncio.wait([running])
    assert (await row_of(resources.pool, "a")).last_outcome == "failed"
    assert (await row_of(resources.pool, "c")).last_outcome == "done"


async def test_a_process_that_stops_leaves_its_job_to_another_at_once(resources: Resources) -> None:
    it = job(lambda _: asyncio.sleep(60))
    await registered(resources, it)
    running = asyncio.create_task(run_job(resources, it))
    await asyncio.sleep(0.3)
    running.cancel()
    await asyncio.wait([running])
    done: list[int] = []

    async def work(_: Resources) -> None:
        done.append(1)

    assert await run_job(resources, structs.replace(it, run=work))
    assert (done, await outcomes(resources.pool)) == ([1], ["done"])
    assert (await row_of(resources.pool)).failures == 0


async def test_a_run_of_a_killed_process_is_interrupted_and_repeated(resources: Resources) -> None:
    async def work(_: Resources) -> str:
        return "again"

    it = job(work)
    await registered(resources, it)
    async with leases.named(resources.pool, LockSpace.CHORE, it.name) as held:
        assert held is not None
        assert await clock_jobs.begin(held, it.name, it.when, "killed:1")
        assert (await row_of(resources.pool)).state == "running"
    assert (await row_of(resources.pool)).running_since is None  # nobody holds the lock
    assert await run_job(resources, it) is None  # others look a little later
    await resources.pool.execute("UPDATE portal.clock_jobs SET not_before = now()")
    assert await run_job(resources, it)
    runs = await listing.runs_of(resources.pool, "test", 10)
    assert [(each.outcome, each.runner) for each in runs[1:]] == [("interrupted", "killed:1")]
    assert [each.outcome for each in runs] == ["done", "interrupted"]


async def test_runs_of_an_interval_are_kept_where_the_outcome_changes(resources: Resources) -> None:
    poisoned = [False, False, True, True, False, False]

    async def work(_: Resources) -> None:
        if poisoned.pop(0):
            raise KeyError("poison")

    it = job(work, when=Every(1))
    await registered(resources, it)
    while poisoned:
        await resources.pool.execute("UPDATE portal.clock_jobs SET next_run_at = now(), not_before = NULL")
        await run_job(resources, it)
    assert await outcomes(resources.pool) == ["done", "failed", "done"]


async def test_a_request_runs_a_job_out_of_its_time(resources: Resources) -> None:
    ran = asyncio.Event()

    async def work(_: Resources) -> None:
        ran.set()

    it = job(work)
    await registered(resources, it, due=False)
    runner = JobRunner(resources, [it], [it.registration(resources.settings)])
    await runner.look()
    await asyncio.sleep(0.1)
    assert not ran.is_set()
    await requests.request_run(resources.pool, NOBODY, "test")
    await runner.look()
    async with asyncio.timeout(5):
        await ran.wait()
        while not (runs := await listing.runs_of(resources.pool, "test", 1)):
            await asyncio.sleep(0.02)
    assert runs[0].requested_by == "aya"
    ran.clear()
    await runner.look()
    await asyncio.sleep(0.1)
    assert not ran.is_set()


async def test_registering_again_moves_no_run_later_and_new_times_count_at_once(resources: Resources) -> None:
    async def work(_: Resources) -> None: ...

    await registered(resources, job(work))
    due_at = (await row_of(resources.pool)).next_run_at
    await registered(resources, job(work), due=False)
    assert (await row_of(resources.pool)).next_run_at == due_at
    await resources.pool.execute("UPDATE portal.clock_jobs SET next_run_at = now() + interval '10 years'")
    await registered(resources, job(work), due=False)  # the clock had been wrong
    row = await row_of(resources.pool)
    assert row.next_run_at == DAILY.after(row.now)
    other = Cron("0 4 * * *", "Asia/Tokyo")
    await registered(resources, job(work, when=other), due=False)
    row = await row_of(resources.pool)
    assert (row.cron, row.next_run_at) == ("0 4 * * *", other.after(row.now))


async def test_a_job_that_no_release_registers_any_more_leaves_the_list(resources: Resources) -> None:
    async def work(_: Resources) -> None: ...

    await registered(resources, job(work, "old"), job(work, "new"))
    await resources.pool.execute("UPDATE portal.clock_jobs SET registered_at = now() - interval '40 days'")
    assert len(await listing.listed(resources.pool)) == 2  # nothing has run for long, and nothing is forgotten
    await registered(resources, job(work, "new"))
    assert [each.name for each in await listing.listed(resources.pool)] == ["new"]


def money(do: Callable[[int], Awaitable[None]], name: str = "captures", count: int = 3) -> ClockJob:
    async def each(_: Resources) -> AsyncGenerator[Unit, None]:
        for number in range(count):

            async def one(number: int = number) -> None:
                await do(number)

            yield Unit(f"Would charge invoice {number}.", one)

    return ClockJob(
        name, DAILY, "A test.", units=each, moves_money=True, task="captures" if name == "captures" else None
    )


def owned(resources: Resources) -> Resources:
    return structs.replace(resources, settings=structs.replace(resources.settings, automate_captures="portal"))


async def test_the_emergency_stop_holds_a_job_between_two_units(resources: Resources) -> None:
    charged = []

    async def charge(number: int) -> None:
        charged.append(number)
        if number == 1:
            await money_stop.stop(resources.pool, NOBODY, "double charges")

    it = money(charge, "levies")
    await registered(resources, it)
    await run_job(resources, it)
    row = await row_of(resources.pool, "levies")
    assert (charged, row.last_outcome, row.state, row.concern) == ([0, 1], "withheld", "withheld", None)
    assert row.last_detail is not None
    assert "aya stopped all jobs that move money" in row.last_detail
    assert "2 done" in row.last_detail
    await run_job(resources, it, forced_by="aya")  # nobody gets past it
    assert charged == [0, 1]
    assert await money_stop.resume(resources.pool, NOBODY)
    assert not await money_stop.resume(resources.pool, NOBODY)
    await run_job(resources, it, forced_by="aya")
    assert charged == [0, 1, 0, 1]  # stopped again by the unit
    entries = await resources.pool.fetch("SELECT action, detail ->> 'operator' AS by FROM portal.audit ORDER BY id")
    assert [tuple(each) for each in entries] == [
        ("automation.stop", "aya"),
        ("automation.resume", "aya"),
        ("automation.stop", "aya"),
    ]


async def test_the_stop_holds_every_job_that_moves_money_and_no_other(resources: Resources) -> None:
    ran = []

    async def work(_: Resources) -> None:
        ran.append(1)

    await money_stop.stop(resources.pool, NOBODY, "x")
    first = await money_stop.stop(resources.pool, Operator(name="ben"), "y")
    assert (first.stopped_by, first.reason) == ("aya", "x")
    moves, other = job(work, "moves", moves_money=True), job(work, "other")
    await registered(resources, moves, other)
    await run_job(resources, moves)
    assert ran == []
    await run_job(resources, other)
    assert ran == [1]


async def test_a_task_of_whmcs_is_never_done_here(resources: Resources) -> None:
    charged = []

    async def charge(number: int) -> None:
        charged.append(number)

    it = money(charge)
    await registered(resources, it, due=False)
    row = await row_of(resources.pool, "captures")
    assert (row.owner, row.next_run_at, row.state) == ("whmcs", None, "elsewhere")
    await resources.pool.execute("UPDATE portal.clock_jobs SET next_run_at = now() - interval '1 hour'")
    assert await clock_jobs.due(resources.pool, ["captures"]) == []
    for automator in ("whmcs", "portal"):  # the setting decides, not what was recorded under a former one
        await billing_tasks.record(resources.pool, automator, Observed("captures", "none", None))  # type: ignore[arg-type]
        ended = await run_job(resources, it, forced_by="aya")
        assert ended is not None
        assert (ended.outcome, charged) == ("withheld", [])


@pytest.mark.parametrize("switch", ["on", "unknown"])
async def test_a_task_that_whmcs_may_do_too_is_withheld(resources: Resources, switch: Any) -> None:
    charged = []

    async def charge(number: int) -> None:
        charged.append(number)

    ours, it = owned(resources), money(charge)
    await registered(ours, it)
    ended = await run_job(ours, it)  # WHMCS was never asked
    assert ended is not None
    assert ended.outcome == "withheld"
    await billing_tasks.record(ours.pool, "portal", Observed("captures", switch, None))
    ended = await run_job(ours, it, forced_by="aya")
    assert ended is not None
    assert (ended.outcome, charged) == ("withheld", [])
    await billing_tasks.record(ours.pool, "portal", Observed("captures", "none", None))
    await run_job(ours, it, forced_by="aya")
    assert charged == [0, 1, 2]


async def test_a_failing_unit_does_not_stop_the_others(resources: Resources) -> None:
    charged = []

    async def charge(number: int) -> None:
        if number == 0:
            raise KeyError("an answer nobody foresaw")
        charged.append(number)

    it = money(charge, "levies")
    await registered(resources, it)
    ended = await run_job(resources, it)
    assert ended is not None
    assert (charged, ended.outcome, ended.detail) == ([1, 2], "done", "2 done, 1 failed")


async def test_a_dry_run_charges_nothing(resources: Resources) -> None:
    async def charge(number: int) -> None:
        raise AssertionError

    said = await units.preview(resources, money(charge))
    assert said == [f"Would charge invoice {number}." for number in range(3)]


@pytest.mark.parametrize(
    "more",
    [
        {"run": lambda _: None, "units": lambda _: None, "moves_money": True},
        {"units": lambda _: None},
        {"task": "captures", "run": lambda _: None, "moves_money": True},
        {"task": "captures", "units": lambda _: None, "moves_money": True},
    ],
)
def test_a_job_that_contradicts_itself_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"levies: "):
        ClockJob("levies", DAILY, "A test.", **more)
