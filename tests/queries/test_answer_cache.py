"""The layers: what was drawn before a change is never kept behind it, also where the stamp is the same again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.cache.lease import Lease
from app.cache.redis_pipeline import RedisPipeline
from app.queries.cache.answer_cache import MOST_EVENT_DRIVEN_SECONDS, MOST_SECONDS, AnswerCache, good_until_of
from app.queries.reading.store import Answer, AnswerSource

NAME = "/api/orders"


@pytest.fixture
def pages(pool: asyncpg.Pool) -> AnswerCache:
    """Without Redis."""
    return AnswerCache(pool, Lease(), RedisPipeline("redis://127.0.0.1:9/0"), 1 << 20)


def drawing(body: bytes, may_answer: asyncio.Event) -> Callable[[], Awaitable[Answer]]:
    async def draw() -> Answer:
        await may_answer.wait()
        return Answer(body, '"tag"', datetime.now(UTC))

    return draw


async def ask(pages: AnswerCache, owner: UUID, body: bytes, may_answer: asyncio.Event) -> bytes:
    entry = await pages.find(str(owner), NAME, drawing(body, may_answer))
    assert entry is not None
    return entry.body


async def test_all_who_ask_at_once_share_one_drawing(pages: AnswerCache) -> None:
    owner, now = uuid4(), asyncio.Event()
    asking = [asyncio.create_task(ask(pages, owner, b"%d" % number, now)) for number in range(5)]
    await asyncio.sleep(0.05)
    now.set()
    assert await asyncio.gather(*asking) == [b"0"] * 5
    assert (pages.rendered, pages.shared) == (1, 4)


async def test_what_was_drawn_while_something_was_pending_is_not_kept_when_the_stamp_is_the_same_again(
    pages: AnswerCache,
) -> None:
    owner, later, now = uuid4(), asyncio.Event(), asyncio.Event()
    now.set()
    early = asyncio.create_task(ask(pages, owner, b"with what is pending", later))
    await asyncio.sleep(0.05)
    before = pages.versions.get(str(owner))
    pages.forget(str(owner))  # it came, and went again without a version
    assert await ask(pages, owner, b"without", now) == b"without"
    assert pages.versions.get(str(owner)) == before
    later.set()
    assert await early == b"with what is pending"
    kept = pages.from_memory(str(owner), NAME)
    assert kept is not None
    assert kept.body == b"without"


def test_an_answer_is_kept_no_longer_than_its_bound_and_not_into_another_day() -> None:
    began = 1_000_000 * 900.0 + 100
    noon = datetime.fromtimestamp(began, UTC)

    def until(source: AnswerSource | None, *, at: float = began, stale: bool = False) -> float:
        return good_until_of(Answer(b"{}", "", noon, "past_bound" if stale else None, (source,) if source else ()), at)

    assert until(None) == began + MOST_SECONDS
    assert until(AnswerSource("account_history", "1", noon)) == began + MOST_EVENT_DRIVEN_SECONDS
    assert until(AnswerSource("client_invoices", "1", noon - timedelta(seconds=80))) == began + 10
    assert until(None, stale=True) == 0
    assert until(None, at=began + 790) == began + 800, "a quarter of an hour begins, and somewhere a day"
