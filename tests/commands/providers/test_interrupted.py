"""Kills and faults at every point: the journal resumes, nothing is done twice, nothing counts as done unconfirmed."""

import asyncio
from typing import Any

import pytest

from app.commands.providers import journal
from app.commands.providers.follow import follow, follow_one
from app.commands.providers.take_up import take_up
from tests.commands.providers.provided import Provided, provided

DOUBTS = ("timeout_after_write", "timeout", "reset", "garbage", "empty", "status")
FUNCTION = {"suspend": "suspendacct", "unsuspend": "unsuspendacct", "remove": "removeacct"}


async def before(service: Provided, step: str) -> None:
    """Bring the service to where this step is next."""
    await service.says({"suspend": "Suspended", "unsuspend": "Suspended", "remove": "Terminated"}[step])
    if step != "suspend":
        await service.follow()
    if step == "unsuspend":
        await service.says("Active")
    if step == "remove":
        await service.grace_over()


async def assert_done(service: Provided, step: str) -> None:
    account, row = await service.account(), await service.journal()
    if step == "remove":
        assert (account, row["actual"]) == (None, "removed")
    else:
        assert account is not None
        assert (account["suspended"], row["actual"]) == (
            (True, "suspended") if step == "suspend" else (False, "active")
        )
    assert (row["step"], row["state"], row["task_code"]) == (None, "settled", None)


@pytest.mark.parametrize("step", FUNCTION)
@pytest.mark.parametrize("kind", DOUBTS)
async def test_a_write_in_doubt_is_looked_at_and_carried_out_once(desk: Any, step: str, kind: str) -> None:
    service = await provided(desk, "hosting")
    await before(service, step)
    await desk.sandbox.fault("whm", kind, FUNCTION[step], status=500, seconds=3)
    await service.follow()
    if kind != "timeout_after_write":  # whatever is not confirmed is not said to be
        assert (await service.journal())["step"] in (step, None)
    for _ in range(3):
        await service.follow()
    await assert_done(service, step)
    if kind == "timeout_after_write":
        assert await service.calls("whm", FUNCTION[step]) == 1


async def test_a_removal_in_doubt_is_not_repeated_until_it_cannot_be_running_any_more(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await before(service, "remove")
    await desk.sandbox.fault("whm", "timeout", "removeacct", seconds=3)
    await service.follow()
    assert await service.calls("whm", "removeacct") == 1
    await desk.pool.execute("UPDATE portal.provided_services SET next_attempt_at = now()")
    desk.let_in()
    await follow(desk.context)
    assert await service.calls("whm", "removeacct") == 1
    await service.follow()
    await assert_done(service, "remove")


KILLS = ("at_the_provider_s_look", "at_whmcs_s_look", "before_the_write", "after_the_write", "before_settling")


@pytest.mark.parametrize("step", FUNCTION)
@pytest.mark.parametrize("point", KILLS)
async def test_a_killed_attempt_is_resumed_and_the_write_takes_effect_once(desk: Any, step: str, point: str) -> None:
    """The attempt is cancelled while an upstream holds its answer, as a killed worker ends there."""
    service = await provided(desk, "hosting")
    await before(service, step)
    await take_up(desk.pool, desk.resources.inbox)
    await service.hurry()
    await killed(service, step, point)
    begun = await service.steps()
    assert (begun[-1:] == [step]) == (point not in KILLS[:2]), "a write is journaled before it is sent, and not earlier"
    for _ in range(3):
        await service.follow()
    await assert_done(service, step)
    sent = await service.calls("whm", FUNCTION[step])
    assert sent == (2 if point == "before_the_write" else 1), "what had no effect is sent again, and nothing else is"


async def killed(service: Provided, step: str, point: str) -> None:
    """Start an attempt, and cancel it while this call hangs."""
    upstream, kind, operation = {
        "at_the_provider_s_look": ("whm", "timeout", "accountsummary"),
        "at_whmcs_s_look": ("whmcs", "timeout", "GetClientsProducts"),
        "before_the_write": ("whm", "timeout", FUNCTION[step]),
        "after_the_write": ("whm", "timeout_after_write", FUNCTION[step]),
        "before_settling": ("whm", "latency", FUNCTION[step]),
    }[point]
    already = await service.calls(upstream, operation)
    await service.desk.sandbox.fault(upstream, kind, operation, seconds=0.5)
    attempt = asyncio.create_task(follow_one(service.desk.context, service.subscription_id))
    await called(service, upstream, operation, already)
    if point == "before_settling":  # the write is under way: have the look after it hang
        looks = await service.calls("whm", "accountsummary")
        await service.desk.sandbox.fault("whm", "timeout", "accountsummary")
        await called(service, "whm", "accountsummary", looks)
    await asyncio.sleep(0.1)
    assert not attempt.done()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await service.desk.sandbox.clear_faults()


async def called(service: Provided, upstream: str, operation: str, already: int) -> None:
    async with asyncio.timeout(5):
        while await service.calls(upstream, operation) == already:
            await asyncio.sleep(0.02)


async def test_two_workers_advance_a_service_once(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await before(service, "suspend")
    await take_up(desk.pool, desk.resources.inbox)
    await asyncio.gather(*(follow_one(desk.context, service.subscription_id) for _ in range(5)))
    await assert_done(service, "suspend")
    assert await service.calls("whm", "suspendacct") == 1


async def test_an_attempt_that_was_overtaken_changes_nothing(desk: Any) -> None:
    """Its journal moved on meanwhile, so its own move is refused."""
    service = await provided(desk, "hosting")
    stale = await journal.one(desk.pool, service.subscription_id)
    assert stale is not None
    await desk.pool.execute("UPDATE portal.provided_services SET version = version + 1")
    with pytest.raises(journal.MovedOn):
        await journal.begin_step(desk.pool, stale, "remove")
    with pytest.raises(journal.MovedOn):
        await journal.move(desk.context, stale, stale)
    assert await service.steps() == []


async def test_one_broken_service_stops_no_other(desk: Any) -> None:
    first, second = await provided(desk, "hosting"), await provided(desk, "hosting", number=1)
    await first.says("Suspended")
    await second.says("Suspended")
    await desk.pool.execute(
        "UPDATE portal.provided_services SET account_name = 'gone' || subscription_id WHERE subscription_id = $1",
        first.subscription_id,
    )
    await second.follow()
    assert (await second.account() or {})["suspended"]
    assert (await first.journal())["task_code"] == "ACCOUNT_MISSING"


async def test_a_lenient_server_that_accepts_a_suspension_twice_is_no_trouble(desk: Any) -> None:
    await desk.server(lenient=True)
    service = await provided(desk, "hosting")
    for step in ("suspend", "unsuspend"):
        await before(service, step)
        await service.follow()
        await assert_done(service, step)


async def test_a_case_whose_answer_is_lost_is_opened_once(desk: Any) -> None:
    service = await provided(desk, "sim")
    await service.says("Suspended")
    await desk.sandbox.fault("salesforce", "timeout_after_write", "sobjects.create:Case", seconds=3)
    await service.follow()
    await service.follow()
    assert len(await service.cases()) == 1
    assert (await service.journal())["case_id"] is not None
