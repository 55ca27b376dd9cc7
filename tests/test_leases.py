"""Locks: tried and never waited for, proven while they are held, and lost by a frozen holder."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app import leases
from app.commands.execution.locks import Locks
from app.ingest.apply import drain
from app.ingest.inbox import inbox
from app.ingest.inbox.inbox import Inbox, shard_of
from app.leases import Lock, Lost
from app.lock_numbers import LockSpace
from app.settings import Settings
from tests.fixtures import changes

PATIENCE_SECONDS = 30
LOCK = Lock(0x7E57, 1)


async def nobody(*_: Any) -> None:
    return None


async def quiet(pairs: Iterable[tuple[str, int]]) -> None:
    return None


@asynccontextmanager
async def somebody_else(pool: asyncpg.Pool, lock: Lock) -> AsyncIterator[Any]:
    async with pool.acquire() as connection:
        assert await leases.take(connection, lock)
        yield connection


async def until(true: Any) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await true():
            await asyncio.sleep(0.05)


async def test_a_shard_that_somebody_else_drains_is_left_to_them_at_once(pool: asyncpg.Pool) -> None:
    hint = changes.change("whmcs", "service", "5")
    await Inbox(pool, quiet).submit([hint])
    async with somebody_else(pool, Lock(LockSpace.DRAIN, shard_of(hint))):
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await drain.drain(pool, shard_of(hint), nobody, quiet, nobody) == 0
    assert await drain.drain(pool, shard_of(hint), nobody, quiet, nobody) == 1


async def test_a_wake_up_that_comes_while_the_holder_finishes_is_served(pool: asyncpg.Pool) -> None:
    first, second = (changes.change("whmcs", "service", "5", {"n": n}, at=n) for n in (1, 2))
    box, skipped = Inbox(pool, quiet), []
    await box.submit([first])

    async def at_the_end() -> None:
        """The holder has applied everything and is about to look for the last time."""
        if not skipped:
            await box.submit([second])
            skipped.append(await drain.drain(pool, shard_of(second), nobody, quiet, nobody))

    assert await drain.drain(pool, shard_of(first), nobody, quiet, at_the_end) == 2
    assert skipped == [0]
    assert await inbox.open_shards(pool) == []


async def test_what_is_committed_after_the_last_look_under_the_lock_is_seen_after_its_release(
    pool: asyncpg.Pool,
) -> None:
    left, found = [False], []

    async def work(connection: Any) -> bool:
        found.append(left[0])
        left[0] = False
        if len(found) == 1:
            assert not await leases.work_off(pool, LOCK, work, still)  # who comes now goes away
            left[0] = True
        return True

    async def still(connection: Any) -> bool:
        return left[0]

    assert await leases.work_off(pool, LOCK, work, still)
    assert found == [False, True]


async def test_a_holder_that_waits_for_something_else_keeps_its_lock(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases.lock, "FROZEN_SECONDS", 3)
    monkeypatch.setattr(leases.held, "PROVE_SECONDS", 0.2)

    async def work(connection: Any) -> bool:
        await asyncio.sleep(6)
        async with connection.transaction():
            await connection.execute("SELECT 1")
        return False

    assert await leases.work_off(pool, LOCK, work, nobody)


async def test_statements_and_proofs_take_turns_on_the_connection(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases.held, "PROVE_SECONDS", 0.001)

    async def work(connection: Any) -> bool:
        for _ in range(100):
            async with connection.transaction():
                assert await connection.fetchval("SELECT 7") == 7
            assert (await connection.fetch("SELECT 1"))[0][0] == 1
        return False

    assert await leases.work_off(pool, LOCK, work, nobody)


@pytest.mark.parametrize("in_transaction", [False, True])
async def test_a_holder_that_is_frozen_can_write_nothing_when_it_wakes(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, in_transaction: bool
) -> None:
    monkeypatch.setattr(leases.lock, "FROZEN_SECONDS", 1)
    monkeypatch.setattr(leases.held, "PROVE_SECONDS", 60)  # as if it were stopped, with its socket open
    taken = asyncio.Event()

    async def frozen(connection: Any) -> bool:
        if in_transaction:
            await connection.execute("BEGIN")
        taken.set()
        await asyncio.sleep(3)
        await connection.execute("INSERT INTO ingest.progress (operation, state) VALUES ('frozen', '{}')")
        return True

    holder = asyncio.create_task(leases.work_off(pool, LOCK, frozen, nobody))
    await taken.wait()

    async def free() -> bool:
        async def work(connection: Any) -> bool:
            return False

        return await leases.work_off(pool, LOCK, work, nobody)

    await until(free)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await holder
    assert not await pool.fetchval("SELECT count(*) FROM ingest.progress WHERE operation = 'frozen'")


async def test_work_under_a_lock_that_is_lost_is_cancelled(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases.held, "PROVE_SECONDS", 0.1)
    began, cancelled = asyncio.Event(), asyncio.Event()

    async def chore() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    doing = asyncio.create_task(leases.alone(pool, LOCK.space, "chore", chore))
    await began.wait()
    await pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1", LOCK.space
    )
    with pytest.raises(Lost):
        await asyncio.wait_for(doing, PATIENCE_SECONDS)
    assert cancelled.is_set()


async def test_work_that_hangs_has_a_deadline_and_gives_its_lock_back(pool: asyncpg.Pool) -> None:
    async def hangs() -> None:
        await asyncio.sleep(3_600)

    with pytest.raises(TimeoutError):
        await leases.alone(pool, LOCK.space, "chore", hangs, 0.2)
    assert await leases.alone(pool, LOCK.space, "chore", nobody)


async def test_a_command_that_is_frozen_loses_its_turn_and_learns_of_it(
    pool: asyncpg.Pool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases.lock, "FROZEN_SECONDS", 1)
    monkeypatch.setattr(leases.held, "PROVE_SECONDS", 60)

    ours, others = Locks(settings.database_url), Locks(settings.database_url)

    async def free() -> bool:
        async with others.exclusively("kind", "account") as other:
            return bool(other)

    async with ours.exclusively("kind", "account") as mine:
        assert mine
        await mine.prove()
        await until(free)
        with pytest.raises(Lost):
            await mine.prove()
    async with ours.exclusively("kind", "account") as mine:
        assert mine, "the next one gets a session that works"
        await mine.prove()
    await ours.close()
    await others.close()


async def test_a_command_that_waits_for_an_upstream_keeps_its_turn(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases.lock, "FROZEN_SECONDS", 3)
    monkeypatch.setattr(leases.held, "PROVE_SECONDS", 0.2)
    ours, others = Locks(settings.database_url), Locks(settings.database_url)
    async with ours.exclusively("kind", "account") as mine:
        ends_at = time.monotonic() + 6
        while time.monotonic() < ends_at:
            await asyncio.sleep(0.3)
            async with others.exclusively("kind", "account") as other:
                assert not other
        await mine.prove()
    await ours.close()
    await others.close()
