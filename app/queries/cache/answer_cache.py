"""Cached answers in three layers: memory of the process, Redis, Postgres.

An answer is cached under the cache version of its owner (`app/queries/cache/account_version.py`) and served only while
that is still the owner's version, which a process knows only under a lease (`app/cache/lease.py`). So no layer has to
be invalidated, a copy in Redis may be arbitrarily old, and a process that lost its lease reads Postgres.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import asyncpg
import msgspec
from msgspec import Struct

import app
from app.cache.lease import LEASE_SECONDS, Lease
from app.cache.redis_pipeline import RedisPipeline
from app.queries.cache.account_version import UNSHARED, CacheVersion, cache_versions, present_versions
from app.queries.cache.memory import EVERYONE, CachedAnswer, Memory
from app.queries.reading.store import Answer
from app.readmodels import documents

APP = Path(app.__file__).parent
MOST_SECONDS = 60.0
MOST_EVENT_DRIVEN_SECONDS = 10.0
"""Waiting makes event-fed data no staler, but its answer states its age in `as_of`."""
STALE_SECONDS = 1.0
DAYS_BEGIN_SECONDS = 900
UNKEPT_SECONDS = 1.0
"""How long the fast path leaves an uncacheable answer to the ordinary route."""

Render = Callable[[], Awaitable[Answer]]


class Copy(Struct, array_like=True):
    """An answer in Redis. `good_until` is seconds since the epoch; `language` is empty where it has no sentences."""

    version: CacheVersion
    good_until: float
    etag: str
    body: bytes
    language: str = ""


_decode = msgspec.msgpack.Decoder(Copy).decode


def shaping_files() -> list[Path]:
    """List the files that shape answers: all code of the application, and the catalogs of its sentences.

    A narrower list would have to name the queries, the read models, parsing, money, the calendar, the fast path's
    routes and the cursors they sign, and whatever these import next. A module left out would be noticed by nobody: the
    new release would serve what the old one rendered. A list too wide costs a cold cache per release, and copies live
    for a minute at most.
    """
    return sorted([*APP.rglob("*.py"), *APP.rglob("*.toml")])


@cache
def _code() -> str:
    """Hash the code that shapes answers, so that a release never serves what another one rendered."""
    digest = hashlib.blake2b(digest_size=6)
    for file in shaping_files():
        digest.update(f"{file.relative_to(APP)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


class Layers(Struct, frozen=True, kw_only=True):
    """The cache of one process, and where its answers came from since it began.

    Attributes:
        hits: answered from memory.
        copied: read from Redis.
        drawn: rendered from Postgres.
        shared: rendered once for several concurrent callers.
        unkept: not cached because they were stale.
        stamps: cache versions that the process holds.
    """

    entries: int
    """The number of answers in memory."""
    bytes: int
    """The size of the answers in memory."""
    most_bytes: int
    """The bound of their size."""
    evicted: int
    """Answers that made room for others."""
    stamps: int
    leased: bool
    """Whether the process may answer from memory now."""
    hits: int
    copied: int
    drawn: int
    shared: int
    unkept: int
    hit_rate: float
    """The part of the requests that memory answered."""


class AnswerCache:
    """The cache of one process, with counts of how often each layer answered."""

    def __init__(self, pool: asyncpg.Pool, lease: Lease, redis: RedisPipeline, most_bytes: int) -> None:
        self.versions, self._present = cache_versions(pool), present_versions(pool)
        self.memory = Memory(most_bytes)
        self.hits = self.copied = self.rendered = self.shared = self.unkept = 0
        self._lease, self._redis, self._code = lease, redis, _code()
        self._rendering: dict[tuple[str, str, int], asyncio.Task[Copy]] = {}
        self._sharing: set[asyncio.Task[None]] = set()

    def layers(self) -> Layers:
        """Describe the cache for operators."""
        memory, asked = self.memory, self.hits + self.copied + self.rendered + self.shared
        return Layers(
            entries=memory.entries,
            bytes=memory.bytes,
            most_bytes=memory.most_bytes,
            evicted=memory.evicted,
            stamps=len(self.versions),
            leased=self._lease.holds(),
            hits=self.hits,
            copied=self.copied,
            drawn=self.rendered,
            shared=self.shared,
            unkept=self.unkept,
            hit_rate=round(self.hits / asked, 4) if asked else 0.0,
        )

    def forget(self, owner: str) -> None:
        """Drop everything cached for an owner whose data changed."""
        self.versions.forget(owner)
        self.memory.forget(owner)

    def forget_all(self) -> None:
        """Drop everything, because anything may have changed."""
        self.versions.forget_all()
        self.memory.clear()

    def from_memory(self, owner: str, name: str) -> CachedAnswer | None:
        """Return the answer from memory. Valid only under a lease."""
        entry = self.memory.get(owner, name)
        if entry is None or entry.version != self.versions.get(owner) or entry.good_until < time.monotonic():
            return None
        self.hits += 1
        return entry

    def version_of(self, owner: str) -> CacheVersion | None:
        """Return the owner's cache version if it is known and allows caching. Valid only under a lease."""
        version = self.versions.get(owner)
        return None if version == UNSHARED else version

    def ask_redis(self, owner: str, name: str) -> "asyncio.Future[bytes | None] | None":
        """Begin to read the copy in Redis, for `from_redis`; None without a connection to Redis."""
        return self._redis.begin(b"GET", documents.page_key(owner, self._code, name))

    def from_redis(self, owner: str, name: str, version: CacheVersion, stored: bytes | None) -> CachedAnswer | None:
        """Decode the copy from Redis, if it is of this version and still good."""
        try:
            copy = _decode(stored) if stored else None
        except msgspec.MsgspecError:  # written by other code, or truncated
            copy = None
        if copy is None or copy.version != version or copy.good_until <= time.time():
            return None
        self.copied += 1
        return self.keep(owner, name, version, copy)

    async def find(self, owner: str, name: str, render: Render) -> CachedAnswer | None:
        """Return the answer from Redis or Postgres, without a body if it may not be cached. Valid only under a lease.

        Raises:
            PortalError: as `render` does.
        """
        version = self.versions.get(owner) or await self.versions.read(owner)
        if version is None or version == UNSHARED:
            return None
        stored = await self._redis.call(b"GET", documents.page_key(owner, self._code, name))
        return self.from_redis(owner, name, version, stored) or await self.from_postgres(owner, name, version, render)

    async def from_postgres(self, owner: str, name: str, version: CacheVersion, render: Render) -> CachedAnswer:
        """Return the answer from Postgres under a version that was known before; raises as `find`."""
        return self.keep(owner, name, version, await asyncio.shield(self.rendering(owner, name, version, render)))

    def keep(self, owner: str, name: str, version: CacheVersion, copy: Copy) -> CachedAnswer:
        """Cache what was rendered or copied under a version."""
        good_until = time.monotonic() + copy.good_until - time.time()
        entry = CachedAnswer(owner, name, version, good_until, copy.etag, copy.body, copy.language)
        if self.versions.get(owner) is version:
            self.memory.put(entry)
        return entry

    def rendering(self, owner: str, name: str, version: CacheVersion, render: Render) -> "asyncio.Task[Copy]":
        """Render from Postgres once for all concurrent callers (single flight).

        Keyed by the identity of the version object: an equal one that was re-read later may hide a change. Shielded
        from cancellation.
        """
        key = (owner, name, id(version))
        task = self._rendering.get(key)
        if task is None:
            task = self._rendering[key] = asyncio.create_task(self._render(owner, name, version, render))
            task.add_done_callback(lambda done: self._rendered(key, done))
        else:
            self.shared += 1
        return task

    def _rendered(self, key: tuple[str, str, int], done: "asyncio.Task[Copy]") -> None:
        del self._rendering[key]
        if not done.cancelled():
            done.exception()  # every caller may have gone

    async def _render(self, owner: str, name: str, version: CacheVersion, render: Render) -> Copy:
        began = time.time()
        answer = await render()
        self.rendered += 1
        good_until = good_until_of(answer, began)
        # A commit during the rendering: the answer may show more than the version it would be given with.
        overtaken = owner != EVERYONE and await self._present.load(owner) != version[0]
        if overtaken or good_until <= time.time():
            self.unkept += 1
            return Copy(version, time.time() + UNKEPT_SECONDS, "", b"")
        copy = Copy(version, good_until, answer.etag, answer.body, answer.language or "")
        if self._redis.works and not answer.stale:
            place = documents.page_key(owner, self._code, name)
            sharing = asyncio.create_task(self._share(owner, place, copy))
            self._sharing.add(sharing)
            sharing.add_done_callback(self._sharing.discard)
        return copy

    async def _share(self, owner: str, place: bytes, copy: Copy) -> None:
        """Store a copy for the other processes, after one lease period.

        By then every change that came before the rendering is known here, including one that the version does not show:
        a pending entry comes and goes without a version.
        """
        await asyncio.sleep(LEASE_SECONDS)
        left_ms = int((copy.good_until - time.time()) * 1000)
        if await self._lease.held() and self.versions.get(owner) is copy.version and left_ms > 0:
            self._redis.send(b"SET", place, msgspec.msgpack.encode(copy), b"PX", b"%d" % left_ms)


def good_until_of(answer: Answer, began: float) -> float:
    """Return the time (seconds since the epoch) until which an answer may be served again if nothing changes.

    - Not past the freshness bound of its sources. A stale answer is not cached at all, because asking has it verified.
    - Not into another day, on which other invoices are overdue: somewhere a day begins with every quarter of an hour.
    - An answer that only a feed can freshen is cached for a second, so that the feed's outage does not overload
      Postgres.


    `began` is when rendering began.
    """
    if answer.stale:
        by_feed = bool(answer.sources) and all(source.by_events for source in answer.sources)
        return began + STALE_SECONDS if by_feed else 0.0
    found = [began + MOST_SECONDS, (began // DAYS_BEGIN_SECONDS + 1) * DAYS_BEGIN_SECONDS]
    for source in answer.sources:
        if source.by_events:
            found.append(began + MOST_EVENT_DRIVEN_SECONDS)
        if bound_at := source.bound_at:
            found.append(bound_at.timestamp())
    return min(found)
