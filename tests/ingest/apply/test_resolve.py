"""A change that cannot be applied parks its own record, and an operator decides."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import pytest

from app.audit import Operator
from app.errors import NotFound
from app.events import Change, Record
from app.ingest import retention
from app.ingest.apply import dead_letters, resolve
from app.projections.explain import explain
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.changes import INVOICE, change

Feed = Callable[[Sequence[Change]], Awaitable[None]]
ME = Operator(name="an operator")
POISON = {**INVOICE, "note": "poison"}


async def wake(pairs: object) -> None:
    return None


@pytest.fixture
async def parked(pool: asyncpg.Pool, account: UUID, feed: Feed) -> int:
    """Invoice 77 was fine, then came a change that no projector can read; another waits behind it."""
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="1001")])
    poison = change("whmcs", "invoice", "77", POISON, at=2000, owner_id="1001")
    await feed([poison])
    for _ in range(4):
        await pool.execute("UPDATE ingest.inbox SET next_attempt_at = now() WHERE settled_at IS NULL")
        await feed([change("whmcs", "invoice", "78", {**INVOICE, "total": "1.00"}, at=3000, owner_id="1001")])
    await feed([change("whmcs", "invoice", "77", {"status": "Paid"}, at=4000, kind="partial", owner_id="1001")])
    return int(await pool.fetchval("SELECT id FROM ingest.dead_letters WHERE resolved_at IS NULL"))


async def status(pool: asyncpg.Pool, invoice_id: str) -> str | None:
    where = "SELECT status FROM read_model.invoices WHERE invoice_id = $1"
    return await pool.fetchval(where, invoice_id)  # type: ignore[no-any-return]


async def test_a_poisoned_record_waits_and_every_other_moves_on(pool: asyncpg.Pool, parked: int) -> None:
    (letter,) = await dead_letters.listed(pool)
    assert (letter.object, letter.record_id, letter.waiting, letter.attempts) == ("invoice", "77", 1, 5)
    assert "Poisoned" in letter.error
    assert "Traceback" in letter.stack
    assert await status(pool, "77") == "unpaid"
    assert await status(pool, "78") == "unpaid"
    row = await pool.fetchrow("SELECT source, record_id FROM read_model.parked")
    assert tuple(row) == ("whmcs", "77")


async def test_a_discarded_change_lets_the_next_one_through(pool: asyncpg.Pool, parked: int, feed: Feed) -> None:
    assert (await resolve.discard(pool, wake, [parked], ME, "WHMCS sent nonsense")).ids == [parked]
    await feed([])
    await feed([change("whmcs", "invoice", "79", INVOICE, owner_id="1001")])
    assert await status(pool, "77") == "paid"
    assert await pool.fetchval("SELECT count(*) FROM read_model.parked") == 0
    audit = await pool.fetchrow("SELECT target, detail FROM portal.audit WHERE action = 'dead_letter.discard'")
    assert audit["target"] == f"dead_letter:{parked}"
    assert audit["detail"]["reason"] == "WHMCS sent nonsense"
    assert (await resolve.discard(pool, wake, [parked], ME, "again")).ids == []


async def test_a_retry_has_all_its_attempts_again(pool: asyncpg.Pool, parked: int, feed: Feed) -> None:
    assert (await resolve.retry(pool, wake, [parked], ME)).ids == [parked]
    entry = await pool.fetchrow(
        "SELECT attempts, settled_at FROM ingest.inbox WHERE id = (SELECT entry_id FROM ingest.dead_letters)"
    )
    assert tuple(entry) == (0, None)
    await pool.execute("UPDATE ingest.inbox SET data = $1 WHERE settled_at IS NULL AND record_id = '77'", INVOICE)
    await feed([change("whmcs", "invoice", "79", INVOICE, owner_id="1001")])
    assert await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL AND kind <> 'hint'") == 0
    assert (await dead_letters.one(pool, parked, ME)).resolution == "retried"


async def test_an_unknown_letter_is_said_in_a_sentence(pool: asyncpg.Pool) -> None:
    with pytest.raises(NotFound, match="no dead letter 5"):
        await dead_letters.one(pool, 5, ME)


async def test_an_explanation_shows_the_records_and_every_change(
    pool: asyncpg.Pool, parked: int, settings: Settings
) -> None:
    projector = next(each for each in projectors(settings) if each.name == "invoices")
    async with pool.acquire() as connection:
        found = await explain(connection, projector, "77")
        with pytest.raises(NotFound):
            await explain(connection, projector, "404")
    (source,) = found.sources
    assert (source.object, source.record_id, source.role) == ("invoice", "77", "root")
    assert [entry.outcome for entry in source.entries] == ["applied", None, None]
    assert [letter.entry_id for letter in source.letters] == [source.entries[1].id]
    assert len(found.rows) == 1
    assert any("parked" in remark for remark in found.remarks)


async def test_retention_never_forgets_what_is_not_settled(pool: asyncpg.Pool, parked: int, feed: Feed) -> None:
    await pool.execute(
        "UPDATE ingest.inbox SET received_at = now() - interval '1 year', "
        "settled_at = CASE WHEN settled_at IS NULL THEN NULL ELSE now() - interval '1 year' END"
    )
    await pool.execute("UPDATE ingest.notices SET created_at = now() - interval '1 year'")
    untold = await pool.fetchval("SELECT count(*) FROM ingest.notices")
    deleted = await retention.clean(pool, inbox_days=1)
    assert deleted["ingest.inbox"] > 0
    left = await pool.fetch("SELECT record_id, settled_at FROM ingest.inbox ORDER BY id")
    assert [tuple(row) for row in left] == [("77", None), ("77", None)]
    assert await pool.fetchval("SELECT count(*) FROM ingest.notices") == untold
    await pool.execute("UPDATE ingest.notices SET told_at = now() - interval '2 days'")
    assert (await retention.clean(pool, inbox_days=1))["ingest.notices"] == untold


async def test_retention_keeps_event_ids_for_as_long_as_events_may_be_repeated(
    pool: asyncpg.Pool, account: UUID, feed: Feed
) -> None:
    await feed([change("whmcs", "invoice", "77", INVOICE, owner_id="1001")])
    await pool.execute("UPDATE ingest.inbox SET settled_at = now() - interval '4 days'")
    assert (await retention.clean(pool, inbox_days=5))["ingest.inbox"] == 0


async def test_what_follows_a_failed_change_of_its_record_waits_for_it(
    pool: asyncpg.Pool, account: UUID, settings: Settings
) -> None:
    """Applied out of order, the later change would make the failed one stale, and what it alone said would be lost."""
    from functools import partial

    from app.ingest.apply import drain
    from app.ingest.inbox.inbox import Inbox, shard_of
    from app.projections.engine import recompute

    async def nothing(*_: object) -> None:
        return None

    broken = True

    async def project(connection: object, changed: Sequence[Record], *more: object) -> None:
        if broken and any(record.data.get("note") == "poison" for record in changed):
            raise ValueError("poison")
        await partial(recompute.project, projectors(settings))(connection, changed, *more)

    whole = change("salesforce", "Account", "001A", {"Name": "a", "Phone": "1"}, owner_id="001A")
    first = change("salesforce", "Account", "001A", {"note": "poison", "Name": "b"}, at=1001, kind="partial")
    then = change("salesforce", "Account", "001A", {"Phone": "2"}, at=1002, kind="partial")
    box, shard = Inbox(pool, nothing), shard_of(whole)
    await box.submit([whole])
    await drain.drain(pool, shard, project, nothing, nothing)
    await box.submit([first, then])
    await drain.drain(pool, shard, project, nothing, nothing)
    broken = False
    await pool.execute("UPDATE ingest.inbox SET next_attempt_at = now() WHERE settled_at IS NULL")
    await drain.drain(pool, shard, project, nothing, nothing)
    data = await pool.fetchval("SELECT data FROM mirror.records WHERE record_id = '001A'")
    assert (data["Name"], data["Phone"]) == ("b", "2")
