"""The day of a planned change: made once whatever happens, waited for while the billing system is away, and never lost
in silence."""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.audit import Operator
from app.cli.stack.environment import of_sandbox
from app.commands import mail_outbox
from app.commands.subscriptions.cancel_subscription import Cancel, CancelSubscription, cancel_subscription
from app.commands.subscriptions.change_plan import ChangePlan, NewPlan, change_plan
from app.commands.subscriptions.plan_changes import journal, scheduled
from app.commands.subscriptions.plan_changes.run_due import REASONS, REFUSED, TRIES, UNREACHABLE, make_due
from app.commands.subscriptions.plan_changes.scheduled_lists import counts, listed
from app.commands.subscriptions.service_lock import lock_service
from app.processes.worker import WorkerJobs
from app.resources import open_resources
from app.schedule import money_stop
from tests.commands.conftest import Desk
from tests.commands.subscriptions.plan_changes.scheduled_changes import its_day, on_its_day, plan, row, told
from tests.commands.subscriptions.running_services import shown, upgrades
from tests.commands.subscriptions.test_change_plan import again, followed, on_plan, pay


async def mailed(desk: Any) -> list[tuple[str, str]]:
    """Subject and text of what the customer got by mail."""
    await desk.sandbox.control.delete("/mail/")
    await mail_outbox.send_due(desk.pool, desk.context.settings)
    return [(each["subject"], each["text"]) for each in (await desk.sandbox.control.get("/mail/")).json()["mails"]]


@asynccontextmanager
async def killed_worker(engines: tuple[str, str], sandbox_state: dict[str, Any]) -> AsyncIterator[None]:
    """`portal worker` as a process of its own, killed at the end of the block."""
    environment = {**os.environ, **of_sandbox(sandbox_state), "PORTAL_SECRET": "s" * 32}
    environment |= {"DATABASE_URL": engines[0], "REDIS_URL": engines[1]}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    worker = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=environment, **quiet)
    try:
        yield
        assert worker.poll() is None, "it ended by itself"
    finally:
        worker.kill()
        worker.wait()


async def states(desk: Any) -> list[str]:
    return [each["state"] for each in await desk.pool.fetch("SELECT state FROM portal.scheduled_changes")]


async def business_to_basic(desk: Any) -> Any:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await plan(desk, actor, service_id, "HOSTING-BASIC")
    return actor, service_id


async def test_a_downgrade_is_made_on_its_day_and_the_customer_is_notified(desk: Any) -> None:
    _, service_id = await business_to_basic(desk)
    assert (await on_its_day(desk, service_id))["state"] == "done"
    assert len(await upgrades(desk, service_id)) == 1
    seen = await shown(desk, service_id)
    assert (seen["name"], seen["scheduled_change"]) == ("Hosting Basic", None)
    assert await followed(desk, service_id) == "done"
    entry = (await told(desk, service_id))[-1]
    assert (entry["kind"], entry["notifies"]) == ("change_made", True)
    assert "Hosting Business was changed to Hosting Basic, as you planned." in entry["document"].decode()
    [(subject, text)] = await mailed(desk)
    assert subject == "Hosting Basic, as you planned it"
    assert "takes effect within minutes" in text
    assert await on_its_day(desk, service_id)
    assert len(await upgrades(desk, service_id)) == 1


