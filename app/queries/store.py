"""What queries read from, and what they answer with."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.readmodels.freshness import BOUND_SECONDS
from app.readmodels.together import Together

MOST_ACCOUNTS = 32
"""That one statement reads for; more are read over several connections."""
Row = Mapping[str, Any]
Wanted = tuple[str, tuple[Any, ...], UUID]
"""(statement, its values after the accounts, account)."""


class Store:
    """The engines of the read side. Nothing here can reach an upstream.

    Attributes:
        catalog_feed: name of the change feed that event-driven answers are as fresh as.
        time_zone: where the billing system is: whose day it is for customers of countries with several time zones.
    """

    def __init__(self, pool: asyncpg.Pool, catalog_feed: str, time_zone: str = "Asia/Tokyo") -> None:
        self.pool, self.catalog_feed, self.time_zone = pool, catalog_feed, time_zone
        self._together: Together[Wanted, Row | Exception | None] = Together(self._read)

    async def row(self, statement: str, account_id: UUID, *values: Any) -> Row | None:
        """What a statement finds for an account. All who ask the same for other accounts in one turn of the event loop
        share a round trip, which is most of what a small statement costs.

        The statement reads `FROM unnest($1::uuid[]) WITH ORDINALITY AS a (account_id, n)` and tells `a.n`; `values`
        are $2 and on.
        """
        found = await self._together.ask((statement, values, account_id))
        if isinstance(found, Exception):
            raise found
        return found

    async def _read(self, wanted: Sequence[Wanted]) -> Mapping[Wanted, Row | Exception | None]:
        groups: dict[tuple[str, tuple[Any, ...]], list[UUID]] = {}
        for statement, values, account_id in wanted:
            groups.setdefault((statement, values), []).append(account_id)
        found: dict[Wanted, Row | Exception | None] = dict.fromkeys(wanted)
        parts = [
            self._fill(found, statement, values, accounts[start : start + MOST_ACCOUNTS])
            for (statement, values), accounts in groups.items()
            for start in range(0, len(accounts), MOST_ACCOUNTS)
        ]
        await (parts[0] if len(parts) == 1 else asyncio.gather(*parts))
        return found

    async def _fill(
        self, found: dict[Wanted, Row | Exception | None], statement: str, values: tuple[Any, ...], accounts: list[UUID]
    ) -> None:
        """One statement; an error is theirs alone who asked for it."""
        try:
            for row in await self.pool.fetch(statement, accounts, *values):
                found[statement, values, accounts[row["n"] - 1]] = row
        except Exception as error:
            found.update({(statement, values, account_id): error for account_id in accounts})


class Source(Struct, frozen=True):
    """What an answer was drawn from: reading it again, which a worker can be asked to do, verifies the answer.

    Attributes:
        resource: a WHMCS record or list as `BOUND_SECONDS` names them, or Salesforce's `account_history`.
        record_id: the upstream's id of the record, or of the list's owner.
        as_of: when it was last known to equal the upstream.
    """

    resource: str
    record_id: str
    as_of: datetime

    @property
    def past_bound(self) -> bool:
        """Whether it is older than it may grow unverified. What events keep current has no bound."""
        bound_seconds = BOUND_SECONDS.get(self.resource)
        return bound_seconds is not None and (datetime.now(UTC) - self.as_of).total_seconds() > bound_seconds


class Answer(Struct, frozen=True):
    """A ready answer.

    Attributes:
        body: JSON, complete; empty when the caller holds it already.
        etag: validator over content and projector version.
        as_of: when the data was last known to equal its source.
        stale: whether that is longer ago than the resource's bound, or a change of it could not be applied.
        sources: what it was drawn from.
    """

    body: bytes
    etag: str
    as_of: datetime
    stale: bool = False
    sources: tuple[Source, ...] = ()


def etag_of(*parts: bytes | str | int | None) -> str:
    """A validator over everything an answer depends on."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return f'"{digest.hexdigest()}"'


def with_age(document: bytes, as_of: datetime, stale: bool) -> bytes:
    """A JSON object with `as_of` and `stale` added at its end."""
    age = msgspec.json.encode({"as_of": as_of, "stale": stale})
    return document[:-1] + (b"," if len(document) > 2 else b"") + age[1:]


def answered(document: bytes, etag: str, source: Source, *, parked_at: datetime | None = None) -> Answer:
    """A document with its age. A change of it that could not be applied makes it as old as that change."""
    as_of = min(source.as_of, parked_at) if parked_at else source.as_of
    stale = source.past_bound or parked_at is not None
    return Answer(with_age(document, as_of, stale), etag, as_of, stale, (source,))
