"""One question for all who ask at once; nobody is given an answer that was on its way before they asked."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from app.cache.batching import Batcher


async def test_a_request_during_a_running_batch_joins_the_next_batch() -> None:
    asked: list[list[str]] = []
    value = 1

    async def read(keys: Sequence[str]) -> Mapping[str, int]:
        asked.append(sorted(keys))
        found = dict.fromkeys(keys, value)
        await asyncio.sleep(0.02)
        return found

    batcher = Batcher(read)
    early = [asyncio.create_task(batcher.load(key)) for key in "aab"]
    await asyncio.sleep(0.01)
    value = 2
    late = await batcher.load("a")
    assert (await asyncio.gather(*early), late) == ([1, 1, 1], 2)
    assert asked == [["a", "b"], ["a"]]


async def test_a_failure_reaches_every_caller() -> None:
    async def read(keys: Sequence[str]) -> Mapping[str, int]:
        raise OSError("away")

    batcher = Batcher(read)
    found = await asyncio.gather(*(batcher.load(key) for key in "ab"), return_exceptions=True)
    assert [type(each) for each in found] == [OSError, OSError]
    with pytest.raises(OSError, match="away"):
        await batcher.load("a")
