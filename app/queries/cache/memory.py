"""Answers in the memory of a process: bounded by bytes, evicted by use, resistant to scans (S3-FIFO).

A new entry starts in the probation queue. If it is requested again before it reaches the end, it moves to the main
queue; otherwise only its key (a ghost) is remembered for a while, and an entry whose ghost is still remembered goes to
the main queue at once. A hit increments an integer and moves nothing. (Yang et al., "FIFO queues are all you need for
cache eviction", SOSP 2023.)
"""

import gzip
from collections import OrderedDict

from app.queries.cache.account_version import CacheVersion
from app.readmodels.table import GLOBAL_ACCOUNT

PROBATION_SHARE = 0.1
MOST_USES = 3
PACKING_LEVEL = 5
OVERHEAD_BYTES = 1_200
"""Measured cost of an entry on top of its bytes: headers, key, places in dicts and queue."""
GHOSTS = 50_000
"""Keys of evicted entries that are remembered, at some 200 bytes each."""

UseOrder = OrderedDict["CachedAnswer", None]
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\netag: %b\r\n%b"
EVERYONE = str(GLOBAL_ACCOUNT)
"""The owner of answers that are the same for all accounts."""


def version_line(version: int) -> bytes:
    """Render the header that tells the version of the account."""
    return b"account-version: %d\r\n" % version


class CachedAnswer:
    """An answer in the form in which HTTP/1.1 sends it.

    Attributes:
        version: the cache version it was rendered under; it is valid while its owner still has that version.
        good_until: monotonic time from which it must be rendered again in any case.
        body: JSON, complete; empty to remember that the answer may not be cached.
        head: status line and the entry's own headers.
        unchanged: status line and headers for a client that already holds the body (304).
        lines: the headers with the version of the account, which what is the same for all accounts lacks, and with the
            language, which what has no sentences lacks.
        packed: (head, gzipped body), made when a client that accepts gzip requests the entry a second time.
        uses: requests since it was added or last considered for eviction.
    """

    __slots__ = (
        "body",
        "etag",
        "good_until",
        "head",
        "lines",
        "name",
        "owner",
        "packed",
        "queue",
        "unchanged",
        "uses",
        "version",
    )

    def __init__(
        self,
        owner: str,
        name: str,
        version: CacheVersion,
        good_until: float,
        etag: str,
        body: bytes,
        language: str = "",
    ) -> None:
        self.owner, self.name, self.version, self.good_until = owner, name, version, good_until
        self.etag, self.body = etag.encode(), body
        self.lines = b"" if owner == EVERYONE else version_line(version[0])
        self.lines += b"content-language: %b\r\n" % language.encode() if language else b""
        self.unchanged = b"HTTP/1.1 304 Not Modified\r\netag: %b\r\n%b" % (self.etag, self.lines)
        self.head = _HEAD % (len(body), self.etag, self.lines)
        self.packed: tuple[bytes, bytes] | None = None
        self.uses = 0
        self.queue: UseOrder | None = None

    def pack(self) -> None:
        """Compress the body; its validator becomes a weak one, because the bytes differ."""
        body = gzip.compress(self.body, PACKING_LEVEL, mtime=0)
        head = _HEAD % (len(body), b"W/" + self.etag, self.lines)
        self.packed = (head + b"content-encoding: gzip\r\n", body)

    @property
    def size(self) -> int:
        """The bytes it takes up."""
        return len(self.body) + (len(self.packed[1]) if self.packed else 0) + OVERHEAD_BYTES


class Memory:
    """Entries by owner and name, bounded by their total bytes."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = self.entries = self.evicted = 0
        self._probation_bytes = 0
        self._by_owner: dict[str, dict[str, CachedAnswer]] = {}
        self._probation: UseOrder = OrderedDict()
        self._main: UseOrder = OrderedDict()
        self._ghosts: OrderedDict[tuple[str, str], None] = OrderedDict()

    def get(self, owner: str, name: str) -> CachedAnswer | None:
        """Return the entry, valid or not, and count the use."""
        found = self._by_owner.get(owner)
        entry = found.get(name) if found else None
        if entry is not None and entry.uses < MOST_USES:
            entry.uses += 1
        return entry

    def put(self, entry: CachedAnswer) -> None:
        """Store an entry in place of the one of the same name."""
        if entry.size > self.most_bytes:
            return
        names = self._by_owner.get(entry.owner)
        previous = names.get(entry.name) if names else None
        if previous:
            self._remove(previous)
            self._ghosts[entry.owner, entry.name] = None
        has_ghost = (entry.owner, entry.name) in self._ghosts
        if has_ghost:
            del self._ghosts[entry.owner, entry.name]
        self._by_owner.setdefault(entry.owner, {})[entry.name] = entry
        self.entries += 1
        self._append(entry, self._main if has_ghost else self._probation)
        self._make_room()

    def pack(self, entry: CachedAnswer) -> None:
        """Compress the body of an entry, and account for its new size if the entry is still stored."""
        if entry.queue is None:
            entry.pack()
        else:
            queue = self._take(entry)
            entry.pack()
            self._append(entry, queue)
            self._make_room()

    def forget(self, owner: str) -> None:
        """Drop all entries of an owner."""
        for entry in list(self._by_owner.get(owner, {}).values()):
            self._remove(entry)

    def clear(self) -> None:
        """Drop all entries of all owners."""
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
                self._consider(next(iter(self._main)))

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

    def _consider(self, entry: CachedAnswer) -> None:
        if entry.uses:
            self._main.move_to_end(entry)
            entry.uses -= 1
            return
        self._remove(entry)
        self.evicted += 1
