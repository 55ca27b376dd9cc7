"""Parked records heal: a newer whole record is tried all the same, and makes everything older needless."""

from datetime import timedelta

import asyncpg
import pytest

from app.audit import Operator
from app.ingest.apply import dead_letters, drain, resolve
from app.ingest.apply.mirror import now
from tests.fixtures.changes import change
from tests.ingest.poisoned import DUE, Stand

ME = Operator(name="hana")
POISON = {"note": "poison"}
GOOD = {"note": "good", "status": "Paid"}


@pytest.fixture
def stand(pool: asyncpg.Pool) -> Stand:
    return Stand(pool)


async def story(stand: Stand) -> list[tuple[str, str | None]]:
    rows = await stand.pool.fetch("SELECT kind, outcome FROM ingest.inbox WHERE kind <> 'hint' ORDER BY id")
    return [(row["kind"], row["outcome"]) for row in rows]


async def letters(stand: Stand) -> list[tuple[int, int, str | None]]:
    rows = await stand.pool.fetch("SELECT id, entry_id, resolution FROM ingest.dead_letters ORDER BY id")
    return [tuple(row) for row in rows]


async def held(stand: Stand) -> object:
    return await stand.pool.fetchval("SELECT data FROM mirror.records WHERE record_id = '1'")


@pytest.mark.parametrize("kind", ["full", "deleted"])
async def test_a_newer_whole_record_heals_and_what_came_after_it_follows(stand: Stand, kind: str) -> None:
    await stand.park(change("whmcs", "invoice", "1", POISON))
    waiting = change("whmcs", "invoice", "1", {"status": "Unpaid"}, at=1, kind="partial")
    data = GOOD if kind == "full" else {}
    whole = change("whmcs", "invoice", "1", data, at=2, kind=kind, read_at=now() + timedelta(minutes=1))
    after = change("whmcs", "invoice", "1", GOOD, at=3, read_at=now() + timedelta(minutes=2))
    await stand.inbox.submit([waiting])
    number = await stand.inbox.submit([whole])
    await stand.inbox.submit([after])
    await stand.drain()
    assert [outcome for _, outcome in await story(stand)][:3] == ["superseded", "superseded", "applied"]
    assert None not in [outcome for _, outcome in await story(stand)]
    assert await letters(stand) == [(1, 1, "superseded")]
    assert await held(stand) == GOOD
    assert number is not None
    assert await stand.inbox.settled(number, 1)


async def test_waiting_for_a_superseded_change_ends(stand: Stand) -> None:
    await stand.park(change("whmcs", "invoice", "1", POISON, origin="command"))
    first = await stand.pool.fetchval("SELECT submission FROM ingest.inbox")
    assert not await stand.inbox.settled(first, 0.05)
    await stand.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=1)])
    await stand.drain()
    assert await stand.inbox.settled(first, 1)


async def test_a_newer_whole_record_that_fails_too_takes_the_letter_over(stand: Stand) -> None:
    await stand.park(change("whmcs", "invoice", "1", POISON))
    for at in (1, 2):
        await stand.inbox.submit([change("whmcs", "invoice", "1", POISON, at=at)])
        await stand.drain()
    (letter,) = await dead_letters.listed(stand.pool)
    assert (letter.id, letter.entry_id) == (1, 3), "one letter, under its number, about the newest"
    await stand.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=3)])
    await stand.drain()
    assert await dead_letters.listed(stand.pool) == []
    assert [outcome for _, outcome in await story(stand)] == ["superseded", "superseded", "superseded", "applied"]


async def test_a_read_that_may_lack_what_is_parked_does_not_go_ahead(stand: Stand) -> None:
    """It began before the parked event was received: settling that one would lose what it says."""
    began = now()
    await stand.inbox.submit([change("salesforce", "Order", "1", {"note": "a", "b": 1}, read_at=began)])
    await stand.drain()
    await stand.park(change("salesforce", "Order", "1", POISON, at=5_000, kind="partial"))
    stale = change(
        "salesforce", "Order", "1", {"note": "a", "b": 2}, at=1_000, read_at=began + timedelta(microseconds=1)
    )
    await stand.inbox.submit([stale])
    await stand.drain()
    assert [outcome for _, outcome in await story(stand)] == ["applied", None, None]
    fresh = change("salesforce", "Order", "1", {"note": "c", "b": 2}, at=5_000, read_at=now())
    await stand.inbox.submit([fresh])
    await stand.drain()
    assert [outcome for _, outcome in await story(stand)] == ["applied", "superseded", "superseded", "applied"]


async def test_partial_changes_of_a_parked_record_wait(stand: Stand) -> None:
    await stand.park(change("whmcs", "invoice", "1", POISON))
    await stand.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=1, kind="partial")])
    await stand.drain()
    assert await story(stand) == [("full", None), ("partial", None)]


async def test_a_whole_record_overtakes_one_that_waits_for_its_next_attempt(stand: Stand) -> None:
    await stand.inbox.submit([change("whmcs", "invoice", "1", POISON)])
    await stand.drain()
    await stand.inbox.submit([change("whmcs", "invoice", "1", GOOD, at=1)])
    await stand.drain()
    assert await story(stand) == [("full", "superseded"), ("full", "applied")]
    assert await letters(stand) == []


async def test_one_discard_gives_up_all_that_is_parked_of_a_record_and_asks_to_read_it(stand: Stand) -> None:
    await stand.park(
        change("whmcs", "invoice", "1", POISON, kind="full"), change("whmcs", "invoice", "2", POISON, owner_id="1001")
    )
    await stand.pool.execute(  # an older release may have left several letters of one record
        "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts) "
        "VALUES (99, 'whmcs', 'invoice', '1', 'e', '', 5)"
    )
    done = await resolve.discard(stand.pool, stand.wake, [1], ME, "never real")
    assert done.ids == [1, 3]
    hints = await stand.pool.fetch("SELECT object, record_id, submission FROM ingest.inbox WHERE kind = 'hint'")
    assert [tuple(row) for row in hints] == [("invoice", "1", done.submission)]
    assert [letter.record_id for letter in await dead_letters.listed(stand.pool)] == ["2"]


async def test_retry_asks_to_read_the_record_and_its_answer_goes_ahead_of_what_fails_again(stand: Stand) -> None:
    await stand.park(change("whmcs", "invoice", "1", POISON))
    done = await resolve.retry(stand.pool, stand.wake, [1], ME)
    assert done.submission is not None
    await stand.drain()
    answer = change("whmcs", "invoice", "1", GOOD, at=1, read_at=now())
    await stand.inbox.submit([answer])
    await stand.drain()
    assert await story(stand) == [("full", "superseded"), ("full", "applied")]


async def test_a_failing_listener_of_commits_never_stops_the_drain(stand: Stand) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("Redis is away")

    await stand.inbox.submit([change("whmcs", "invoice", str(n), GOOD) for n in range(40)])
    for shard in range(16):
        await drain.drain(stand.pool, shard, stand.project, broken, broken)
    assert await stand.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL") == 0


async def test_an_error_that_holds_a_nul_can_be_parked(stand: Stand) -> None:
    async def project(*_: object) -> None:
        raise ValueError("bad \x00 and \ud800")

    await stand.inbox.submit([change("whmcs", "invoice", "1", GOOD)])
    for _ in range(drain.ATTEMPTS):
        await stand.pool.execute(DUE)
        for shard in range(16):
            await drain.drain(stand.pool, shard, project, stand.wake, stand.told)
    (letter,) = await dead_letters.listed(stand.pool)
    assert "bad" in letter.error
