"""Retention: what is past its time goes in batches; what is still needed never does, whatever its age."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from app.ingest import retention
from app.settings import SettingsError, load
from tests.test_settings import filled

DAYS = 14
_ENTRY = """
INSERT INTO ingest.inbox (id, source, event_id, object, record_id, kind, origin, version, occurred_at, received_at,
                          submission, lane, shard, settled_at, attempts)
VALUES ($1, 'whmcs', 'event ' || $2, 'invoice', $2, 'full', 'webhook', 1, now(), now() - $3::interval, 1, $4, 0,
        now() - $5::interval, $6)
"""
entries = st.lists(
    st.fixed_dictionaries(
        {
            "received_days": st.floats(0, 60),
            "settled_share": st.one_of(st.none(), st.floats(0, 1)),  # of the time since it came in
            "letter": st.sampled_from([None, "open", "retried", "discarded"]),
            "lane": st.sampled_from(["apply", "fetch"]),
            "attempts": st.integers(0, 5),
        }
    ),
    max_size=12,
)


async def store(pool: asyncpg.Pool, each: dict[str, Any], number: int) -> bool:
    """Put one entry; returns whether it must stay."""
    settled_days = None if each["settled_share"] is None else each["received_days"] * each["settled_share"]
    await pool.execute(
        _ENTRY,
        number,
        f"r{number}",
        timedelta(days=each["received_days"]),
        each["lane"],
        None if settled_days is None else timedelta(days=settled_days),
        each["attempts"],
    )
    if each["letter"]:
        resolution = None if each["letter"] == "open" else each["letter"]
        await pool.execute(
            "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts, resolution, "
            "resolved_at) VALUES ($1, 'whmcs', 'invoice', $2, 'e', 's', 5, $3::text, "
            "CASE WHEN $3::text IS NOT NULL THEN now() END)",
            number,
            f"r{number}",
            resolution,
        )
    return settled_days is None or settled_days < DAYS or each["letter"] is not None


@budget(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=entries, batch=st.integers(1, 6))
async def test_retention_never_deletes_what_is_not_settled_or_still_needed(
    pool: asyncpg.Pool, history: list[dict[str, Any]], batch: int
) -> None:
    """And deletes all the rest, in any mixture and whatever the size of its batches."""
    await pool.execute("TRUNCATE ingest.inbox, ingest.dead_letters")
    # Ids are given out in the order in which entries come in.
    ordered = sorted(history, key=lambda each: -each["received_days"])
    kept = [number for number, each in enumerate(ordered, 1) if await store(pool, each, number)]
    await retention.clean(pool, inbox_days=DAYS, batch=batch)
    left = [row["id"] for row in await pool.fetch("SELECT id FROM ingest.inbox ORDER BY id")]
    assert left == kept


async def test_an_entry_that_somebody_holds_is_left_for_the_next_run(pool: asyncpg.Pool) -> None:
    old = {"received_days": 40, "settled_share": 1, "letter": None, "lane": "apply", "attempts": 0}
    for number in (1, 2):
        await store(pool, old, number)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM ingest.inbox WHERE id = 1 FOR UPDATE")
        assert (await retention.clean(pool, inbox_days=DAYS))["ingest.inbox"] == 1
    assert (await retention.clean(pool, inbox_days=DAYS))["ingest.inbox"] == 1


async def test_a_run_without_time_deletes_nothing(pool: asyncpg.Pool) -> None:
    await store(pool, {"received_days": 40, "settled_share": 1, "letter": None, "lane": "apply", "attempts": 0}, 1)
    assert sum((await retention.clean(pool, inbox_days=DAYS, budget_seconds=0)).values()) == 0


async def test_published_notices_are_deleted_after_a_day_and_pending_ones_never(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO ingest.notices (account_id, slice, item_id, version, created_at, told_at) "
        "SELECT $1, 'orders', t.name, 1, now() - interval '9 days', now() - t.told "
        "FROM (VALUES ('untold', NULL), ('young', interval '23 hours'), ('old', interval '25 hours')) "
        "AS t (name, told)",
        uuid4(),
    )
    await retention.clean(pool, inbox_days=DAYS)
    assert {row["item_id"] for row in await pool.fetch("SELECT item_id FROM ingest.notices")} == {"untold", "young"}


async def test_open_dead_letters_stay_and_resolved_ones_go_after_ninety_days(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts, parked_at, "
        "resolution, resolved_at) SELECT t.id, 'whmcs', 'invoice', 'x', 'e', 's', 5, now() - interval '1 year', "
        "t.resolution, now() - t.resolved FROM (VALUES (1, NULL, NULL), (2, 'retried', interval '89 days'), "
        "(3, 'discarded', interval '91 days')) AS t (id, resolution, resolved)"
    )
    await retention.clean(pool, inbox_days=DAYS)
    rows = await pool.fetch("SELECT entry_id FROM ingest.dead_letters ORDER BY entry_id")
    assert [row["entry_id"] for row in rows] == [1, 2]


async def test_sessions_and_link_tokens_go_a_month_after_they_end(pool: asyncpg.Pool) -> None:
    user_id = uuid4()
    await pool.execute("INSERT INTO portal.users (id, email, password_hash) VALUES ($1, 'a@x.jp', 'unused')", user_id)
    for number, days in enumerate((-1, 29, 31)):
        ended = timedelta(days=days)
        await pool.execute(
            "INSERT INTO portal.sessions (id, token_hash, user_id, expires_at) "
            "VALUES ($1, $2, $3, now() - $4::interval)",
            uuid4(),
            bytes([number]),
            user_id,
            ended,
        )
        await pool.execute(
            "INSERT INTO portal.link_tokens VALUES ($1, 'e', 'f', 'l', '1', '001', 'n', 'C', now() - $2::interval)",
            bytes([number]),
            ended,
        )
    await retention.clean(pool, inbox_days=DAYS)
    for table in ("portal.sessions", "portal.link_tokens"):
        rows = await pool.fetch(f"SELECT token_hash FROM {table} ORDER BY token_hash")
        assert [row["token_hash"] for row in rows] == [b"\x00", b"\x01"]


async def test_sign_ups_that_were_only_begun_go_two_days_after_they_expired(pool: asyncpg.Pool) -> None:
    for number, hours in enumerate((-1, 47, 49)):
        await pool.execute(
            "INSERT INTO portal.enrolments (id, token_hash, purpose, subject, sealed_facts, expires_at) "
            "VALUES ($1, $2, 'sign_up', 'C-1', '', now() - $3::interval)",
            uuid4(),
            bytes([number]),
            timedelta(hours=hours),
        )
    await retention.clean(pool, inbox_days=DAYS)
    rows = await pool.fetch("SELECT token_hash FROM portal.enrolments ORDER BY token_hash")
    assert [row["token_hash"] for row in rows] == [b"\x00", b"\x01"]


async def test_mails_and_letters_go_ninety_days_after_they_are_done_with(pool: asyncpg.Pool) -> None:
    for number, days in enumerate((-1, 89, 91)):
        ended = timedelta(days=days)
        await pool.execute(
            "INSERT INTO portal.mails (kind, recipient, finished_at) VALUES ('welcome', $1, now() - $2::interval)",
            f"{number}@x.jp",
            ended,
        )
        await pool.execute(
            "INSERT INTO portal.invitations VALUES ($1, $2, '', now(), now() - $3::interval, NULL)",
            uuid4(),
            f"{number}@x.jp",
            ended,
        )
    await pool.execute("INSERT INTO portal.mails (kind, recipient) VALUES ('welcome', '3@x.jp')")  # waits still
    await retention.clean(pool, inbox_days=DAYS)
    rows = await pool.fetch("SELECT recipient FROM portal.mails ORDER BY recipient")
    assert [row["recipient"] for row in rows] == ["0@x.jp", "1@x.jp", "3@x.jp"]
    rows = await pool.fetch("SELECT customer_number FROM portal.invitations ORDER BY customer_number")
    assert [row["customer_number"] for row in rows] == ["0@x.jp", "1@x.jp"]


def test_a_retention_shorter_than_what_the_bus_repeats_is_refused() -> None:
    """Lesson: an event id must not come back, as new, after its entry was forgotten; replay reaches back 72 hours."""
    with pytest.raises(SettingsError, match="INBOX_RETENTION_DAYS cannot be used"):
        load({**filled(), "INBOX_RETENTION_DAYS": "4"})
    assert load({**filled(), "INBOX_RETENTION_DAYS": "5"}).inbox_retention_days == 5
