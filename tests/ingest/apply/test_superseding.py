"""Parked records heal: a newer whole record is tried all the same, and makes everything older needless."""

from datetime import timedelta

import asyncpg
import pytest

from app.audit import Operator
from app.clock import now
from app.ingest.apply import dead_letters, drain, resolve
from tests.fixtures.changes import change
from tests.ingest.poisoned import DUE, Pipeline

ME = Operator(name="hana")
POISON = {"note": "poison"}
GOOD = {"note": "good", "status": "Paid"}


@pytest.fixture
def pipeline(pool: asyncpg.Pool) -> Pipeline:
    return Pipeline(pool)


async def story(pipeline: Pipeline) -> list[tuple[str, str | None]]:
    rows = await pipeline.pool.fetch("SELECT kind, outcome FROM ingest.inbox WHERE kind <> 'hint' ORDER BY id")
    return [(row["kind"], row["outcome"]) for row in rows]


async def letters(pipeline: Pipeline) -> list[tuple[int, int, str | None]]:
    rows = await pipeline.pool.fetch("SELECT id, entry_id, resolution FROM ingest.dead_letters ORDER BY id")
    return [tuple(row) for row in rows]


async def held(pipeline: Pipeline) -> object:
    return await pipeline.pool.fetchval("SELECT data FROM mirror.records WHERE record_id = '1'")


@pytest.mark.parametrize("kind", ["full", "deleted"])
async def test_a_newer_whole_record_heals_and_what_came_after_it_follows(pipeline: Pipeline, kind: str) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    waiting = change("whmcs", "invoice", "1", {"status": "Unpaid"}, at=1, kind="partial")
    data = GOOD if kind == "full" else {}
    whole = change("whmcs", "invoice", "1", data, at=2, kind=kind, read_at=now() + timedelta(minutes=1))
    after = change("whmcs", "invoice", "1", GOOD, at=3, read_at=now() + timedelta(minutes=2))
    await pipeline.inbox.submit([waiting])
    number = await pipeline.inbox.submit([whole])
    await pipeline.inbox.submit([after])
    await pipeline.drain()
    assert [outcome for _, outcome in await story(pipeline)][:3] == ["superseded", "superseded", "applied"]
    assert None not in [outcome for _, outcome in await story(pipeline)]
    assert await letters(pipeline) == [(1, 1, "superseded")]
    assert await held(pipeline) == GOOD
    assert number is not None
    assert await pipeline.inbox.settled(number, 1)


async def test_waiting_for_a_superseded_change_ends(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON, origin="command"))
    first = await pipeline.pool.fetchval("SELECT submission FROM ingest.inbox")
    assert not await pipeline.inbox.settled(first, 0.05)
    await pipeline.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=1)])
    await pipeline.drain()
    assert await pipeline.inbox.settled(first, 1)


async def test_a_newer_whole_record_that_fails_too_takes_the_letter_over(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    for at in (1, 2):
        await pipeline.inbox.submit([change("whmcs", "invoice", "1", POISON, at=at)])
        await pipeline.drain()
    (letter,) = await dead_letters.listed(pipeline.pool)
    assert (letter.id, letter.entry_id) == (1, 3), "one letter, under its number, about the newest"
    await pipeline.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=3)])
    await pipeline.drain()
    assert await dead_letters.listed(pipeline.pool) == []
    assert [outcome for _, outcome in await story(pipeline)] == [
        "superseded",
        "superseded",
        "superseded",
        "applied",
    ]


async def test_a_read_that_may_lack_what_is_parked_does_not_go_ahead(pipeline: Pipeline) -> None:
    """It began before the parked event was received: settling that one would lose what it says."""
    began = now()
    await pipeline.inbox.submit([change("salesforce", "Order", "1", {"note": "a", "b": 1}, read_at=began)])
    await pipeline.drain()
    await pipeline.park(change("salesforce", "Order", "1", POISON, at=5_000, kind="partial"))
    stale = change(
        "salesforce", "Order", "1", {"note": "a", "b": 2}, at=1_000, read_at=began + timedelta(microseconds=1)
    )
    await pipeline.inbox.submit([stale])
    await pipeline.drain()
    assert [outcome for _, outcome in await story(pipeline)] == ["applied", None, None]
    fresh = change("salesforce", "Order", "1", {"note": "c", "b": 2}, at=5_000, read_at=now())
    await pipeline.inbox.submit([fresh])
    await pipeline.drain()
    assert [outcome for _, outcome in await story(pipeline)] == [
        "applied",
        "superseded",
        "superseded",
        "applied",
    ]


async def test_partial_changes_of_a_parked_record_wait(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    await pipeline.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=1, kind="partial")])
    await pipeline.drain()
    assert await story(pipeline) == [("full", None), ("partial", None)]


async def test_a_whole_record_overtakes_one_that_waits_for_its_next_attempt(pipeline: Pipeline) -> None:
    await pipeline.inbox.submit([change("whmcs", "invoice", "1", POISON)])
    await pipeline.drain()
    await pipeline.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=1)])
    await pipeline.drain()
    assert await story(pipeline) == [("full", "superseded"), ("full", "applied")]
    assert await letters(pipeline) == []


async def test_one_discard_gives_up_all_that_is_parked_of_a_record_and_asks_to_read_it(
    pipeline: Pipeline,
) -> None:
    await pipeline.park(
        change("whmcs", "invoice", "1", POISON, kind="full"), change("whmcs", "invoice", "2", POISON, owner_id="1001")
    )
    await pipeline.pool.execute(  # an older release may have left several letters of one record
        "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts) "
        "VALUES (99, 'whmcs', 'invoice', '1', 'e', '', 5)"
    )
    done = await resolve.discard(pipeline.pool, pipeline.wake, [1], ME, "never real")
    assert done.ids == [1, 3]
    hints = await pipeline.pool.fetch("SELECT object, record_id, submission FROM ingest.inbox WHERE kind = 'hint'")
    assert [tuple(row) for row in hints] == [("invoice", "1", done.submission)]
    assert [letter.record_id for letter in await dead_letters.listed(pipeline.pool)] == ["2"]


async def test_retry_asks_to_read_the_record_and_its_answer_goes_ahead_of_what_fails_again(
    pipeline: Pipeline,
) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    done = await resolve.retry(pipeline.pool, pipeline.wake, [1], ME)
    assert done.submission is not None
    await pipeline.drain()
    answer = change("whmcs", "invoice", "1", GOOD, at=1, read_at=now())
    await pipeline.inbox.submit([answer])
    await pipeline.drain()
    assert await story(pipeline) == [("full", "superseded"), ("full", "applied")]


async def test_a_failing_listener_of_commits_never_stops_the_drain(pipeline: Pipeline) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("Redis is away")

    await pipeline.inbox.submit([change("whmcs", "invoice", str(n), GOOD) for n in range(40)])
    for shard in range(16):
        await drain.drain(pipeline.pool, shard, pipeline.project, broken, broken)
    assert await pipeline.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL") == 0


async def test_an_error_that_holds_a_nul_can_be_parked(pipeline: Pipeline) -> None:
    async def project(*_: object) -> None:
        raise ValueError("bad \x00 and \ud800")

    await pipeline.inbox.submit([change("whmcs", "invoice", "1", GOOD)])
    for _ in range(drain.ATTEMPTS):
        await pipeline.pool.execute(DUE)
        for shard in range(16):
            await drain.drain(pipeline.pool, shard, project, pipeline.wake, pipeline.told)
    (letter,) = await dead_letters.listed(pipeline.pool)
    assert "bad" in letter.error