async def test_an_upgrade_is_ordered_on_its_day_and_waits_for_its_payment(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    await plan(desk, actor, service_id, "HOSTING-PRO", "upgrade")
    made = await on_its_day(desk, service_id)
    assert (made["state"], made["invoice_id"] is None) == ("done", False)
    seen = await shown(desk, service_id)
    assert (seen["name"], seen["scheduled_change"]) == ("Hosting Basic", None)
    assert seen["pending_change"]["invoice_id"] == made["invoice_id"]
    [(_, text)] = await mailed(desk)
    assert f"invoice {made['invoice_id']} is paid" in text
    assert f"when invoice {made['invoice_id']} is paid" in (await told(desk, service_id))[-1]["document"].decode()
    await pay(desk, made["invoice_id"])
    assert await followed(desk, service_id) == "done"
    assert (await shown(desk, service_id))["name"] == "Hosting Pro"


async def test_a_sim_gets_its_planned_plan_from_the_network(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "sim", "SIM-DATA-10GB")
    await plan(desk, actor, service_id, "SIM-DATA-5GB")
    assert (await on_its_day(desk, service_id))["state"] == "done"
    assert await followed(desk, service_id) == "done"
    calls = [call["operation"] for call in await desk.sandbox.calls("freebit")]
    assert calls.count("mvno/changePlan") == 1


async def test_several_workers_make_each_change_once(desk: Any) -> None:
    services = []
    for number in range(3):
        actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS", number)
        await plan(desk, actor, service_id, "HOSTING-BASIC")
        await its_day(desk, service_id)
        services.append(service_id)
    async with open_resources(desk.context.settings) as one, open_resources(desk.context.settings) as two:
        workers = [Desk(each, desk.sandbox).context for each in (one, two, one, two)]
        made = await asyncio.gather(*(make_due(worker) for worker in workers))
    assert sum(made) == 3
    for service_id in services:
        assert (await row(desk, service_id))["state"] == "done"
        assert len(await upgrades(desk, service_id)) == 1
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails") == 3


async def test_one_taken_up_twice_is_still_made_once(desk: Any) -> None:
    """As if a lease had run out while its holder was still at it."""
    _, service_id = await business_to_basic(desk)
    await desk.sandbox.fault("whmcs", "latency", "UpgradeProduct", count=2, seconds=0.4)
    await its_day(desk, service_id)
    first = asyncio.create_task(make_due(desk.context))
    while await desk.pool.fetchval("SELECT count(*) FROM portal.plan_changes") == 0:
        await asyncio.sleep(0.02)
    await desk.pool.execute("UPDATE portal.scheduled_changes SET next_attempt_at = now()")
    await make_due(desk.context)
    assert (await row(desk, service_id))["error_code"] in ("subscription_busy", None)
    await first
    assert (await on_its_day(desk, service_id))["state"] == "done"
    assert len(await upgrades(desk, service_id)) == 1


async def test_a_worker_killed_between_the_billing_systems_write_and_ours_leaves_nothing_undone_or_done_twice(
    desk: Any, engines: tuple[str, str], sandbox_state: dict[str, Any]
) -> None:
    _, service_id = await business_to_basic(desk)
    # The first call asks for the price; the second writes and is never answered.
    await desk.sandbox.fault("whmcs", "timeout_after_write", "UpgradeProduct", skip=1)
    await its_day(desk, service_id)
    async with killed_worker(engines, sandbox_state), asyncio.timeout(30):
        while not await upgrades(desk, service_id):
            await asyncio.sleep(0.02)
    assert (await row(desk, service_id))["state"] == "waiting"
    [change] = await journal.of_service(desk.pool, service_id)
    assert change.state == "asked"
    assert await make_due(desk.context) == 0, "the lease of the dead one"
    assert (await on_its_day(desk, service_id))["state"] == "done"
    assert len(await upgrades(desk, service_id)) == 1
    assert (await shown(desk, service_id))["name"] == "Hosting Basic"
    assert [each["kind"] for each in await desk.pool.fetch("SELECT kind FROM portal.mails")] == [
        "scheduled_change_made"
    ]


async def test_workers_killed_at_any_instant_of_it_make_every_change_once(
    desk: Any, engines: tuple[str, str], sandbox_state: dict[str, Any]
) -> None:
    services = []
    for number in range(3):
        actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS", number)
        await plan(desk, actor, service_id, "HOSTING-BASIC")
        services.append(service_id)
    await desk.sandbox.fault("whmcs", "latency", count=200, seconds=0.2)
    chance = random.Random(3)
    for _ in range(4):
        for service_id in services:
            await its_day(desk, service_id)
        asked = len(await desk.sandbox.calls("whmcs"))
        async with killed_worker(engines, sandbox_state), asyncio.timeout(30):
            while len(await desk.sandbox.calls("whmcs")) == asked and "waiting" in await states(desk):
                await asyncio.sleep(0.02)
            await asyncio.sleep(chance.uniform(0, 0.8))
    await desk.sandbox.clear_faults()
    desk.let_in()
    await desk.pool.execute("UPDATE portal.plan_changes SET created_at = created_at - interval '5 minutes'")
    for service_id in services:
        assert (await on_its_day(desk, service_id))["state"] == "done"
        assert len(await upgrades(desk, service_id)) == 1
        assert await followed(desk, service_id) == "done"
        assert (await shown(desk, service_id))["name"] == "Hosting Basic"
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails") == 3


@pytest.mark.parametrize("kind", ["timeout_after_write", "garbage", "reset", "timeout", "refused"])
@pytest.mark.parametrize("sku", ["HOSTING-BUSINESS", "HOSTING-BASIC"])
async def test_a_doubtful_answer_on_the_day_is_looked_into_and_never_asked_twice(
    desk: Any, kind: str, sku: str
) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await plan(desk, actor, service_id, sku, "upgrade" if sku == "HOSTING-BUSINESS" else "downgrade")
    name, more = ("status", {"status": 500}) if kind == "refused" else (kind, {})
    await desk.sandbox.fault("whmcs", name, "UpgradeProduct", skip=1, **more)
    found = await on_its_day(desk, service_id)
    await desk.sandbox.clear_faults()
    desk.let_in()
    if found["state"] == "waiting":
        assert (found["error_code"], await upgrades(desk, service_id)) == ("outcome_unknown", [])
        assert (await on_its_day(desk, service_id))["state"] == "waiting", "it may yet be worked on"
        await desk.pool.execute("UPDATE portal.plan_changes SET created_at = now() - interval '5 minutes'")
        found = await on_its_day(desk, service_id)
    assert found["state"] == "done"
    assert len(await upgrades(desk, service_id)) == 1


async def test_what_was_ordered_and_given_up_by_the_customer_meanwhile_is_not_ordered_again(desk: Any) -> None:
    """The worker was killed after the order and before its commit, then the invoice was cancelled: the change was made
    all the same."""
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    planned = await plan(desk, actor, service_id, "HOSTING-PRO", "upgrade")
    key = f"scheduled:{planned.change_id}"
    change_actor = again(actor)
    request = ChangePlan(service_id, "upgrade", NewPlan(sku="HOSTING-PRO"))
    done = await change_plan(desk.context, change_actor, request)
    await desk.pool.execute(
        "UPDATE portal.plan_changes SET command_digest = $1, state = 'withdrawn'", journal.digest(key)
    )
    await desk.sandbox.control.patch(f"/whmcs/invoices/{done.result.invoice_id}", json={"status": "Cancelled"})
    assert (await on_its_day(desk, service_id))["state"] == "done"
    assert len(await upgrades(desk, service_id)) == 1


async def test_while_the_billing_system_is_away_the_change_waits_and_is_made_after_that(desk: Any) -> None:
    _, service_id = await business_to_basic(desk)
    await desk.sandbox.fault("whmcs", "down", count=100)
    for attempt in (1, 2, 3):
        found = await on_its_day(desk, service_id)
        assert (found["state"], found["attempts"]) == ("waiting", attempt)
        assert found["error_code"] == "upstream_busy"  # what HTTP 503 says
        wait = await desk.pool.fetchval(
            "SELECT extract(epoch FROM next_attempt_at - now()) FROM portal.scheduled_changes"
        )
        assert 30 * 2 ** (attempt - 1) * 0.7 < wait < 30 * 2 ** (attempt - 1) * 1.3
        assert await make_due(desk.context) == 0
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails") == 0
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert (await on_its_day(desk, service_id))["state"] == "done"
    assert len(await upgrades(desk, service_id)) == 1


async def test_an_unavailable_billing_system_is_not_waited_for_forever(desk: Any) -> None:
    _, service_id = await business_to_basic(desk)
    await desk.sandbox.fault("whmcs", "down", count=100)
    await on_its_day(desk, service_id)
    await desk.pool.execute("UPDATE portal.scheduled_changes SET attempts = $1", TRIES)
    found = await on_its_day(desk, service_id)
    assert (found["state"], found["error_code"], found["reason"]) == ("refused", "upstream_busy", UNREACHABLE)
    [(subject, text)] = await mailed(desk)
    assert subject == "Your change of plan could not be made"
    assert UNREACHABLE in text


async def unsold(desk: Any, actor: Any, service_id: str) -> None:
    await desk.pool.execute("UPDATE read_model.catalog SET orderable = false WHERE sku = 'HOSTING-BASIC'")


async def dearer(desk: Any, actor: Any, service_id: str) -> None:
    await desk.pool.execute("UPDATE read_model.catalog SET unit_price = unit_price + 1 WHERE sku = 'HOSTING-BASIC'")


async def unpaid(desk: Any, actor: Any, service_id: str) -> None:
    await change_plan(desk.context, again(actor), ChangePlan(service_id, "upgrade", NewPlan(sku="HOSTING-BUSINESS")))
    await desk.settle()


async def suspended(desk: Any, actor: Any, service_id: str) -> None:
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"status": "Suspended", "silent": True})


