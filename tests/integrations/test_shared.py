"""One renewal for everybody who waits."""

import asyncio

from app.integrations.shared import SharedValue


class Source:
    def __init__(self, fails: bool = False) -> None:
        self.calls = 0
        self.fails = fails

    async def fetch(self) -> str:
        self.calls += 1
        await asyncio.sleep(0.05)
        if self.fails:
            raise RuntimeError("no")
        return f"value-{self.calls}"


async def test_many_callers_at_once_cost_one_fetch():
    source = Source()
    shared = SharedValue(source.fetch)
    assert set(await asyncio.gather(*(shared.get() for _ in range(20)))) == {"value-1"}
    assert source.calls == 1


async def test_a_refusal_by_many_costs_one_renewal():
    source = Source()
    shared = SharedValue(source.fetch)
    old = await shared.get()
    assert set(await asyncio.gather(*(shared.get(refused=old) for _ in range(20)))) == {"value-2"}
    assert await shared.get(refused=old) == "value-2", "a late refusal of the old value renews nothing"


async def test_a_failure_reaches_every_waiter_at_once_and_the_next_caller_tries_again():
    source = Source(fails=True)
    shared = SharedValue(source.fetch)
    outcomes = await asyncio.gather(*(shared.get() for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in outcomes} == {RuntimeError}
    assert source.calls == 1
    source.fails = False
    assert await shared.get() == "value-2"


async def test_a_waiter_that_gives_up_does_not_stop_the_others():
    shared = SharedValue(Source().fetch)
    first, second = asyncio.ensure_future(shared.get()), asyncio.ensure_future(shared.get())
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == "value-1"


async def test_a_value_that_is_no_longer_fresh_is_fetched_again():
    source = Source()
    shared = SharedValue(source.fetch, fresh=lambda value: value != "value-1")
    await shared.get()
    assert await shared.get() == "value-2"
