"""Dead letters: one poisoned record parks itself and nobody else; people can look, retry and discard."""

import re
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.audit import Operator
from app.errors import NotFound
from app.ingest.apply import dead_letters, drain, resolve
from tests.fixtures.changes import change
from tests.fixtures.linked import add_account
from tests.ingest.poisoned import DUE, Pipeline

ME = Operator(name="hana")
POISON = {
    "note": "poison",
    "email": "taro@example.jp",
    "lastname": "Yamada",
    "status": "Unpaid",
    "total": "12.00",
    "phone": "0312345678",
}


@pytest.fixture
def pipeline(pool: asyncpg.Pool) -> Pipeline:
    return Pipeline(pool)


async def outcomes(pool: asyncpg.Pool) -> list[tuple[str, str | None]]:
    """Return the outcomes of changes; hints that request a re-read wait in the other lane."""
    rows = await pool.fetch("SELECT record_id, outcome FROM ingest.inbox WHERE kind <> 'hint' ORDER BY id")
    return [(row["record_id"], row["outcome"]) for row in rows]


async def actions(pool: asyncpg.Pool) -> list[Any]:
    return [tuple(row) for row in await pool.fetch("SELECT action, target, detail FROM portal.audit ORDER BY id")]


async def test_poison_parks_its_own_record_with_error_and_stack_while_others_move_on(
    pipeline: Pipeline,
) -> None:
    """Lesson: one poison message blocks everybody, or is skipped in silence."""
    await pipeline.park(change("whmcs", "invoice", "1", POISON), change("whmcs", "invoice", "2", {"note": "good"}))
    await pipeline.inbox.submit([change("whmcs", "invoice", "1", {"note": "good"}, at=1, kind="partial")])
    await pipeline.drain()
    assert await outcomes(pipeline.pool) == [("1", None), ("2", "applied"), ("1", None)]
    (letter,) = await dead_letters.listed(pipeline.pool)
    assert (letter.source, letter.object, letter.record_id, letter.attempts) == ("whmcs", "invoice", "1", 5)
    assert letter.waiting == 1
    assert "Poisoned" in letter.error
    assert "in project" in letter.stack


async def test_personal_data_is_hidden_until_somebody_asks_for_it_and_that_is_audited(
    pipeline: Pipeline,
) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    (letter,) = await dead_letters.listed(pipeline.pool)
    plain = await dead_letters.one(pipeline.pool, letter.id, ME)
    for shown in (letter, plain):
        text = f"{shown.error}{shown.stack}{shown.data}"
        assert not re.search(r"taro|Yamada|0312345678", text)
        assert (shown.data["status"], shown.data["total"]) == ("Unpaid", "12.00")
    assert await actions(pipeline.pool) == []
    revealed = await dead_letters.one(pipeline.pool, letter.id, ME, reveal=True)
    assert revealed.data == POISON
    assert "taro@example.jp (Yamada)" in revealed.error
    assert await actions(pipeline.pool) == [("dead_letter.reveal", f"dead_letter:{letter.id}", {"operator": "hana"})]


