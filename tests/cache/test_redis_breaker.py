"""Redis that hangs, is gone or refuses: asked once, then left alone until it answers, and never anybody's exception."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.cache.redis_breaker import OK, GuardedRedis, redis_state
from app.cache.redis_pipeline import RedisPipeline
from app.http.guards.local_counts import LocalCounts
from app.http.guards.rate_limits import Counters
from app.jobs import JobQueue, Jobs, damaged_keys
from tests.fixtures.own_redis import REFUSALS, WAYS, OwnRedis

PATIENCE_SECONDS = 30
COUNT = "return redis.call('INCRBY', KEYS[1], 1)"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnRedis]:
    with OwnRedis() as own:
        yield own


@pytest.fixture
async def redis(server: OwnRedis) -> AsyncIterator[GuardedRedis]:
    client = GuardedRedis.open(server.url)
    await client.flushall()
    yield client
    await client.aclose()


async def until_back(redis: GuardedRedis) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not redis.breaker.closed:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("how", WAYS)
async def test_the_first_failure_opens_the_breaker_and_an_answer_closes_it(
    server: OwnRedis, redis: GuardedRedis, how: str
) -> None:
    assert await redis_state(redis) == OK
    await server.spoil(how)
    try:
        with pytest.raises(RedisError):
            await redis.eval(COUNT, 1, "counted")  # type: ignore[misc]
        assert not redis.breaker.closed
        asked = redis.breaker.calls
        for _ in range(500):
            with pytest.raises(RedisError):
                await redis.get("anything")
            with pytest.raises(RedisError):
                await redis.pipeline().set("one", "1").execute()
        assert redis.breaker.calls - asked <= 1, "a probe, and nobody else"
        found = await redis_state(redis)
        assert found.state == ("refusing" if how in REFUSALS else "away")
        assert found.reason
    finally:
        await server.mend(how)
    await until_back(redis)
    assert await redis.eval(COUNT, 1, "counted") >= 1  # type: ignore[misc]
    assert await redis_state(redis) == OK


@pytest.mark.parametrize("how", WAYS)
async def test_limits_go_on_counting_and_jobs_are_refused_at_once(
    server: OwnRedis, redis: GuardedRedis, how: str
) -> None:
    counters, jobs = Counters(redis, LocalCounts(RedisPipeline(server.url))), Jobs(redis)
    assert await counters.count("hana", 1) == 1
    await server.spoil(how)
    try:
        assert [await counters.count("hana", 1) for _ in range(20)] == list(range(2, 22))
        asked = redis.breaker.calls
        assert not any([await jobs.enqueue("fulfil", str(n), order_id=str(n)) for n in range(100)])
        assert redis.breaker.calls - asked <= 1
    finally:
        await server.mend(how)
    await until_back(redis)
    assert await jobs.enqueue("fulfil", "back", order_id="back")


async def test_an_error_about_one_key_does_not_open_the_breaker(redis: GuardedRedis) -> None:
    await redis.set("word", "no list")
    for _ in range(3):
        with pytest.raises(RedisError):
            await redis.lpush("word", "more")  # type: ignore[misc]
    assert redis.breaker.closed
    assert await redis.get("word") == b"no list"


@pytest.mark.parametrize("name", ["incomplete", "queued", "active"])
@pytest.mark.parametrize("kind", ["apply", "fetch", "fulfil"])
async def test_a_damaged_queue_is_emptied_and_works(redis: GuardedRedis, kind: str, name: str) -> None:
    arguments = {"order_id": "7"} if kind == "fulfil" else {"shard": 7}
    jobs = Jobs(redis)
    await jobs.enqueue(kind, "earlier", **arguments)
    await redis.set(f"saq:{kind}:{name}", "no queue at all")
    assert await damaged_keys(redis, kind) == [f"saq:{kind}:{name}"]
    queue = JobQueue(redis, kind)
    await jobs.enqueue(kind, "7", **arguments)
    await queue.dequeue(0.1)
    assert await damaged_keys(redis, kind) == []
    assert await jobs.enqueue(kind, "later", **arguments)
    job = await queue.dequeue(1)
    assert job is not None
    assert job.kwargs == arguments


@pytest.mark.parametrize("junk", ["junk", "5", "[]", '{"queue": "fulfil"}', "\udcff"])
async def test_a_job_that_is_none_is_dropped(redis: GuardedRedis, junk: str) -> None:
    queue = JobQueue(redis, "fulfil")
    await redis.set("saq:job:fulfil:x", junk.encode("utf-8", "surrogateescape"))
    await redis.rpush("saq:fulfil:queued", "saq:job:fulfil:x")  # type: ignore[misc]
    assert await queue.dequeue(0.1) is None
    assert await Jobs(redis).enqueue("fulfil", "7", order_id="7")
    job = await queue.dequeue(1)
    assert job is not None
    assert job.kwargs == {"order_id": "7"}


async def test_a_lost_job_does_not_block_its_key_forever(redis: GuardedRedis) -> None:
    jobs, queue = Jobs(redis), JobQueue(redis, "apply")
    await jobs.enqueue("apply", "7", shard=7)
    await jobs.enqueue("apply", "7", shard=7)
    await redis.delete("saq:apply:queued")
    await queue.sweep(1)
    assert await jobs.enqueue("apply", "7", shard=7)
    assert await queue.dequeue(1) is not None


async def test_nobody_asks_for_copies_of_a_server_that_accepts_and_does_not_answer(server: OwnRedis) -> None:
    copies = RedisPipeline(server.url)
    copies.open()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not copies.works:
            await asyncio.sleep(0.01)
    await server.spoil("hangs")
    try:
        waited = copies.begin(b"GET", b"a")
        assert waited is not None
        assert await asyncio.wait_for(waited, PATIENCE_SECONDS) is None
        ends_at = time.monotonic() + 3  # several connections are tried in that time
        while time.monotonic() < ends_at:
            assert copies.begin(b"GET", b"a") is None
            await asyncio.sleep(0.01)
    finally:
        await server.mend("hangs")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not copies.works:
            await asyncio.sleep(0.01)
    assert await copies.call(b"PING") == b"PONG"
    await copies.close()


async def test_a_subscription_is_not_cut_by_the_patience_for_commands(server: OwnRedis, redis: GuardedRedis) -> None:
    async with redis.pubsub() as pubsub, Redis.from_url(server.url) as other:
        await pubsub.subscribe("news")
        for _ in range(2):
            await pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0)
        await other.publish("news", "heard")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (message := await pubsub.get_message(ignore_subscribe_messages=True, timeout=1.0)):
                pass
        assert message["data"] == b"heard"