async def terminated(desk: Any, actor: Any, service_id: str) -> None:
    """Terminate the service in the billing system, without a webhook to the portal."""
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"status": "Terminated", "silent": True})


async def somebody_elses(desk: Any, actor: Any, service_id: str) -> None:
    await desk.pool.execute("DELETE FROM read_model.subscriptions WHERE subscription_id = $1", service_id)


async def smaller_by_now(desk: Any, actor: Any, service_id: str) -> None:
    await desk.pool.execute("UPDATE read_model.catalog SET unit_price = unit_price + 9999 WHERE sku = 'HOSTING-BASIC'")


@pytest.mark.parametrize(
    ("happens", "code"),
    [
        (unsold, "plan_not_available"),
        (dearer, "price_changed"),
        (unpaid, "change_in_progress"),
        (suspended, "subscription_not_active"),
        (terminated, "subscription_not_active"),
        (somebody_elses, "subscription_not_found"),
        (smaller_by_now, "wrong_direction"),
    ],
)
async def test_a_change_that_cannot_be_made_ends_and_customer_and_staff_are_notified(
    desk: Any, happens: Any, code: str
) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await plan(desk, actor, service_id, "HOSTING-BASIC")
    await happens(desk, actor, service_id)
    before = len(await upgrades(desk, service_id))
    found = await on_its_day(desk, service_id)
    assert (found["state"], found["error_code"], found["reason"]) == ("refused", code, REASONS[code])
    assert len(await upgrades(desk, service_id)) == before
    [(subject, text)] = await mailed(desk)
    assert subject == "Your change of plan could not be made"
    on = f"{found['effective_date']:%B} {found['effective_date'].day}, {found['effective_date'].year}"
    assert f"change Hosting Pro to Hosting Basic on {on}. That could not be done" in text
    assert REASONS[code] in text
    if happens is not somebody_elses:
        entry = (await told(desk, service_id))[-1]
        assert (entry["kind"], entry["notifies"]) == ("change_refused", True)
        assert REASONS[code] in entry["document"].decode()
        assert (await shown(desk, service_id))["scheduled_change"] is None
    [seen] = await listed(desk.pool, 10)
    assert (seen.state, seen.error_code) == ("refused", code)
    assert await counts(desk.pool) == {"waiting": 0, "late": 0, "refused": 1}
    assert (await on_its_day(desk, service_id))["attempts"] == found["attempts"], "it is over"


