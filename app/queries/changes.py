"""The changes of an account since a version: the event stream's source of truth.

An account's version rises by one with every commit that changes something, so a gap means that the notices of the
versions in between were already deleted.

Reads: ingest.notices, read_model.account_versions.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.cache.batching import Batcher
from app.ingest.versions.notices import EXPORTS, READS, Outcome
from app.queries.reading.store import Store

VERSIONS_AT_ONCE = 200
NAMES = {
    "catalog": "catalog.changed",
    "charges": "charge.changed",
    "commands": "command.settled",
    "eligibility": "eligibility.changed",
    EXPORTS: "export.changed",
    "gateways": "payment_gateway.changed",
    "invoices": "invoice.changed",
    "orders": "order.changed",
    "payment_methods": "payment_method.changed",
    "profiles": "profile.changed",
    "subscriptions": "subscription.changed",
    "timeline_cases": "case.changed",
}
"""Read model, or the slice of another notice → event name. Read models without a name here are internal."""
NOTIFICATIONS = "notification.changed"
NOTIFYING = frozenset({"timeline_orders", "timeline_invoices", "timeline_subscriptions", "timeline_cases", READS})
"""Read models whose changes may change the list of notifications, and the marks of what was read."""
SHARED = (NAMES["catalog"], NAMES["gateways"])
"""Events for data that is the same for everybody."""


class Event(Struct, frozen=True):
    """A notice to re-read something; `id` is empty where an account has one of the kind, and where any may differ.

    `outcome`: how the command of that id ended; of `command.settled` alone.
    """

    name: str
    id: str
    version: int
    outcome: Outcome | None = None


class News(Struct, frozen=True):
    """Events in order of their versions, and the version that they bring the reader to.

    `lost` is true when some events are no longer stored: the reader must re-read everything.
    """

    events: tuple[Event, ...]
    version: int
    lost: bool = False


async def current(store: Store, account_id: UUID) -> int:
    """Return the account's current version."""
    found = await store.pool.fetchval(
        "SELECT version FROM read_model.account_versions WHERE account_id = $1", account_id
    )
    return int(found or 0)


async def since(store: Store, account_id: UUID, version: int) -> News:
    """Return the next events after a version, or none and `lost` when they are not all stored any more."""
    now = await current(store, account_id)
    if now == version:
        return News((), version)
    rows = await store.pool.fetch(
        "SELECT version, slice, item_id, outcome FROM ingest.notices "
        "WHERE account_id = $1 AND version > $2 AND version <= $2 + $3 ORDER BY version, id",
        account_id,
        version,
        VERSIONS_AT_ONCE,
    )
    if version > now or not rows or rows[0]["version"] != version + 1:
        return News((), now, lost=True)
    return News(_coalesced(rows), rows[-1]["version"])


class ChangeReader:
    """Changes for all subscribers of a process: callers in the same turn of the event loop share one query."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._versions, self._news = Batcher(self._current), Batcher(self._since)

    async def now(self, account_id: UUID) -> int:
        """Return the account's current version."""
        return await self._versions.load(account_id)

    async def since(self, account_id: UUID, version: int) -> News:
        """Return the next events after a version, as `since` does."""
        if await self._versions.load(account_id) == version:
            return News((), version)
        return await self._news.load((account_id, version))

    async def _current(self, accounts: Sequence[UUID]) -> Mapping[UUID, int]:
        rows = await self._store.pool.fetch(
            "SELECT account_id, version FROM read_model.account_versions WHERE account_id = ANY($1::uuid[])", accounts
        )
        return {**dict.fromkeys(accounts, 0), **{row["account_id"]: row["version"] for row in rows}}

    async def _since(self, asked: Sequence[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], News]:
        found = await asyncio.gather(*(since(self._store, *each) for each in asked))
        return dict(zip(asked, found, strict=True))


def _coalesced(rows: list[Any]) -> tuple[Event, ...]:
    """Keep the latest event of each item, in order; of one version, what changed comes after what follows from it."""
    latest: dict[tuple[str, str], Any] = {}
    for row in rows:
        for key in _keys(row["slice"], row["item_id"]):
            latest.pop(key, None)
            latest[key] = row
    ordered = sorted(latest.items(), key=lambda each: (each[1]["version"], each[0][0] != NOTIFICATIONS))
    return tuple(Event(name, item, row["version"], row["outcome"]) for (name, item), row in ordered)


def _keys(slice_name: str, item_id: str) -> Iterator[tuple[str, str]]:
    """Yield name and id of the events for a notice."""
    if slice_name in NAMES:
        yield NAMES[slice_name], item_id
    if slice_name in NOTIFYING:
        yield NOTIFICATIONS, ""
