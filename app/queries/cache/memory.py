"""Answers in the memory of a process: bounded by bytes, kept by use, not swept out by a scan (S3-FIFO).

What is new queues on probation. What was asked for again before it reached the end of that queue moves to the main one;
of the rest only the key stays for a while, and one that comes back meanwhile goes to the main queue at once. A hit
counts an integer up and moves nothing. (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.)
"""

import gzip
from collections import OrderedDict

from app.queries.cache.account_version import Stamp

PROBATION_SHARE = 0.1
MOST_USES = 3
PACKING_LEVEL = 5
OVERHEAD_BYTES = 1_200
"""What an entry takes beside its bytes: headers, key, places in dicts and queue; measured."""
GHOSTS = 50_000
"""Keys remembered of what left; some 200 bytes each."""

UseOrder = OrderedDict["CachedAnswer", None]
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\netag: %b\r\n"


class CachedAnswer:
    """An answer as it is sent over HTTP/1.1.

    Attributes:
        stamp: what it was drawn under; it is right while this is the stamp of its owner.
        good_until: monotonic time from which it must be drawn anew in any case.
        body: JSON, complete; empty where all that is kept is that the answer may not be.
        head: status line and the headers that are its own.
        unchanged: the same for who holds the body already.
        packed: (head, the body as gzip) once somebody who takes that asked a second time.
        uses: how often it was asked for since it came or was last looked at.
    """

    __slots__ = ("body", "etag", "good_until", "head", "name", "owner", "packed", "queue", "stamp", "unchanged", "uses")

    def __init__(self, owner: str, name: str, stamp: Stamp, good_until: float, etag: str, body: bytes) -> None:
        self.owner, self.name, self.stamp, self.good_until = owner, name, stamp, good_until
        self.etag, self.body = etag.encode(), body
        self.unchanged = b"HTTP/1.1 304 Not Modified\r\netag: %b\r\n" % self.etag
        self.head = _HEAD % (len(body), self.etag)
        self.packed: tuple[bytes, bytes] | None = None
        self.uses = 0
        self.queue: UseOrder | None = None

    def pack(self) -> None:
        """Make the body as gzip; its validator is a weak one, because the bytes are others."""
        body = gzip.compress(self.body, PACKING_LEVEL, mtime=0)
        self.packed = (_HEAD % (len(body), b"W/" + self.etag) + b"content-encoding: gzip\r\n", body)

    @property
    def size(self) -> int:
        """Bytes it takes."""
        return len(self.body) + (len(self.packed[1]) if self.packed else 0) + OVERHEAD_BYTES


class Memory:
    """Entries by owner and name, at most so many bytes of them."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = self.entries = self.evicted = 0
        self._probation_bytes = 0
        self._by_owner: dict[str, dict[str, CachedAnswer]] = {}
        self._probation: UseOrder = OrderedDict()
        self._main: UseOrder = OrderedDict()
        self._ghosts: OrderedDict[tuple[str, str], None] = OrderedDict()

    def get(self, owner: str, name: str) -> CachedAnswer | None:
        """The entry, right or not."""
        found = self._by_owner.get(owner)
        entry = found.get(name) if found else None
        if entry is not None and entry.uses < MOST_USES:
            entry.uses += 1
        return entry

    def put(self, entry: CachedAnswer) -> None:
        """Keep an entry in place of the one of its name."""
        if entry.size > self.most_bytes:
            return
        names = self._by_owner.get(entry.owner)
        former = names.get(entry.name) if names else None
        if former:
            self._remove(former)
            self._ghosts[entry.owner, entry.name] = None
        known = (entry.owner, entry.name) in self._ghosts
        if known:
            del self._ghosts[entry.owner, entry.name]
        self._by_owner.setdefault(entry.owner, {})[entry.name] = entry
        self.entries += 1
        self._append(entry, self._main if known else self._probation)
        self._make_room()

    def pack(self, entry: CachedAnswer) -> None:
        """Make the body as gzip, and keep it beside the plain one if that is kept."""
        if entry.queue is None:
            entry.pack()
        else:
            queue = self._take(entry)
            entry.pack()
            self._append(entry, queue)
            self._make_room()

    def forget(self, owner: str) -> None:
        """Drop everything of an owner."""
        for entry in list(self._by_owner.get(owner, {}).values()):
            self._remove(entry)

    def clear(self) -> None:
        """Drop everything."""
        for owner in list(self._by_owner):
            self.forget(owner)

    def _append(self, entry: CachedAnswer, queue: UseOrder) -> None:
        queue[entry], entry.queue = None, queue
        self.bytes += entry.size
        self._probation_bytes += entry.size if queue is self._probation else 0

    def _take(self, entry: CachedAnswer) -> UseOrder:
        queue = entry.queue
        assert queue is not None
        del queue[entry]
        entry.queue = None
        self.bytes -= entry.size
        self._probation_bytes -= entry.size if queue is self._probation else 0
        return queue

    def _remove(self, entry: CachedAnswer) -> None:
        self._take(entry)
        self.entries -= 1
        names = self._by_owner[entry.owner]
        del names[entry.name]
        if not names:
            del self._by_owner[entry.owner]

    def _make_room(self) -> None:
        while self.bytes > self.most_bytes:
            if self._probation and (self._probation_bytes > self.most_bytes * PROBATION_SHARE or not self._main):
                self._end_probation(next(iter(self._probation)))
            else:
                self._look_at(next(iter(self._main)))

    def _end_probation(self, entry: CachedAnswer) -> None:
        if entry.uses:
            self._take(entry)
            entry.uses = 0
            self._append(entry, self._main)
            return
        self._remove(entry)
        self.evicted += 1
        self._ghosts[entry.owner, entry.name] = None
        if len(self._ghosts) > GHOSTS:
            self._ghosts.popitem(last=False)

    def _look_at(self, entry: CachedAnswer) -> None:
        if entry.uses:
            self._main.move_to_end(entry)
            entry.uses -= 1
            return
        self._remove(entry)
        self.evicted += 1
