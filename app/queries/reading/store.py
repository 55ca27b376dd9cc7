"""The store that queries read from, and the answers that they return."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.cache.batching import Batcher
from app.readmodels.documents import with_members
from app.readmodels.freshness import BOUND_SECONDS, EVENT_FED, Evidence, StaleReason, stale_reason
from app.readmodels.pricing.tax import tax_rates
from app.words.languages import Language

FEED_BOUND_SECONDS = 360.0
MOST_ACCOUNTS = 32
"""Accounts that one statement reads for; more are read over several connections."""
FetchedRow: TypeAlias = asyncpg.Record
DocumentQuery = tuple[str, tuple[Any, ...], UUID]
"""(statement, its values after the accounts, account)."""


class Store:
    """The engines of the read side. Nothing here can reach an upstream.

    Attributes:
        catalog_feed: name of the change feed that bounds the freshness of event-fed answers.
        time_zone: the billing system's time zone, used for customers in countries with several.
        feed_bound_seconds: how long that feed may be silent, keepalives included.
        tax_rates: consumption tax by country, in percent, from `TAX_RATES`.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        catalog_feed: str,
        time_zone: str,
        feed_bound_seconds: float = FEED_BOUND_SECONDS,
        tax_rates_by_country: str = "",
    ) -> None:
        self.pool, self.catalog_feed, self.time_zone = pool, catalog_feed, time_zone
        self.tax_rates = tax_rates(tax_rates_by_country)
        self.feed_bound_seconds = feed_bound_seconds
        self._batcher: Batcher[DocumentQuery, FetchedRow | Exception | None] = Batcher(self._read)

    async def row(self, statement: str, account_id: UUID, *values: Any) -> FetchedRow | None:
        """Run a statement for an account, in one round trip for all callers of one turn of the event loop.

        The round trip is most of what a small statement costs. The statement reads `FROM unnest($1::uuid[]) WITH
        ORDINALITY AS a (account_id, n)` and selects `a.n`; `values` are $2 and following. Callers share it if statement
        and values are the same.
        """
        found = await self._batcher.load((statement, values, account_id))
        if isinstance(found, Exception):
            raise found
        return found

    async def _read(self, wanted: Sequence[DocumentQuery]) -> Mapping[DocumentQuery, FetchedRow | Exception | None]:
        groups: dict[tuple[str, tuple[Any, ...]], list[UUID]] = {}
        for statement, values, account_id in wanted:
            groups.setdefault((statement, values), []).append(account_id)
        found: dict[DocumentQuery, FetchedRow | Exception | None] = dict.fromkeys(wanted)
        parts = [
            self._fill(found, statement, values, accounts[start : start + MOST_ACCOUNTS])
            for (statement, values), accounts in groups.items()
            for start in range(0, len(accounts), MOST_ACCOUNTS)
        ]
        await (parts[0] if len(parts) == 1 else asyncio.gather(*parts))
        return found

    async def _fill(
        self,
        found: dict[DocumentQuery, FetchedRow | Exception | None],
        statement: str,
        values: tuple[Any, ...],
        accounts: list[UUID],
    ) -> None:
        """Run one statement; its error reaches only its own callers."""
        try:
            for row in await self.pool.fetch(statement, accounts, *values):
                found[statement, values, accounts[row["n"] - 1]] = row
        except Exception as error:
            found.update({(statement, values, account_id): error for account_id in accounts})


class AnswerSource(Struct, frozen=True):
    """A source of an answer: re-reading it, which a worker can be asked to do, verifies the answer.

    Attributes:
        resource: a WHMCS record or list as `BOUND_SECONDS` names them, Salesforce's `account_history`, or `catalog`,
            which cannot be re-read for one customer.
        record_id: the upstream's id of the record, or of the list's owner.
        as_of: when it was last known to equal the upstream.
        verified: false when nothing ever confirmed that it equals the upstream; `as_of` is then when it was read.
        feed_bound_at: for event-fed data, when its feed will have been silent for too long.
        silent: the feed is known to deliver nothing.
        away: the upstream is not called at present.
    """

    resource: str
    record_id: str
    as_of: datetime
    verified: bool = True
    feed_bound_at: datetime | None = None
    silent: bool = False
    away: bool = False

    @property
    def by_events(self) -> bool:
        """True if a change feed keeps it current, so that a request need not have it re-read."""
        return self.resource in EVENT_FED

    @property
    def bound_at(self) -> datetime | None:
        """The time until which it counts as current; None when nothing bounds it."""
        if self.by_events:
            return self.feed_bound_at
        seconds = BOUND_SECONDS.get(self.resource)
        return None if seconds is None else self.as_of + timedelta(seconds=seconds)

    @property
    def past_bound(self) -> bool:
        """True if it is older than it may grow unverified."""
        bound_at = self.bound_at
        return bound_at is not None and datetime.now(UTC) > bound_at

    def evidence(self, *, parked: bool = False) -> Evidence:
        """Return the evidence for the answer's freshness."""
        return Evidence(
            by_events=self.by_events,
            verified=self.verified,
            past_bound=self.past_bound,
            silent=self.silent,
            away=self.away,
            parked=parked,
        )


class Answer(Struct, frozen=True):
    """A complete answer.

    Attributes:
        body: JSON, complete; empty when the caller already holds it.
        etag: validator over content and projector version.
        as_of: when the data was last known to equal its source.
        stale_reason: why it may differ from its source by now; None while it is fresh.
        sources: the sources it was rendered from.
        language: of its sentences; None where that was not decided.
    """

    body: bytes
    etag: str
    as_of: datetime
    stale_reason: StaleReason | None = None
    sources: tuple[AnswerSource, ...] = ()
    language: Language | None = None

    @property
    def stale(self) -> bool:
        """True if it may differ from its source by now."""
        return self.stale_reason is not None


class Age(Struct, frozen=True):
    """Age of an answer: that of its oldest part, or of a change that could not be applied."""

    as_of: datetime
    stale_reason: StaleReason | None

    def etag(self, etag: str) -> str:
        """Combine the content's validator with the stale reason: a client with a fresh copy must learn that it is
        stale."""
        return etag_of(etag, self.stale_reason) if self.stale_reason else etag


def age_of(sources: Sequence[AnswerSource], parked_at: datetime | None = None) -> Age:
    """Compute the age of an answer from its sources."""
    instants = [source.as_of for source in sources]
    reason = stale_reason(source.evidence(parked=parked_at is not None) for source in sources)
    return Age(min([*instants, parked_at] if parked_at else instants), reason)


def etag_of(*parts: bytes | str | int | None) -> str:
    """Hash everything that an answer depends on into a validator."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part if isinstance(part, bytes) else str(part).encode())
        digest.update(b"\0")
    return f'"{digest.hexdigest()}"'


def with_age(document: bytes, as_of: datetime, reason: StaleReason | None = None) -> bytes:
    """Append `as_of`, `stale` and `stale_reason` to a JSON object."""
    age = msgspec.json.encode({"as_of": as_of, "stale": reason is not None, "stale_reason": reason})
    return with_members(document, age[1:-1])


def build_answer(document: bytes, etag: str, *sources: AnswerSource, parked_at: datetime | None = None) -> Answer:
    """Build the answer for a document, as old as its oldest source or as a change that could not be applied."""
    age = age_of(sources, parked_at)
    body = with_age(document, age.as_of, age.stale_reason)
    return Answer(body, age.etag(etag), age.as_of, age.stale_reason, sources)
