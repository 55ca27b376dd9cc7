"""A worker that is stopped while it holds locks: others take over, nothing happens twice, its waking is harmless."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.cli.stack.environment import of_sandbox
from app.ingest.inbox.inbox import SHARDS, Inbox, shard_of
from app.ingest.refetch.owners import whmcs_hint
from app.lock_numbers import LockSpace
from app.settings import Settings
from tests.fixtures import changes
from tests.fixtures.linked import add_account
from tests.fixtures.restarts import Process

TAKE_OVER_SECONDS = 60
ENTRIES = 400
_HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
_OPEN = "SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL"
_SETTLED = "SELECT id, settled_at, outcome FROM ingest.inbox ORDER BY id"


async def quiet(pairs: Iterable[tuple[str, int]]) -> None:
    """Nobody is woken: a sweep finds it."""


@pytest.fixture
def environment(sandbox: Any, sandbox_settings: Settings, redis: Any) -> dict[str, str]:
    engines = {"DATABASE_URL": sandbox_settings.database_url, "REDIS_URL": sandbox_settings.redis_url}
    own = {"PORTAL_SECRET": "s" * 32, "RECONCILE_SECONDS": "0", "CASE_SWEEP_SECONDS": "0"}
    return {**os.environ, **of_sandbox(sandbox.state), **engines, **own}


@pytest.fixture
async def worker(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Callable[[], Process]]:
    started: list[Process] = []

    def start() -> Process:
        started.append(Process("worker", environment, tmp_path).until_ready())
        return started[-1]

    yield start
    for each in started:
        each.process.send_signal(signal.SIGCONT)
        each.process.kill()
        each.process.wait()


async def until(true: Callable[[], Awaitable[bool]], seconds: float = TAKE_OVER_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(0.1)


def holding(pool: asyncpg.Pool, space: int) -> Callable[[], Awaitable[bool]]:
    async def held() -> bool:
        return bool(await pool.fetchval(_HELD, space))

    return held


def settled(pool: asyncpg.Pool) -> Callable[[], Awaitable[bool]]:
    async def nothing_left() -> bool:
        return not await pool.fetchval(_OPEN)

    return nothing_left


async def assert_waking_changes_nothing(pool: asyncpg.Pool, frozen: Process) -> None:
    before = await pool.fetch(_SETTLED)
    frozen.process.send_signal(signal.SIGCONT)
    await asyncio.sleep(5)
    assert await pool.fetch(_SETTLED) == before
    assert frozen.process.poll() is None, frozen.log.read_text()[-2000:]
    assert not await pool.fetchval("SELECT count(*) FROM ingest.dead_letters")
    assert not await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE attempts > 0")


async def test_frozen_while_it_drains(pool: asyncpg.Pool, worker: Callable[[], Process]) -> None:
    ids = {"whmcs_client_id": "1001", "salesforce_account_id": "001A", "customer_number": "C-000001"}
    await add_account(pool, {"email": "hana@example.jp", **ids})
    frozen, box = worker(), Inbox(pool, quiet)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE mirror.records IN ACCESS EXCLUSIVE MODE")
        for number in range(ENTRIES):
            service = changes.change("whmcs", "service", str(number), {**changes.SERVICE}, owner_id="1001")
            await box.submit([service])
        await until(holding(pool, LockSpace.DRAIN))
        await asyncio.sleep(1)
        frozen.process.send_signal(signal.SIGSTOP)

    worker()
    await until(settled(pool))

    outcomes = await pool.fetch("SELECT outcome, count(*) FROM ingest.inbox GROUP BY 1")
    assert [tuple(row) for row in outcomes] == [("applied", ENTRIES)]
    assert await pool.fetchval("SELECT count(*) FROM read_model.subscriptions") == ENTRIES
    twice = "SELECT item_id FROM ingest.notices WHERE slice = 'subscriptions' GROUP BY 1 HAVING count(*) > 1"
    assert await pool.fetch(twice) == []
    await assert_waking_changes_nothing(pool, frozen)


async def test_frozen_while_it_reads_again(pool: asyncpg.Pool, worker: Callable[[], Process], sandbox: Any) -> None:
    client_id = sandbox.customer(with_whmcs=True)["whmcs_client_id"]
    hint = whmcs_hint("client", client_id, "test")
    others = [whmcs_hint("client", each["whmcs_client_id"], "test") for each in sandbox.state["customers"][:20]]
    others = [each for each in others if each.record_id and shard_of(each) != shard_of(hint)]
    frozen, box = worker(), Inbox(pool, quiet)
    await sandbox.fault("whmcs", "latency", "GetClientsDetails", seconds=8)
    await box.submit([hint])
    await until(holding(pool, LockSpace.REFETCH))
    await asyncio.sleep(1)
    frozen.process.send_signal(signal.SIGSTOP)

    worker()
    await box.submit(others)
    await until(settled(pool))

    hints = await pool.fetch("SELECT outcome, count(*) FROM ingest.inbox WHERE kind = 'hint' GROUP BY 1")
    assert [tuple(row) for row in hints] == [("refetched", 1 + len(others))]
    answers = "SELECT count(*) FROM ingest.inbox WHERE kind = 'full' AND object = 'client' AND record_id = $1"
    assert await pool.fetchval(answers, client_id) == 1
    await assert_waking_changes_nothing(pool, frozen)


async def test_every_shard_is_swept_though_another_worker_holds_some(
    pool: asyncpg.Pool, worker: Callable[[], Process]
) -> None:
    """A worker that holds a shard's lock and proves that it lives may hold it forever; no other work waits for it."""
    worker()
    kept = [changes.change("whmcs", "service", str(number), {**changes.SERVICE}) for number in range(200)]
    blocked = {shard_of(each) for each in kept} - {0}
    async with pool.acquire() as connection:
        for shard in blocked:
            await connection.execute("SELECT pg_advisory_lock($1, $2)", LockSpace.DRAIN, shard, timeout=30)
        await Inbox(pool, quiet).submit(kept)
        free = "SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL AND shard = 0"

        async def free_is_done() -> bool:
            return not await pool.fetchval(free)

        await until(free_is_done)
        assert await pool.fetchval(_OPEN) > 0
    assert len(blocked) == SHARDS - 1
    await until(settled(pool))


async def test_a_record_that_somebody_else_locks_holds_up_no_other_shard(
    pool: asyncpg.Pool, worker: Callable[[], Process]
) -> None:
    box, kept = (
        Inbox(pool, quiet),
        [changes.change("whmcs", "service", str(n), {**changes.SERVICE}) for n in range(100)],
    )
    worker()
    await box.submit(kept)
    await until(settled(pool))
    locked = kept[0]
    others = "SELECT count(*) FROM ingest.inbox WHERE settled_at IS NULL AND shard <> $1"

    async def others_are_done() -> bool:
        return not await pool.fetchval(others, shard_of(locked))

    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM mirror.records WHERE record_id = $1 FOR UPDATE", locked.record_id)
        for times in range(3):
            again = {**changes.SERVICE, "domain": f"again-{times}.example"}
            await box.submit([changes.change("whmcs", "service", each.record_id, again) for each in kept])
            await until(others_are_done, 12)
        assert await pool.fetchval(_OPEN) > 0
    await until(settled(pool))
    assert not await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE attempts > 0")
