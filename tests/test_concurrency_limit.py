"""Places are waited for, for a bounded time, and nobody can take them all."""

import asyncio
from collections.abc import Callable

import pytest

from app.concurrency_limit import ConcurrencyLimit
from app.errors import Overloaded


async def occupied(limit: ConcurrencyLimit, holder: str, count: int) -> Callable[[], None]:
    """Take that many places, and return a function that frees them."""
    leave, here = asyncio.Event(), [asyncio.Event() for _ in range(count)]

    async def stay(inside: asyncio.Event) -> None:
        async with limit.slot(holder):
            inside.set()
            await leave.wait()

    tasks = [asyncio.create_task(stay(inside)) for inside in here]
    await asyncio.gather(*(inside.wait() for inside in here))

    def away() -> None:
        leave.set()
        assert tasks

    return away


async def free(limit: ConcurrencyLimit, holder: str) -> bool:
    try:
        async with limit.slot(holder):
            return True
    except Overloaded as error:
        return not (error.code == "server_busy" and error.retry_after_seconds)


async def test_one_holder_gets_its_share_and_leaves_the_rest_to_others() -> None:
    limit = ConcurrencyLimit(4, 2, wait_seconds=0.02)
    away = await occupied(limit, "hana", 2)
    async with asyncio.timeout(2):
        assert not await free(limit, "hana")
    assert await free(limit, "ken")
    away()
    assert await free(limit, "hana")


async def test_who_waits_for_its_own_share_keeps_no_place_from_anybody() -> None:
    limit = ConcurrencyLimit(3, 2, wait_seconds=5)
    away = await occupied(limit, "hana", 2)
    waiting = [asyncio.create_task(free(limit, "hana")) for _ in range(50)]
    await asyncio.sleep(0)
    for _ in range(3):
        assert await asyncio.wait_for(free(limit, "ken"), 1)
    away()
    assert all(await asyncio.gather(*waiting))


async def test_all_places_together_are_bounded_and_the_wait_is_too() -> None:
    limit = ConcurrencyLimit(2, 2, wait_seconds=0.02)
    for holder in ("hana", "ken"):
        await occupied(limit, holder, 1)
    async with asyncio.timeout(2):
        assert not await free(limit, "aya")


@pytest.mark.parametrize("waits_for", ["its own", "all"])
async def test_who_gives_up_waiting_or_fails_leaves_nothing_behind(waits_for: str) -> None:
    limit = ConcurrencyLimit(1, 1, wait_seconds=5)
    away = await occupied(limit, "hana", 1)
    waiting = asyncio.create_task(free(limit, "hana" if waits_for == "its own" else "ken"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    away()
    with pytest.raises(RuntimeError):
        async with limit.slot("ken"):
            raise RuntimeError
    assert await free(limit, "hana")
    assert await free(limit, "ken")
    assert not limit._own
    assert not limit._users
