"""A hold by staff is shown at once, ends by itself or by hand, leaves a trace, and tells the customer no reason."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from app.audit import Operator
from app.commands.dunning.shown.announce import announce_due
from app.commands.dunning.staff import holds, overview
from app.commands.dunning.staff.holds import HoldTarget
from app.commands.execution.context import Context
from app.errors import NotFound, RuleViolated
from app.events import Change
from tests.commands.dunning.shown.journaled import journal
from tests.commands.dunning.shown.test_announce import shown

Feed = Callable[[Sequence[Change]], Awaitable[None]]
MIKA = Operator(name="mika")
TODAY = datetime.now(UTC).astimezone(ZoneInfo("Asia/Tokyo")).date()
LATER = TODAY + timedelta(days=14)
PLANNED = {
    "next_attempt_at": datetime.now(UTC) + timedelta(days=2),
    "suspend_on": TODAY + timedelta(days=9),
    "subscription_ids": ["55"],
}


async def test_a_hold_shows_at_once_and_dunning_goes_on_when_it_is_lifted(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED)
    await announce_due(ours)
    target = await holds.target_of_invoice(pool, 77)
    placed = await holds.hold(ours, MIKA, target, "disputes the amount", LATER)
    assert (placed.whmcs_invoice_id, placed.until, placed.placed_by) == (77, LATER, "mika")
    invoice, service = await shown(pool, feed)
    assert (invoice["state"], invoice["paused_until"], service["state"]) == ("paused", LATER.isoformat(), "paused")
    assert "disputes" not in str(invoice)
    [lifted] = await holds.lift(ours, MIKA, target, "settled with the customer")
    assert (lifted.hold_id, lifted.lifted_by) == (placed.hold_id, "mika")
    assert (await shown(pool, feed))[0]["state"] == "retrying"
    found = await pool.fetch("SELECT action, target, detail FROM portal.audit ORDER BY id")
    assert [(each["action"], each["target"], each["detail"]["reason"]) for each in found] == [
        ("dunning.hold", "invoice 77", "disputes the amount"),
        ("dunning.lift", "invoice 77", "settled with the customer"),
    ]


async def test_forgiveness_has_no_end_and_can_be_taken_back(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED)
    target = await holds.target_of_invoice(pool, 77)
    for _ in range(2):  # safe to repeat
        forgiven = await holds.forgive(ours, MIKA, target, "goodwill")
    assert forgiven.until is None
    invoice, _ = await shown(pool, feed)
    assert (invoice["state"], invoice["paused_until"]) == ("paused", None)
    assert await pool.fetchval("SELECT count(*) FROM portal.dunning_holds WHERE lifted_at IS NULL") == 1
    await holds.lift(ours, MIKA, target, "by mistake")
    assert (await shown(pool, feed))[0]["state"] == "retrying"


async def test_a_new_hold_takes_the_place_of_the_old_one(ours: Context, pool: asyncpg.Pool, billed: UUID) -> None:
    target = await holds.target_of_invoice(pool, 77)
    await holds.forgive(ours, MIKA, target, "goodwill")
    await holds.hold(ours, MIKA, target, "only until then", LATER)
    open_holds = await pool.fetch("SELECT until FROM portal.dunning_holds WHERE lifted_at IS NULL")
    assert [each["until"] for each in open_holds] == [LATER]


async def test_a_hold_of_the_account_covers_every_invoice_and_outlives_that_of_one(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED)
    of_account, of_invoice = await holds.target_of_account(pool, billed), await holds.target_of_invoice(pool, 77)
    await holds.hold(ours, MIKA, of_account, "in hospital", LATER)
    await holds.hold(ours, MIKA, of_invoice, "disputes it", TODAY)
    assert (await shown(pool, feed))[0]["paused_until"] == LATER.isoformat()
    await holds.lift(ours, MIKA, of_invoice, "settled")
    assert (await shown(pool, feed))[0]["state"] == "paused"
    await holds.lift(ours, MIKA, of_account, "back home")
    assert (await shown(pool, feed))[0]["state"] == "retrying"


@pytest.mark.parametrize("until", [TODAY - timedelta(days=1), TODAY + timedelta(days=367), date.max, date.min])
async def test_a_hold_ends_on_a_day_to_come_and_not_in_years(
    ours: Context, pool: asyncpg.Pool, billed: UUID, until: date
) -> None:
    with pytest.raises(RuleViolated) as refused:
        await holds.hold(ours, MIKA, await holds.target_of_invoice(pool, 77), "x", until)
    assert refused.value.code == "hold_day_invalid"
    assert await pool.fetchval("SELECT count(*) FROM portal.dunning_holds") == 0


@pytest.mark.parametrize("until", [TODAY, TODAY + timedelta(days=366)])
async def test_the_first_and_the_last_possible_day(
    ours: Context, pool: asyncpg.Pool, billed: UUID, until: date
) -> None:
    assert (await holds.hold(ours, MIKA, await holds.target_of_invoice(pool, 77), "x", until)).until == until


async def test_what_does_not_exist_cannot_be_held_or_lifted(ours: Context, pool: asyncpg.Pool, billed: UUID) -> None:
    with pytest.raises(NotFound) as unknown:
        await holds.target_of_invoice(pool, 78)
    assert unknown.value.code == "invoice_not_found"
    with pytest.raises(NotFound):
        await holds.target_of_account(pool, uuid4())
    with pytest.raises(NotFound) as nothing:
        await holds.lift(ours, MIKA, await holds.target_of_invoice(pool, 77), "x")
    assert nothing.value.code == "no_hold"
    assert await pool.fetchval("SELECT count(*) FROM portal.audit") == 0


async def test_an_invoice_of_which_nothing_was_done_yet_can_be_held(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    """The hold is in place when its dunning would begin."""
    await holds.hold(ours, MIKA, await holds.target_of_invoice(pool, 77), "disputed", LATER)
    story = await overview.one(pool, ours.settings, 77)
    assert (story.dunning, len(story.holds)) == (None, 1)
    await journal(pool, billed, **PLANNED)
    await announce_due(ours)
    assert (await shown(pool, feed))[0]["state"] == "paused"


async def test_a_hold_of_another_account_is_none_of_this_one(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED)
    await holds.hold(ours, MIKA, HoldTarget(str(uuid4())), "another", LATER)
    await announce_due(ours)
    assert (await shown(pool, feed))[0]["state"] == "retrying"


@pytest.mark.parametrize("whole_account", [False, True])
async def test_a_charge_whose_time_came_during_a_hold_is_due_once_the_hold_is_lifted(
    ours: Context, pool: asyncpg.Pool, billed: UUID, whole_account: bool
) -> None:
    now = datetime.now(UTC)
    came, planned = now - timedelta(minutes=30), now + timedelta(hours=30)
    paused = {"next_step_at": now + timedelta(minutes=50)}
    await journal(pool, billed, 77, **{**PLANNED, "next_attempt_at": came}, **paused)
    await journal(pool, billed, 78, **{**PLANNED, "next_attempt_at": planned, "next_step_at": planned})
    await journal(pool, billed, 79, state="grace", next_attempt_at=came, **paused)
    target = HoldTarget(str(billed)) if whole_account else await holds.target_of_invoice(pool, 77)
    await holds.hold(ours, MIKA, target, "in hospital", LATER)
    await holds.lift(ours, MIKA, target, "back home")
    found = dict(await pool.fetch("SELECT whmcs_invoice_id, next_step_at FROM portal.dunning"))
    assert found[77] <= datetime.now(UTC)
    assert (found[78], found[79]) == (planned, paused["next_step_at"])


async def test_the_hold_of_an_invoice_outlives_its_owner(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    """Its client was merged into that of another account."""
    await journal(pool, uuid4(), **PLANNED)
    await holds.hold(ours, MIKA, await holds.target_of_invoice(pool, 77), "ill", LATER)
    await pool.execute("UPDATE portal.dunning SET account_id = $1", str(billed))
    await announce_due(ours)
    assert (await shown(pool, feed))[0]["state"] == "paused"
    [listed] = await overview.listed(pool, ours.settings, None, 10)
    assert (listed.hold_reason, (await overview.counts(pool, ours.settings)).held) == ("ill", 1)
    assert len(await holds.lift(ours, MIKA, await holds.target_of_invoice(pool, 77), "well again")) == 1
    assert (await shown(pool, feed))[0]["state"] == "retrying"
