"""Answers that are asked for again and again, in layers: memory of the process, Redis, Postgres.

An answer is kept under the stamp of its owner (`app/queries/cache/account_version.py`) and given again only while that
is the owner's stamp, which a process knows only under a lease (`app/cache/lease.py`). So no layer needs to be told of a
change, a copy in Redis may be as old as it likes, and who lost the lease asks Postgres.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import msgspec
from msgspec import Struct

import app
from app.cache.lease import LEASE_SECONDS, Lease
from app.cache.redis_pipeline import RedisPipeline
from app.queries.cache.account_version import UNSHARED, Stamp, stamps
from app.queries.cache.memory import CachedAnswer, Memory
from app.queries.reading.store import Answer
from app.readmodels import documents

APP = Path(app.__file__).parent
MOST_SECONDS = 60.0
MOST_EVENT_DRIVEN_SECONDS = 10.0
"""What events keep current grows no older by waiting, but says in `as_of` how old it is."""
STALE_SECONDS = 1.0
DAYS_BEGIN_SECONDS = 900
UNKEPT_SECONDS = 1.0
"""How long an answer that may not be kept is not asked for again on this way."""

Draw = Callable[[], Awaitable[Answer]]


class Copy(Struct, array_like=True):
    """An answer in Redis. `good_until` is seconds since the epoch."""

    stamp: Stamp
    good_until: float
    etag: str
    body: bytes


_decode = msgspec.msgpack.Decoder(Copy).decode


def _code() -> str:
    """Changes with the code that shapes answers, so that a release never serves what another one has drawn."""
    files = [file for room in ("queries", "readmodels") for file in (APP / room).rglob("*.py")]
    return hashlib.blake2b(b"".join(file.read_bytes() for file in sorted(files)), digest_size=6).hexdigest()


class Layers(Struct, frozen=True, kw_only=True):
    """What one process keeps, and where its answers came from since it began: hits of memory, copies from Redis, drawn
    from Postgres, shared with somebody who had asked for the same, and not kept because they were stale."""

    entries: int
    bytes: int
    most_bytes: int
    evicted: int
    stamps: int
    leased: bool
    hits: int
    copied: int
    drawn: int
    shared: int
    unkept: int
    hit_rate: float


class AnswerCache:
    """The layers of one process, and how often each was enough."""

    def __init__(self, pool: asyncpg.Pool, watch: Lease, copies: RedisPipeline, most_bytes: int) -> None:
        self.stamps = stamps(pool)
        self.memory = Memory(most_bytes)
        self.hits = self.copied = self.drawn = self.shared = self.unkept = 0
        self._watch, self._copies, self._code = watch, copies, _code()
        self._drawing: dict[tuple[str, str, int], asyncio.Task[Copy]] = {}
        self._sharing: set[asyncio.Task[None]] = set()

    def layers(self) -> Layers:
        """How it stands."""
        memory, asked = self.memory, self.hits + self.copied + self.drawn + self.shared
        return Layers(
            entries=memory.entries,
            bytes=memory.bytes,
            most_bytes=memory.most_bytes,
            evicted=memory.evicted,
            stamps=len(self.stamps),
            leased=self._watch.holds(),
            hits=self.hits,
            copied=self.copied,
            drawn=self.drawn,
            shared=self.shared,
            unkept=self.unkept,
            hit_rate=round(self.hits / asked, 4) if asked else 0.0,
        )

    def forget(self, owner: str) -> None:
        """The owner's answers changed."""
        self.stamps.forget(owner)
        self.memory.forget(owner)

    def forget_all(self) -> None:
        """Anything may have changed."""
        self.stamps.forget_all()
        self.memory.clear()

    def at_hand(self, owner: str, name: str) -> CachedAnswer | None:
        """The answer from memory. Only under a lease."""
        entry = self.memory.get(owner, name)
        if entry is None or entry.stamp != self.stamps.get(owner) or entry.good_until < time.monotonic():
            return None
        self.hits += 1
        return entry

    def stamp(self, owner: str) -> Stamp | None:
        """The owner's, where it is known and answers under it may be kept. Only under a lease."""
        stamp = self.stamps.get(owner)
        return None if stamp == UNSHARED else stamp

    def ask_redis(self, owner: str, name: str) -> "asyncio.Future[bytes | None] | None":
        """What Redis holds, for `from_redis`; None where there is no Redis."""
        return self._copies.begin(b"GET", documents.page_key(owner, self._code, name))

    def from_redis(self, owner: str, name: str, stamp: Stamp, kept: bytes | None) -> CachedAnswer | None:
        """What Redis holds, if that is still so."""
        try:
            copy = _decode(kept) if kept else None
        except msgspec.MsgspecError:  # somebody else's, or half of one
            copy = None
        if copy is None or copy.stamp != stamp or copy.good_until <= time.time():
            return None
        self.copied += 1
        return self.kept(owner, name, stamp, copy)

    async def find(self, owner: str, name: str, draw: Draw) -> CachedAnswer | None:
        """The answer from Redis or Postgres, without a body when it may not be kept. Only under a lease.

        Raises:
            PortalError: as `draw` does.
        """
        stamp = self.stamps.get(owner) or await self.stamps.read(owner)
        if stamp is None or stamp == UNSHARED:
            return None
        kept = await self._copies.ask(b"GET", documents.page_key(owner, self._code, name))
        return self.from_redis(owner, name, stamp, kept) or await self.from_postgres(owner, name, stamp, draw)

    async def from_postgres(self, owner: str, name: str, stamp: Stamp, draw: Draw) -> CachedAnswer:
        """The answer from Postgres, under the stamp that was known before; as `find`."""
        return self.kept(owner, name, stamp, await asyncio.shield(self.drawing(owner, name, stamp, draw)))

    def kept(self, owner: str, name: str, stamp: Stamp, copy: Copy) -> CachedAnswer:
        """Keep what was drawn or copied under a stamp."""
        good_until = time.monotonic() + copy.good_until - time.time()
        entry = CachedAnswer(owner, name, stamp, good_until, copy.etag, copy.body)
        if self.stamps.get(owner) is stamp:
            self.memory.put(entry)
        return entry

    def drawing(self, owner: str, name: str, stamp: Stamp, draw: Draw) -> "asyncio.Task[Copy]":
        """From Postgres; once for all who ask for the same under the same stamp, read once: one that was forgotten and
        read again may be equal, and what was drawn between is not the same. Nobody may cancel it."""
        key = (owner, name, id(stamp))
        task = self._drawing.get(key)
        if task is None:
            task = self._drawing[key] = asyncio.create_task(self._draw(owner, name, stamp, draw))
            task.add_done_callback(lambda done: self._drawn(key, done))
        else:
            self.shared += 1
        return task

    def _drawn(self, key: tuple[str, str, int], done: "asyncio.Task[Copy]") -> None:
        del self._drawing[key]
        if not done.cancelled():
            done.exception()  # whoever asked may have gone

    async def _draw(self, owner: str, name: str, stamp: Stamp, draw: Draw) -> Copy:
        began = time.time()
        answer = await draw()
        self.drawn += 1
        good_until = good_until_of(answer, began)
        if good_until <= time.time():
            self.unkept += 1
            return Copy(stamp, time.time() + UNKEPT_SECONDS, "", b"")
        copy = Copy(stamp, good_until, answer.etag, answer.body)
        if self._copies.works and not answer.stale:
            place = documents.page_key(owner, self._code, name)
            sharing = asyncio.create_task(self._share(owner, place, copy))
            self._sharing.add(sharing)
            sharing.add_done_callback(self._sharing.discard)
        return copy

    async def _share(self, owner: str, place: bytes, copy: Copy) -> None:
        """Leave a copy for the other processes, once it is sure that nothing changed before it was drawn that the stamp
        does not show: what is pending goes and comes without a version."""
        await asyncio.sleep(LEASE_SECONDS)
        left_ms = int((copy.good_until - time.time()) * 1000)
        if await self._watch.held() and self.stamps.get(owner) is copy.stamp and left_ms > 0:
            self._copies.tell(b"SET", place, msgspec.msgpack.encode(copy), b"PX", b"%d" % left_ms)


def good_until_of(answer: Answer, began: float) -> float:
    """Until when an answer may be given again if nothing changes; in seconds since the epoch, as `began`, when drawing
    it began. Not past the bound of what it was drawn from, and not at all when it is past it already, because asking
    then has it verified. Nor into another day, on which other bills are overdue: one begins somewhere with every
    quarter of an hour. What only a feed can make fresh again is kept for a moment, so that its outage is not the
    database's."""
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
