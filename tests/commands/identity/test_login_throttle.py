"""Attempts: few for one address, slow for everybody together, and never a way to lock somebody else out."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.commands.execution.context import Actor, Context
from app.commands.identity import login_throttle
from app.commands.identity.sessions import session_store
from app.errors import RateLimited
from app.resources import open_resources
from app.settings import Settings

HANA = "hana@example.jp"


@pytest.fixture
async def context(settings: Settings, pool: asyncpg.Pool, redis: Redis) -> AsyncIterator[Context]:
    async with open_resources(settings) as r:
        yield r.context


async def attempt(context: Context, address: str, email: str = HANA) -> bool:
    try:
        await login_throttle.count(context, Actor(address=address), "log_in", email)
    except RateLimited as error:
        return not 0 < (error.retry_after_seconds or 0) <= login_throttle.WINDOW_SECONDS
    return True


async def knows(context: Context, address: str) -> None:
    """Note a log-in of the user from an address."""
    user_id = uuid4()
    await context.pool.execute(
        "INSERT INTO portal.users (id, email, password_hash) VALUES ($1, $2, 'unused')", user_id, HANA
    )
    await session_store.open_session(context.pool, context.settings, user_id, address, "browser")


async def besiege(context: Context, email: str = HANA) -> None:
    """Somebody with many addresses tries one e-mail address, a few times from each."""
    for n in range(login_throttle.MOST_OF_EMAIL):
        await attempt(context, f"198.51.100.{n}", email)


async def test_one_address_has_five_attempts_at_one_user(context: Context) -> None:
    assert [await attempt(context, "203.0.113.7") for _ in range(7)] == [True] * 5 + [False] * 2
    assert await attempt(context, "203.0.113.7", "kenji@example.jp")
    assert await attempt(context, "203.0.113.8")


async def test_many_addresses_together_are_slowed_down_and_not_locked_out(context: Context, redis: Redis) -> None:
    await besiege(context)
    assert [await attempt(context, f"192.0.2.{n}") for n in range(5)] == [True] + [False] * 4
    turns = [key async for key in redis.scan_iter("*:turn")]
    assert len(turns) == 1
    assert 0 < await redis.ttl(turns[0]) <= login_throttle.SLOW_SECONDS
    await redis.delete(turns[0])  # half a minute later
    assert await attempt(context, "192.0.2.77")


async def test_a_login_from_a_known_address_is_not_delayed_by_others(context: Context) -> None:
    await knows(context, "203.0.113.7")
    await besiege(context)
    await attempt(context, "192.0.2.1")
    assert not await attempt(context, "192.0.2.2")
    assert [await attempt(context, "203.0.113.7") for _ in range(6)] == [True] * 5 + [False]


async def test_one_address_cannot_try_everybody(context: Context) -> None:
    for n in range(login_throttle.MOST_OF_ADDRESS):
        assert await attempt(context, "203.0.113.7", f"user{n}@example.jp")
    assert not await attempt(context, "203.0.113.7", "another@example.jp")


async def test_what_succeeded_was_no_failure(context: Context) -> None:
    for _ in range(login_throttle.MOST_OF_ADDRESS + 20):
        assert await attempt(context, "203.0.113.7")
        await login_throttle.forget(context, Actor(address="203.0.113.7"), "log_in", HANA)


async def test_without_redis_the_process_counts_by_itself(settings: Settings, pool: asyncpg.Pool) -> None:
    away = msgspec.structs.replace(settings, redis_url="redis://127.0.0.1:9/0")
    async with open_resources(away) as r:
        context = r.context
        email = f"{uuid4()}@example.jp"  # the counts are the process's, and outlive this test
        assert [await attempt(context, "203.0.113.7", email) for _ in range(7)] == [True] * 5 + [False] * 2
        await login_throttle.forget(context, Actor(address="203.0.113.7"), "log_in", email)
        assert await attempt(context, "203.0.113.7", email)