async def test_what_the_billing_system_refuses_ends_too(desk: Any) -> None:
    _, service_id = await business_to_basic(desk)
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"billingcycle": "One Time", "silent": True})
    await desk.resources.inbox.submit([desk.whmcs_news("service", service_id)])
    await desk.settle()
    assert (await on_its_day(desk, service_id))["state"] == "refused"


async def test_a_service_that_has_the_plan_by_now_needs_none(desk: Any) -> None:
    actor, service_id = await business_to_basic(desk)
    await change_plan(desk.context, again(actor), ChangePlan(service_id, "downgrade", NewPlan(sku="HOSTING-BASIC")))
    assert await followed(desk, service_id) == "done"
    found = await on_its_day(desk, service_id)
    assert (found["state"], found["error_code"]) == ("cancelled", "same_plan")
    assert len(await upgrades(desk, service_id)) == 1
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails") == 0


@pytest.mark.parametrize("when", ["now", "end_of_period"])
async def test_cancelling_a_service_drops_what_was_planned_for_it_at_once(desk: Any, when: Any) -> None:
    actor, service_id = await business_to_basic(desk)
    await cancel_subscription(desk.context, again(actor), CancelSubscription(service_id, Cancel(when=when)))
    assert (await shown(desk, service_id))["scheduled_change"] is None
    await make_due(desk.context)
    await desk.settle()
    found = await row(desk, service_id)
    assert (found["state"], found["error_code"]) == ("cancelled", "service_ends")
    assert "because it ends" in (await told(desk, service_id))[-1]["document"].decode()
    assert (await on_its_day(desk, service_id))["state"] == "cancelled"
    assert await upgrades(desk, service_id) == []
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails") == 0


