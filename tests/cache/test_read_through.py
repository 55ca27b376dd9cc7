"""Facts under a lease: asked for once by all who ask at once, never kept once they were forgotten."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from app.cache.read_through import ReadThrough


class Source:
    """Answers when it is let, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.value = "old"
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def read(self, keys: Sequence[str]) -> Mapping[str, str]:
        self.asked.append(sorted(keys))
        found = {key: self.value for key in keys if key != "absent"}
        await self.may_answer.wait()
        return found


async def test_callers_in_one_loop_turn_share_one_read() -> None:
    source = Source()
    known = ReadThrough(source.read, 10)
    assert await asyncio.gather(*(known.read(key) for key in "abab")) == ["old"] * 4
    assert source.asked == [["a", "b"]]
    assert known.get("a") == "old"


async def test_a_key_forgotten_during_its_read_is_not_kept_and_is_read_again() -> None:
    source = Source()
    known = ReadThrough(source.read, 10)
    source.may_answer.clear()
    early = asyncio.create_task(known.read("a"))
    await asyncio.sleep(0.01)
    source.value = "new"
    known.forget("a")
    late = asyncio.create_task(known.read("a"))
    await asyncio.sleep(0.01)
    source.may_answer.set()
    assert (await early, await late) == ("old", "new")
    assert known.get("a") == "new"
    source.may_answer.clear()
    lost = asyncio.create_task(known.read("b"))
    await asyncio.sleep(0.01)
    known.forget_all()
    source.may_answer.set()
    await lost
    assert known.get("a") is None
    assert known.get("b") is None


async def test_absence_is_not_remembered_and_the_oldest_goes_first() -> None:
    source = Source()
    known = ReadThrough(source.read, 2)
    for key in ("absent", "a", "b", "c"):
        await known.read(key)
    assert [known.get(key) for key in ("absent", "a", "b", "c")] == [None, None, "old", "old"]
    assert len(known) == 2


async def test_a_failure_reaches_everybody_and_is_not_kept() -> None:
    async def failing(keys: Sequence[str]) -> Mapping[str, str]:
        raise OSError("away")

    known: ReadThrough[str] = ReadThrough(failing, 10)
    for found in await asyncio.gather(known.read("a"), known.read("a"), return_exceptions=True):
        assert isinstance(found, OSError)
    with pytest.raises(OSError, match="away"):
        await known.read("a")
