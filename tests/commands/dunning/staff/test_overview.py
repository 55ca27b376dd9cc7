"""Staff see every unpaid invoice, in the order in which it becomes urgent, and what needs a look."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest
from msgspec import structs

from app.audit import Operator
from app.cli.doctor.dunning import dunning
from app.commands.dunning import grace
from app.commands.dunning.journal import DunningRow
from app.commands.dunning.schedule import calendar_of
from app.commands.dunning.staff import overview
from app.commands.dunning.staff.terms import terms
from app.errors import NotFound
from app.http.monitoring.dunning_metrics import dunning_metrics
from app.processes.clock import registry
from app.resources import Resources
from app.schedule import billing_tasks, clock_jobs
from app.settings import Settings
from tests.commands.dunning.shown.journaled import journal, step, suspended

NOW = datetime.now(UTC)
TODAY = NOW.astimezone(ZoneInfo("Asia/Tokyo")).date()
MIKA = Operator(name="mika")


def ours(settings: Settings) -> Settings:
    return structs.replace(settings, automate_captures="portal", automate_suspension="portal")


async def hold(pool: asyncpg.Pool, account_id: UUID, invoice_id: int | None) -> None:
    await pool.execute(
        "INSERT INTO portal.dunning_holds (account_id, whmcs_invoice_id, reason, placed_by) "
        "VALUES ($1, $2, 'dispute', 'mika')",
        str(account_id),
        invoice_id,
    )


async def test_the_most_urgent_is_in_front_and_ended_ones_are_listed_by_state(
    pool: asyncpg.Pool, settings: Settings, billed: UUID
) -> None:
    await journal(pool, billed, 77, state="trying", suspend_on=TODAY + timedelta(days=9))
    await journal(pool, billed, 78, state="grace", suspend_on=TODAY + timedelta(days=2))
    await journal(pool, billed, 79, state="trying")
    await journal(pool, billed, 80, state="settled", ended_at=NOW)
    await hold(pool, billed, 78)
    found = await overview.listed(pool, settings, None, 10)
    assert [each.whmcs_invoice_id for each in found] == [78, 77, 79]
    assert [each.hold_reason for each in found] == ["dispute", None, None]
    assert [str(each.balance) for each in found] == ["None", "1628", "None"]
    assert [each.whmcs_invoice_id for each in await overview.listed(pool, settings, "settled", 10)] == [80]
    assert len(await overview.listed(pool, settings, None, 1)) == 1


async def test_the_story_of_an_invoice_has_steps_holds_and_suspensions(
    pool: asyncpg.Pool, settings: Settings, billed: UUID
) -> None:
    await journal(pool, billed, state="suspended", suspended_at=NOW)
    await step(pool, billed, "payment_failed", 1, decline_code="insufficient_funds")
    await step(pool, billed, "suspended")
    await suspended(pool, billed)
    await hold(pool, billed, None)
    story = await overview.one(pool, settings, 77)
    assert story.dunning is not None
    assert [(each.step, each.number) for each in story.steps] == [("payment_failed", 1), ("suspended", 0)]
    assert [each.subscription_id for each in story.suspensions] == ["55"]
    assert [each.reason for each in story.holds] == ["dispute"]
    msgspec.json.encode(story)
    with pytest.raises(NotFound):
        await overview.one(pool, settings, 99)


LATE = {"suspend_on": TODAY - timedelta(days=1)}
STUCK = {"next_step_at": NOW - timedelta(hours=3)}


@pytest.mark.parametrize(
    ("row", "counted", "sentence"),
    [
        ({"state": "trying"}, {"trying": 1}, ""),
        ({"state": "grace", "suspend_on": TODAY + timedelta(days=1)}, {"grace": 1}, ""),
        ({"state": "grace", **LATE}, {"grace": 1, "late": 1}, "1 invoices are past their day of suspension."),
        ({"state": "suspended", "suspended_at": NOW, **LATE}, {"suspended": 1}, ""),
        (
            {"state": "trying", **STUCK},
            {"trying": 1, "stuck": 1},
            "1 invoices have waited for their next step for more",
        ),
        ({"state": "settled", "ended_at": NOW, **LATE}, {}, ""),
    ],
)
async def test_what_needs_a_look_is_counted_and_found_by_the_doctor_and_in_metrics(
    pool: asyncpg.Pool, settings: Settings, billed: UUID, row: dict[str, Any], counted: dict[str, int], sentence: str
) -> None:
    await journal(pool, billed, **row)
    found = await overview.counts(pool, settings)
    zeros = dict.fromkeys(overview.DunningCounts.__struct_fields__, 0)
    assert structs.asdict(found) == {**zeros, **counted}
    finding = await dunning(ours(settings))
    assert finding.status == ("failed" if sentence else "ok"), finding
    assert finding.detail.startswith(sentence or f"{sum(counted.values())} invoices in dunning")
    text = (await dunning_metrics(pool, settings)).decode()
    assert all(f'portal_dunning{{state="{name}"}} {count}\n' in text for name, count in {**zeros, **counted}.items())
    elsewhere = await dunning(settings)
    assert (elsewhere.status, elsewhere.detail) == ("ok", "WHMCS charges and suspends")


async def test_a_run_that_the_bound_stopped_is_a_finding_and_a_metric(
    pool: asyncpg.Pool, resources: Resources, billed: UUID
) -> None:
    """The sentence is the one that the process says."""
    bound = structs.replace(ours(resources.settings), suspensions_per_day_percent=0.1)
    accounts = [structs.replace(a_row(), account_id=str(UUID(int=number))) for number in range(4)]
    context = structs.replace(resources, settings=bound).context
    said = await grace.excess(context, calendar_of(bound), accounts, NOW)
    assert said is not None
    await clock_jobs.register(pool, registry.registrations(bound))
    await pool.execute(
        "UPDATE portal.clock_jobs SET last_outcome = 'postponed', last_detail = $1 WHERE name = 'suspension'", said
    )
    finding = await dunning(bound)
    assert (finding.status, finding.detail) == ("failed", said)
    assert "portal_dunning_suspensions_stopped 1\n" in (await dunning_metrics(pool, bound)).decode()
    assert (await terms(pool, bound)).stopped == said
    for outcome, detail in (("done", said), ("postponed", "WHMCS is away")):
        await pool.execute(
            "UPDATE portal.clock_jobs SET last_outcome = $1, last_detail = $2 WHERE name = 'suspension'",
            outcome,
            detail,
        )
        assert (await dunning(bound)).status == "ok"
        assert "portal_dunning_suspensions_stopped 0\n" in (await dunning_metrics(pool, bound)).decode()


def a_row() -> DunningRow:
    return DunningRow(
        whmcs_invoice_id=77,
        account_id="",
        whmcs_client_id=1001,
        state="grace",
        max_attempts=3,
        due_on=TODAY,
        suspend_on=TODAY,
        started_at=NOW,
    )


async def test_the_policy_names_every_exception_and_who_does_what(pool: asyncpg.Pool, settings: Settings) -> None:
    found = await terms(
        pool, structs.replace(ours(settings), dunning_policies="group 3: 2,5 + 14; product 12: 4 + never")
    )
    assert [(each.subject, each.retry_days, each.grace_days) for each in found.policies] == [
        ("usual", (1, 3, 7), 7),
        ("group 3", (2, 5), 14),
        ("product 12", (4,), None),
    ]
    assert [(each.task, each.automator, each.since) for each in found.tasks] == [
        ("captures", "portal", None),
        ("suspension", "portal", None),
    ]
    await billing_tasks.record(pool, "portal", billing_tasks.Observed("captures", "none", None))
    assert (await terms(pool, settings)).tasks[0].since is not None


async def test_a_held_one_is_not_late(pool: asyncpg.Pool, settings: Settings, billed: UUID) -> None:
    await journal(pool, billed, state="grace", **LATE)
    await hold(pool, billed, 77)
    found = await overview.counts(pool, settings)
    assert (found.grace, found.held, found.late) == (1, 1, 0)


async def test_a_service_that_stayed_suspended_after_its_payment_is_found(
    pool: asyncpg.Pool, settings: Settings, billed: UUID
) -> None:
    await journal(pool, billed, state="settled", ended_at=datetime.now(UTC) - timedelta(minutes=5))
    await suspended(pool, billed)
    assert (await overview.counts(pool, settings)).unrestored == 0
    await journal(pool, billed, ended_at=datetime.now(UTC) - timedelta(minutes=15))
    assert (await overview.counts(pool, settings)).unrestored == 1
    finding = await dunning(ours(settings))
    assert "1 services are suspended although their invoice is settled." in finding.detail
    await pool.execute("UPDATE portal.dunning_suspensions SET ended_at = now(), outcome = 'restored'")
    assert (await overview.counts(pool, settings)).unrestored == 0