async def test_a_service_that_staff_ended_drops_it_too(desk: Any) -> None:
    actor, service_id = await business_to_basic(desk)
    await terminated(desk, actor, service_id)
    await desk.resources.inbox.submit([desk.whmcs_news("service", service_id)])
    await desk.settle()
    await make_due(desk.context)
    assert (await row(desk, service_id))["error_code"] == "service_ends"


async def test_while_somebody_is_at_the_service_its_change_waits_a_moment(desk: Any) -> None:
    _, service_id = await business_to_basic(desk)
    async with lock_service(desk.context, service_id):
        found = await on_its_day(desk, service_id)
        assert (found["state"], found["error_code"]) == ("waiting", "subscription_busy")
    assert (await on_its_day(desk, service_id))["state"] == "done"


async def test_a_change_that_is_just_being_set_up_is_waited_for(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await plan(desk, actor, service_id, "HOSTING-BASIC")
    await change_plan(desk.context, again(actor), ChangePlan(service_id, "downgrade", NewPlan(sku="HOSTING-PRO")))
    found = await on_its_day(desk, service_id)
    assert (found["state"], found["error_code"]) == ("waiting", "change_in_progress")
    assert await followed(desk, service_id) == "done"
    assert (await on_its_day(desk, service_id))["state"] == "done"
    assert (await shown(desk, service_id))["name"] == "Hosting Basic"


async def test_a_change_that_cannot_be_tried_blocks_no_other_and_does_not_stay_forever(desk: Any) -> None:
    """A row that breaks the code: its price is no number."""
    actor, broken = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await plan(desk, actor, broken, "HOSTING-BASIC")
    other, healthy = await on_plan(desk, "hosting", "HOSTING-BUSINESS", 1)
    await plan(desk, other, healthy, "HOSTING-BASIC")
    await desk.pool.execute("UPDATE portal.scheduled_changes SET monthly = 'NaN' WHERE subscription_id = $1", broken)
    await its_day(desk, broken)
    assert (await on_its_day(desk, healthy))["state"] == "done"
    assert (await row(desk, broken))["state"] == "waiting"
    await desk.pool.execute("UPDATE portal.scheduled_changes SET attempts = $1 WHERE state = 'waiting'", TRIES)
    found = await on_its_day(desk, broken)
    assert (found["state"], found["error_code"], found["reason"]) == ("refused", "given_up", REFUSED)


async def test_a_change_cancelled_after_it_was_taken_up_is_not_made(desk: Any) -> None:
    _, service_id = await business_to_basic(desk)
    await its_day(desk, service_id)
    claimed = await scheduled.claim(desk.pool, 60)
    assert claimed is not None
    await scheduled.end(desk.context, claimed, scheduled.Ending(state="cancelled", error_code=scheduled.BY_CUSTOMER))
    await desk.pool.execute("UPDATE portal.scheduled_changes SET next_attempt_at = now()")
    assert await make_due(desk.context) == 0
    assert await upgrades(desk, service_id) == []


async def test_the_running_worker_makes_it(desk: Any) -> None:
    from app.processes.clock import registry

    _, service_id = await business_to_basic(desk)
    await its_day(desk, service_id)
    [job] = [each for each in registry.jobs(desk.resources.settings) if each.name == "scheduled"]
    assert job.run is not None
    await job.run(desk.resources)
    await WorkerJobs(desk.resources).sweep()
    assert (await row(desk, service_id))["state"] == "done"


async def test_the_emergency_stop_holds_it_and_nothing_is_lost(desk: Any) -> None:
    _, service_id = await business_to_basic(desk)
    await its_day(desk, service_id)
    await money_stop.stop(desk.pool, Operator(name="aya"), "double charges")
    assert await make_due(desk.context) == 0
    assert (await upgrades(desk, service_id), (await row(desk, service_id))["attempts"]) == ([], 0)
    await money_stop.resume(desk.pool, Operator(name="aya"))
    assert await make_due(desk.context) == 1
    assert (await row(desk, service_id))["state"] == "done"