async def test_retry_once_the_cause_is_mended_applies_the_record_in_order(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    await pipeline.inbox.submit([change("whmcs", "invoice", "1", {"note": "newer"}, at=1, kind="partial")])
    (letter,) = await dead_letters.listed(pipeline.pool)
    pipeline.poisonous.clear()
    pipeline.woken.clear()
    done = await resolve.retry(pipeline.pool, pipeline.wake, [letter.id], ME)
    assert (done.ids, done.already) == ([letter.id], [])
    assert pipeline.woken
    await pipeline.drain()
    assert await outcomes(pipeline.pool) == [("1", "applied"), ("1", "applied")]
    assert await pipeline.pool.fetchval("SELECT data ->> 'note' FROM mirror.records") == "newer"
    assert [action for action, _, _ in await actions(pipeline.pool)] == ["dead_letter.retry"]


async def test_what_is_retried_too_early_is_parked_again_after_fresh_attempts(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    (letter,) = await dead_letters.listed(pipeline.pool)
    await resolve.retry(pipeline.pool, pipeline.wake, [letter.id], ME)
    for _ in range(drain.ATTEMPTS - 1):
        await pipeline.pool.execute(DUE)
        await pipeline.drain()
        assert await dead_letters.listed(pipeline.pool) == []
    await pipeline.pool.execute(DUE)
    await pipeline.drain()
    (again,) = await dead_letters.listed(pipeline.pool)
    assert (again.id, again.attempts) == (letter.id, 5)


async def test_discarding_lets_later_changes_move_on_and_waiters_go(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    number = await pipeline.inbox.submit([change("whmcs", "invoice", "1", {"note": "later"}, at=1)])
    (letter,) = await dead_letters.listed(pipeline.pool)
    poisoned = await pipeline.pool.fetchval("SELECT submission FROM ingest.inbox ORDER BY id LIMIT 1")
    assert not await pipeline.inbox.settled(poisoned, 0.05)
    await resolve.discard(pipeline.pool, pipeline.wake, [letter.id], ME, "never a real invoice")
    assert await pipeline.inbox.consistency(poisoned, 1) == "given_up"
    await pipeline.drain()
    assert number is not None
    assert await pipeline.inbox.settled(number, 1)
    assert await outcomes(pipeline.pool) == [("1", "discarded"), ("1", "applied")]
    assert await actions(pipeline.pool) == [
        (
            "dead_letter.discard",
            f"dead_letter:{letter.id}",
            {"operator": "hana", "reason": "never a real invoice"},
        )
    ]


async def test_deciding_twice_changes_nothing_more(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    (letter,) = await dead_letters.listed(pipeline.pool)
    await resolve.discard(pipeline.pool, pipeline.wake, [letter.id], ME, "first")
    before = (await outcomes(pipeline.pool), await actions(pipeline.pool))
    for done in (
        await resolve.discard(pipeline.pool, pipeline.wake, [letter.id], ME, "second"),
        await resolve.retry(pipeline.pool, pipeline.wake, [letter.id], ME),
    ):
        assert (done.ids, done.already, done.woken) == ([], [letter.id], set())
    assert (await outcomes(pipeline.pool), await actions(pipeline.pool)) == before


async def test_retrying_one_retries_all_that_is_parked_of_its_record(pipeline: Pipeline) -> None:
    """Two entries of one record can fail in one batch; one open letter would keep the other's record parked."""
    await pipeline.park(change("whmcs", "invoice", "1", POISON), change("whmcs", "invoice", "1", POISON, at=1))
    found = await dead_letters.listed(pipeline.pool)
    pipeline.poisonous.clear()
    await resolve.retry(pipeline.pool, pipeline.wake, [found[0].id], ME)
    assert await dead_letters.listed(pipeline.pool) == []
    await pipeline.drain()
    assert None not in [outcome for _, outcome in await outcomes(pipeline.pool)]


async def test_an_unknown_id_is_said_and_nothing_is_done(pipeline: Pipeline) -> None:
    await pipeline.park(change("whmcs", "invoice", "1", POISON))
    (letter,) = await dead_letters.listed(pipeline.pool)
    with pytest.raises(NotFound, match="999"):
        await resolve.retry(pipeline.pool, pipeline.wake, [letter.id, 999], ME)
    with pytest.raises(NotFound, match="999"):
        await dead_letters.one(pipeline.pool, 999, ME)
    assert len(await dead_letters.listed(pipeline.pool)) == 1


async def test_accounts_that_are_held_back_are_named(pipeline: Pipeline) -> None:
    account_id = await _linked(pipeline.pool, "1001")
    await _linked(pipeline.pool, "1002")
    await pipeline.park(change("whmcs", "invoice", "1", POISON, owner_id="1001"))
    (parked,) = await dead_letters.parked_accounts(pipeline.pool)
    assert (parked.account_id, parked.records) == (account_id, 1)


async def _linked(pool: asyncpg.Pool, client_id: str) -> UUID:
    ids = {"salesforce_account_id": f"001{client_id}", "customer_number": f"C-{client_id}"}
    _, account_id = await add_account(pool, {"email": f"{client_id}@x.jp", "whmcs_client_id": client_id, **ids})
    return account_id
