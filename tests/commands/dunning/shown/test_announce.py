"""What the journal of dunning says is shown within one run, once, and mailed once; the same is never said again."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.commands import mail_outbox
from app.commands.dunning.shown import announce as announcing
from app.commands.dunning.shown.announce import announce_due, automators
from app.commands.execution.context import Context
from app.events import Change
from app.resources import Resources
from tests.commands.dunning.shown.conftest import by_setting
from tests.commands.dunning.shown.journaled import journal, step, suspended
from tests.fixtures.changes import INVOICE, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]
NOW = datetime.now(UTC).replace(microsecond=0)
SOON = NOW + timedelta(days=2)
SUSPEND_ON = (NOW + timedelta(days=9)).date()
PLANNED = {"next_attempt_at": SOON, "suspend_on": SUSPEND_ON, "subscription_ids": ["55"]}
DECLINED = {"last_decline_kind": "soft", "last_decline_code": "insufficient_funds"}
PAID = {"status": "Paid", "balance": "0.00", "datepaid": "2026-01-20 12:00:00"}


async def shown(pool: asyncpg.Pool, feed: Feed) -> tuple[Any, Any]:
    """Apply what was submitted; return what the invoice and the service say."""
    await feed([])
    await drained(pool, feed)
    invoice = msgspec.json.decode(await pool.fetchval("SELECT document FROM read_model.invoices"))
    service = msgspec.json.decode(await pool.fetchval("SELECT document FROM read_model.subscriptions"))
    return invoice["dunning"], service["dunning"]


async def drained(pool: asyncpg.Pool, feed: Feed) -> None:
    """Drain the inbox: an unrelated change runs every shard that has work."""
    await feed([change("whmcs", "gateway", "mailin", {"displayname": "Bank transfer"})])


async def submissions(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE object IN ('dunning', 'service_dunning')"))


async def mails(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM portal.mails WHERE kind = 'dunning'"))


async def test_a_failed_charge_shows_on_invoice_and_service_with_what_follows(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, slot=1, **PLANNED, **DECLINED)
    assert await announce_due(ours) == 1
    invoice, service = await shown(pool, feed)
    assert (invoice["state"], invoice["attempt"], invoice["max_attempts"]) == ("retrying", 1, 3)
    assert datetime.fromisoformat(invoice["next_attempt_at"]) == SOON
    assert (invoice["suspends_on"], invoice["decline"]["code"]) == (SUSPEND_ON.isoformat(), "insufficient_funds")
    assert service == invoice
    assert "attempt 2 of 3" in invoice["text"]


async def test_what_is_shown_is_not_submitted_again(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED)
    assert await announce_due(ours) == 1
    before = await submissions(pool)
    assert before == 2
    assert await announce_due(ours) == 0
    await journal(pool, billed)  # looked at, and nothing is different
    assert await announce_due(ours) == 1
    assert (await announce_due(ours), await submissions(pool)) == (0, before)


async def test_the_account_s_version_moves_and_its_events_name_both(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    version = "SELECT version FROM read_model.account_versions WHERE account_id = $1"
    before = await pool.fetchval(version, billed)
    await journal(pool, billed, **PLANNED)
    await announce_due(ours)
    await shown(pool, feed)
    assert await pool.fetchval(version, billed) > before
    told = await pool.fetch(
        "SELECT DISTINCT slice, item_id FROM ingest.notices WHERE account_id = $1 AND version > $2", billed, before
    )
    assert {("invoices", "77"), ("subscriptions", "55")} <= {(each["slice"], each["item_id"]) for each in told}


@pytest.mark.parametrize("ended", [{"state": "settled"}, {"state": "abandoned", "ended_reason": "cancelled"}])
async def test_what_ended_is_taken_back(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed, ended: dict[str, Any]
) -> None:
    await journal(pool, billed, **PLANNED)
    await announce_due(ours)
    assert (await shown(pool, feed))[0] is not None
    await journal(pool, billed, ended_at=NOW, **ended)
    await announce_due(ours)
    assert await shown(pool, feed) == (None, None)


async def test_a_line_that_left_the_invoice_is_not_threatened_any_more(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED)
    await announce_due(ours)
    assert (await shown(pool, feed))[1] is not None
    await journal(pool, billed, subscription_ids=[])
    await announce_due(ours)
    invoice, service = await shown(pool, feed)
    assert (invoice["state"], service) == ("retrying", None)


async def test_a_change_of_who_automates_takes_back_what_is_not_ours_any_more(
    resources: Resources, ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED, **DECLINED)
    await announce_due(ours)
    whmcs_suspends = by_setting(resources, captures="portal", suspension="whmcs")
    assert await announce_due(whmcs_suspends) == 1
    invoice, _ = await shown(pool, feed)
    assert (invoice["suspends_on"], invoice["max_attempts"]) == (None, 3)
    assert "suspend" not in invoice["text"]
    whmcs_charges = by_setting(resources, captures="whmcs", suspension="portal")
    assert await announce_due(whmcs_charges) == 1
    invoice, _ = await shown(pool, feed)
    assert (invoice["suspends_on"], invoice["max_attempts"]) == (SUSPEND_ON.isoformat(), None)
    assert "try" not in invoice["text"]
    assert await announce_due(resources.context) == 1, "by default WHMCS does both"
    assert await shown(pool, feed) == (None, None)
    assert automators(resources.settings) == "whmcs/whmcs"


async def test_a_promise_that_passed_is_taken_back_without_a_change_of_the_journal(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED)
    await announce_due(ours)
    long_ago = NOW - timedelta(days=3)
    await pool.execute("UPDATE portal.dunning SET next_attempt_at = $1, suspend_on = $2", long_ago, long_ago.date())
    assert await announce_due(ours) == 0
    await pool.execute("UPDATE portal.dunning_news SET recheck_at = now() - interval '1 second'")
    assert await announce_due(ours) == 1
    invoice, _ = await shown(pool, feed)
    assert (invoice["next_attempt_at"], invoice["suspends_on"]) == (None, None)
    assert "at any time" in invoice["text"]


async def test_one_that_cannot_be_shown_stops_no_other(
    ours: Context, pool: asyncpg.Pool, billed: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "BATCH", 1)
    await journal(pool, billed, 76, **PLANNED)
    await pool.execute("UPDATE portal.dunning SET account_id = 'nobody', updated_at = now() - interval '1 hour'")
    await journal(pool, billed, 77, **PLANNED)
    assert await announce_due(ours) == 1
    assert await pool.fetchval("SELECT array_agg(whmcs_invoice_id) FROM portal.dunning_news") == [77]


async def test_every_step_is_one_entry_and_one_notification(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    await journal(pool, billed, **PLANNED, **DECLINED)
    for number in (0, 1):
        detail = {"decline_code": "insufficient_funds", "next_attempt_on": SOON.date().isoformat()}
        await step(pool, billed, "payment_failed", number, **detail)
        for _ in range(2):
            await announce_due(ours)
            await drained(pool, feed)
    await step(pool, billed, "suspension_announced", suspend_on=SUSPEND_ON.isoformat())
    await announce_due(ours)
    await drained(pool, feed)
    await journal(pool, billed, state="settled", ended_at=NOW)
    await step(pool, billed, "settled")
    await announce_due(ours)
    await drained(pool, feed)
    told = await entries(pool)
    assert [(each["kind"], each["reason"]) for each in told] == [
        ("charge_failed", "Your bank declined the charge because there were not enough funds."),
        ("charge_failed", "Your bank declined the charge because there were not enough funds."),
        ("suspension_announced", None),
    ]
    assert "(attempt 1 of 3)" in told[1]["text"]
    assert f"is suspended on {SUSPEND_ON}" in told[2]["text"]
    assert len({each["entry_id"] for each in told}) == 3


async def entries(pool: asyncpg.Pool) -> list[dict[str, Any]]:
    """Return what the timeline tells of dunning, oldest first."""
    found = await pool.fetch(
        "SELECT document, notifies FROM read_model.timeline WHERE kind IN ('charge_failed', 'suspension_announced', "
        "'payment_method_needed', 'service_suspended') ORDER BY at, kind"
    )
    assert all(each["notifies"] for each in found)
    return [msgspec.json.decode(each["document"]) for each in found]


async def test_the_billing_systems_word_and_the_journals_of_one_attempt_are_one_entry(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    """WHMCS tells when it last tried; the journal which attempt that was. The first one keeps the id that WHMCS's
    word had, so that it is not unread again."""
    await feed([attempted("2026-01-15 03:00:00", at=1_000)])
    [first] = await entries(pool)
    await journal(pool, billed, **PLANNED)
    on_due_date = datetime(2026, 1, 15, 2, 0, tzinfo=UTC)  # eight hours later: 03:00 is Tokyo's
    await step(pool, billed, "payment_failed", 0, at=on_due_date, decline_code="card_invalid")
    await announce_due(ours)
    await drained(pool, feed)
    [same] = await entries(pool)
    assert (same["entry_id"], same["reason"]) == (first["entry_id"], "Your card was not accepted.")
    repeated = datetime(2026, 1, 16, 3, 0, 2, tzinfo=UTC)
    await step(pool, billed, "payment_failed", 1, at=repeated, decline_code="insufficient_funds")
    await announce_due(ours)
    await feed([attempted("2026-01-16 12:00:00", at=2_000)])
    told = await entries(pool)
    assert [each["text"].partition(" (")[2][:11] for each in told] == ["", "attempt 1 o"]
    await feed([attempted("2026-01-16 19:00:00", at=3_000)])  # the customer's own
    assert len(await entries(pool)) == 3


def attempted(when: str, at: int) -> Change:
    return change("whmcs", "invoice", "77", {**INVOICE, "last_capture_attempt": when}, at=at, owner_id="1001")


async def test_a_suspension_is_told_once_with_its_reason(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed
) -> None:
    from tests.fixtures.changes import SERVICE

    await journal(pool, billed, state="suspended", suspended_at=NOW, subscription_ids=["55"])
    await suspended(pool, billed)
    await step(pool, billed, "suspended")
    await announce_due(ours)
    at = int(datetime.now(UTC).timestamp() * 1000)
    from tests.fixtures.changes import T0

    await feed([change("whmcs", "service", "55", {**SERVICE, "status": "Suspended"}, at=at - T0, owner_id="1001")])
    [told] = await entries(pool)
    assert (told["kind"], told["reason"]) == ("service_suspended", "Invoice 77 was not paid.")
    invoice, service = await shown(pool, feed)
    assert (invoice["state"], service["state"]) == ("suspended", "suspended")


async def test_steps_that_came_together_are_one_mail_and_none_is_sent_twice(
    ours: Context, pool: asyncpg.Pool, billed: UUID
) -> None:
    await journal(pool, billed, **PLANNED)
    await step(pool, billed, "payment_failed")
    await step(pool, billed, "new_card_needed")
    await announce_due(ours)
    assert await mails(pool) == 1
    await journal(pool, billed, slot=1)
    await announce_due(ours)
    assert await mails(pool) == 1
    await step(pool, billed, "suspension_announced")
    await announce_due(ours)
    assert await mails(pool) == 2
    await journal(pool, billed, state="settled", ended_at=NOW)
    await step(pool, billed, "settled")
    await announce_due(ours)
    assert await mails(pool) == 2


@pytest.fixture
async def sent(sandbox: Any, resources: Resources, ours: Context) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    """Send what is due; return all mails."""
    await sandbox.control.delete("/mail/")

    async def run() -> list[dict[str, str]]:
        await mail_outbox.send_due(resources.pool, ours.settings)
        found: list[dict[str, str]] = (await sandbox.control.get("/mail/")).json()["mails"]
        return found

    return run


async def test_the_mail_says_what_is_true_when_it_is_sent(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed, sent: Any
) -> None:
    await journal(pool, billed, **PLANNED, **DECLINED)
    await step(pool, billed, "payment_failed")
    await announce_due(ours)
    [mail] = await sent()
    assert mail["subject"] == "We could not charge invoice 77"
    assert f"is suspended on {SUSPEND_ON}" in mail["text"]
    assert "not enough funds" in mail["text"]
    assert ours.settings.public_url in mail["text"]


@pytest.mark.parametrize("why", ["paid", "ended", "paused"])
async def test_no_mail_is_sent_about_what_is_not_true_any_more(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed, sent: Any, why: str
) -> None:
    await journal(pool, billed, **PLANNED)
    await step(pool, billed, "suspension_announced")
    await announce_due(ours)
    assert await mails(pool) == 1
    if why == "paid":
        await feed([change("whmcs", "invoice", "77", {**INVOICE, **PAID}, at=1_000, owner_id="1001")])
    elif why == "ended":
        await journal(pool, billed, state="abandoned", ended_at=NOW)
    else:
        await pool.execute(
            "INSERT INTO portal.dunning_holds (account_id, whmcs_invoice_id, reason, placed_by) "
            "VALUES ($1, 77, 'dispute', 'mika')",
            str(billed),
        )
        await journal(pool, billed)
    await announce_due(ours)
    assert await sent() == []
    assert await pool.fetchval("SELECT outcome FROM portal.mails WHERE kind = 'dunning'") == "nobody"


async def test_back_on_is_mailed_after_everything_is_settled(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed, sent: Any
) -> None:
    await journal(pool, billed, state="settled", ended_at=NOW)
    await announce_due(ours)
    await pool.execute(  # the process does not move the row that has ended
        "INSERT INTO portal.dunning_steps (whmcs_invoice_id, account_id, step) VALUES (77, $1, 'restored')", str(billed)
    )
    await announce_due(ours)
    [mail] = await sent()
    assert mail["subject"] == "Your service is switched on again"
    assert mail["text"].startswith("Invoice 77 is settled, and what it bills is switched on again.")


@pytest.mark.parametrize(
    ("until", "paused"), [(None, True), (date.today() + timedelta(days=30), True), (date(2026, 1, 1), False)]
)
@pytest.mark.parametrize("whole_account", [True, False])
async def test_a_hold_of_the_invoice_or_the_account_pauses_what_is_shown(
    ours: Context, pool: asyncpg.Pool, billed: UUID, feed: Feed, until: date | None, paused: bool, whole_account: bool
) -> None:
    await pool.execute(
        "INSERT INTO portal.dunning_holds (account_id, whmcs_invoice_id, reason, until, placed_by) "
        "VALUES ($1, $2, 'dispute', $3, 'mika')",
        str(billed),
        None if whole_account else 77,
        until,
    )
    await journal(pool, billed, **PLANNED)
    await announce_due(ours)
    invoice, _ = await shown(pool, feed)
    assert invoice["state"] == ("paused" if paused else "retrying")
    assert invoice["paused_until"] == (until.isoformat() if paused and until else None)
    assert "dispute" not in invoice["text"]
