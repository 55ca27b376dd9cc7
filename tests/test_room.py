"""Places are waited for, for a bounded time, and nobody can take them all."""

import asyncio
from collections.abc import Callable

import pytest

from app.errors import Overloaded
from app.room import Room


async def occupied(room: Room, holder: str, count: int) -> Callable[[], None]:
    """Take that many places, and return a function that frees them."""
    leave, here = asyncio.Event(), [asyncio.Event() for _ in range(count)]

    async def stay(inside: asyncio.Event) -> None:
        async with room.place(holder):
            inside.set()
            await leave.wait()

    tasks = [asyncio.create_task(stay(inside)) for inside in here]
    await asyncio.gather(*(inside.wait() for inside in here))

    def away() -> None:
        leave.set()
        assert tasks

    return away


async def free(room: Room, holder: str) -> bool:
    try:
        async with room.place(holder):
            return True
    except Overloaded as error:
        return not (error.code == "server_busy" and error.retry_after_seconds)


async def test_one_holder_gets_its_share_and_leaves_the_rest_to_others() -> None:
    room = Room(4, 2, wait_seconds=0.02)
    away = await occupied(room, "hana", 2)
    async with asyncio.timeout(2):
        assert not await free(room, "hana")
    assert await free(room, "ken")
    away()
    assert await free(room, "hana")


async def test_waiting_for_its_own_share_takes_no_place_from_others() -> None:
    room = Room(3, 2, wait_seconds=5)
    away = await occupied(room, "hana", 2)
    waiting = [asyncio.create_task(free(room, "hana")) for _ in range(50)]
    await asyncio.sleep(0)
    for _ in range(3):
        assert await asyncio.wait_for(free(room, "ken"), 1)
    away()
    assert all(await asyncio.gather(*waiting))


async def test_all_places_together_are_bounded_and_the_wait_is_too() -> None:
    room = Room(2, 2, wait_seconds=0.02)
    for holder in ("hana", "ken"):
        await occupied(room, holder, 1)
    async with asyncio.timeout(2):
        assert not await free(room, "aya")


@pytest.mark.parametrize("waits_for", ["its own", "all"])
async def test_giving_up_or_failing_frees_the_place(waits_for: str) -> None:
    room = Room(1, 1, wait_seconds=5)
    away = await occupied(room, "hana", 1)
    waiting = asyncio.create_task(free(room, "hana" if waits_for == "its own" else "ken"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    away()
    with pytest.raises(RuntimeError):
        async with room.place("ken"):
            raise RuntimeError
    assert await free(room, "hana")
    assert await free(room, "ken")
    assert not room._own
    assert not room._here
