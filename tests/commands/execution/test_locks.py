"""Locks: one at a time in all processes, never another account's, never all of them by one account, and given back
whatever happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app import leases
from app.commands.execution import locks as exclusive
from app.commands.execution.locks import Locks
from app.commands.subscriptions.service_lock import lock_own_service, lock_service
from app.concurrency_limit import ConcurrencyLimit
from app.errors import Conflict, NotFound, Overloaded
from app.settings import Settings

HELD = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.application_name = $1"


@pytest.fixture
async def locks(settings: Settings) -> AsyncIterator[Locks]:
    made = Locks(settings.database_url)
    yield made
    await made.close()


@pytest.fixture
async def others(settings: Settings) -> AsyncIterator[Locks]:
    """Another process."""
    made = Locks(settings.database_url)
    yield made
    await made.close()


async def test_the_same_lock_is_held_once_in_a_process_and_in_all(locks: Locks, others: Locks) -> None:
    async with locks.exclusively("pay", "hana", "7") as mine:
        assert mine
        for elsewhere in (locks, others):
            async with elsewhere.exclusively("pay", "hana", "7") as second:
                assert not second
            async with elsewhere.exclusively("pay", "hana", "7") as third:
                assert not third, "giving back what one never had frees nothing"
    async with others.exclusively("pay", "hana", "7") as mine:
        assert mine


async def test_the_same_id_under_another_account_is_another_lock(locks: Locks, others: Locks) -> None:
    async with locks.exclusively("pay", "hana", "7") as hers, others.exclusively("pay", "ken", "7") as his:
        assert hers
        assert his


async def test_hundreds_are_held_at_once_in_one_session(locks: Locks, others: Locks, pool: asyncpg.Pool) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(300):
            assert await stack.enter_async_context(locks.exclusively("order", uuid4()))
        pids = await pool.fetch("SELECT pid FROM pg_stat_activity WHERE application_name = $1", leases.HOLDER)
        assert len(pids) == 1
        async with others.exclusively("order", "hana") as mine:
            assert mine
    async with asyncio.timeout(10):
        while await pool.fetchval(f"{HELD} AND l.locktype = 'advisory'", leases.HOLDER):
            await asyncio.sleep(0.05)


async def test_one_account_cannot_take_all_and_waits_for_its_own_only_so_long(
    locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks._room = ConcurrencyLimit(exclusive.MOST_HELD, exclusive.MOST_OF_ACCOUNT, wait_seconds=0.1)
    async with AsyncExitStack() as stack:
        for number in range(exclusive.MOST_OF_ACCOUNT):
            assert await stack.enter_async_context(locks.exclusively("comment", "hana", str(number)))
        with pytest.raises(Overloaded) as busy:
            async with locks.exclusively("comment", "hana", "one more"):
                raise AssertionError("one too many")
        assert (busy.value.code, busy.value.retry_after_seconds) == ("server_busy", 5)
        async with locks.exclusively("comment", "ken", "1") as mine:
            assert mine
    async with locks.exclusively("comment", "hana", "one more") as mine:
        assert mine


async def test_cancellation_at_any_instant_leaves_no_lock_behind(locks: Locks, others: Locks) -> None:
    async def hold() -> None:
        async with locks.exclusively("pay", "hana", "7"):
            await asyncio.sleep(0.005)

    for number in range(120):
        task = asyncio.create_task(hold())
        if number % 2:
            await asyncio.sleep(number * 0.0001)
        for _ in range(number // 4):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    async with asyncio.timeout(10):
        while locks._names:
            await asyncio.sleep(0.01)
    async with others.exclusively("pay", "hana", "7") as mine:
        assert mine


async def test_a_lost_session_is_opened_again(locks: Locks, others: Locks, pool: asyncpg.Pool) -> None:
    async with locks.exclusively("pay", "hana", "7") as mine:
        assert mine
        await pool.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", leases.HOLDER
        )
        with pytest.raises(leases.Lost):
            await mine.prove()
        async with others.exclusively("pay", "hana", "7") as taken_over:
            assert taken_over
            async with locks.exclusively("pay", "hana", "8") as next_one:
                assert next_one
                with pytest.raises(leases.Lost):
                    await mine.prove()
    async with others.exclusively("pay", "hana", "7") as mine:
        assert mine


async def test_nobody_waits_for_a_service_that_is_anothers(desk: Any) -> None:
    """Asked for one that somebody works on, a stranger hears that there is none, and not that it is busy."""
    hana, ken = await desk.customer(), await desk.customer(number=1)
    service_id = await desk.pool.fetchval(
        "SELECT subscription_id FROM read_model.subscriptions WHERE account_id = $1 LIMIT 1", hana.account_id
    )
    assert service_id
    async with lock_service(desk.context, service_id):
        for subscription_id in (service_id, "no such service"):
            with pytest.raises(NotFound) as absent:
                async with lock_own_service(desk.context, ken, subscription_id):
                    raise AssertionError("a stranger's turn")
            assert absent.value.code == "subscription_not_found"
        with pytest.raises(Conflict) as busy:
            async with lock_own_service(desk.context, hana, service_id):
                raise AssertionError("two at once")
        assert busy.value.code == "subscription_busy"
    async with lock_own_service(desk.context, hana, service_id):
        with pytest.raises(Conflict):
            async with lock_service(desk.context, service_id):
                raise AssertionError("staff and customers take the same turn")
