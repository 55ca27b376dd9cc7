"""One member that fails in a way nobody foresaw stops none of the others, in any chore."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.commands import mail_outbox
from app.commands.account import report_to_salesforce
from app.commands.subscriptions.plan_changes import follow, journal
from app.processes.chores import for_each
from app.projections.engine import fan_outs
from app.settings import Settings
from tests.fixtures.linked import add_account

MANY = 3


async def test_each_member_is_tried(pool: asyncpg.Pool) -> None:
    tried = []

    async def work(member: int) -> None:
        tried.append(member)
        if member == 1:
            raise KeyError("poison")

    await for_each("test", range(3), work)
    assert tried == [0, 1, 2]

    async def outage(member: int) -> None:
        raise asyncpg.ConnectionDoesNotExistError("away")

    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await for_each("test", range(3), outage)


async def test_a_mail_that_cannot_be_written(
    pool: asyncpg.Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def poison(*_: Any) -> None:
        raise UnicodeError("a name that no mail can carry")

    monkeypatch.setitem(mail_outbox.WRITERS, "welcome", poison)  # type: ignore[arg-type]
    customer = {"whmcs_client_id": "1", "salesforce_account_id": "001A", "customer_number": "C-1"}
    await add_account(pool, {"email": "hana@example.jp", **customer})
    for kind in ("welcome", "password_changed", "welcome"):
        await mail_outbox.enqueue(pool, kind, "hana@example.jp")  # type: ignore[arg-type]
    await mail_outbox.enqueue(pool, "password_changed", "nobody@example.jp")

    assert await mail_outbox.send_due(pool, settings) == 4

    rows = await pool.fetch("SELECT kind, outcome, error, attempts FROM portal.mails ORDER BY id")
    assert [row["attempts"] for row in rows] == [1, 1, 1, 1]
    assert rows[3]["outcome"] == "nobody"
    assert "no mail can carry" in rows[0]["error"]
    for _ in range(mail_outbox.MOST_ATTEMPTS):
        await pool.execute("UPDATE portal.mails SET next_attempt_at = now() WHERE finished_at IS NULL")
        await mail_outbox.send_due(pool, settings)
    assert await pool.fetchval("SELECT outcome FROM portal.mails WHERE kind = 'welcome' LIMIT 1") == "given_up"


async def test_a_mail_that_is_being_sent_is_nobody_else_s(pool: asyncpg.Pool, settings: Settings) -> None:
    await mail_outbox.enqueue(pool, "password_changed", "nobody@example.jp")
    looked = await asyncio.gather(*(mail_outbox.send_due(pool, settings) for _ in range(4)))
    assert sum(looked) == 1


async def test_an_account_whose_update_salesforce_refuses(
    pool: asyncpg.Pool, resources: Any, sandbox_state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    customers = [each for each in sandbox_state["customers"] if each["whmcs_client_id"]][:MANY]
    for each_one in customers:
        await add_account(pool, each_one)
    await pool.execute("UPDATE portal.id_mappings SET linked_at = now() - interval '1 hour'")
    plain, bad = resources.salesforce.update, customers[0]["salesforce_account_id"]

    async def update(object_name: str, record_id: str, fields: Any) -> None:
        if record_id == bad:
            raise KeyError("an answer nobody foresaw")
        await plain(object_name, record_id, fields)

    monkeypatch.setattr(resources.salesforce, "update", update)
    assert await report_to_salesforce.report_pending(pool, resources.salesforce) == MANY - 1


async def test_a_change_of_plan(resources: Any, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = "change_id, account_id, subscription_id, whmcs_client_id, category, sku, product_id, product_name"
    for number in range(MANY):
        await pool.execute(
            f"INSERT INTO portal.plan_changes ({columns}, command_digest, plan_code, state) "
            "VALUES ($1, $2, $3, '1', 'sim', 'SKU', '1', 'Plan', '', 'P', 'providing')",
            uuid4(),
            uuid4(),
            str(number),
        )
    tried = []

    async def poison(ctx: Any, change: journal.PlanChange) -> journal.PlanChange:
        tried.append(change.subscription_id)
        raise AttributeError("nobody foresaw this")

    monkeypatch.setattr(follow, "_advance", poison)
    assert await follow.follow(resources.context) == MANY
    assert sorted(tried) == ["0", "1", "2"]
    rows = await pool.fetch("SELECT state, attempts, error_code FROM portal.plan_changes")
    assert {tuple(row) for row in rows} == {("providing", 1, "internal_error")}


async def test_a_fan_out_of_a_slice_that_this_release_does_not_know(pool: asyncpg.Pool) -> None:
    for name in ("unknown", "of_tomorrow"):
        await pool.execute("INSERT INTO ingest.fanouts (slice, object, record_id) VALUES ($1, 'Product2', '1')", name)
    assert [size async for size in fan_outs.run(pool, [])] == []
    assert await pool.fetchval("SELECT count(*) FROM ingest.fanouts") == 2
