"""How things stand with all of an account at once: an answer over several areas is as old as the oldest of them.

Reads: portal.id_mappings, read_model.freshness, feeds, profiles, parked.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.errors import NotReady
from app.queries.store import Answer, Source, Store, with_age

COLUMNS = """
m.whmcs_client_id, m.salesforce_account_id, m.linked_at,
(SELECT country FROM read_model.profiles WHERE account_id = $1) AS country,
(SELECT jsonb_object_agg(resource, verified_at) FROM read_model.freshness WHERE account_id = $1) AS verified,
(SELECT as_of FROM read_model.feeds WHERE feed = $2) AS feed_as_of,
(SELECT min(p.parked_at) FROM read_model.parked p WHERE p.account_id = $1) AS parked_at
"""
"""Columns of a statement `FROM portal.id_mappings m WHERE m.account_id = $1`; $2 is the change feed."""


class Whole(Struct, frozen=True):
    """Where an account stands. `parked_at`: since when a change of it could not be applied."""

    sources: tuple[Source, ...]
    parked_at: datetime | None

    @property
    def as_of(self) -> datetime:
        """When all of it was last known to equal its sources."""
        moments = [source.as_of for source in self.sources]
        return min([*moments, self.parked_at] if self.parked_at else moments)

    @property
    def stale(self) -> bool:
        """Whether a part is older than it may grow, or could not be applied."""
        return self.parked_at is not None or any(source.past_bound for source in self.sources)


async def of_account(store: Store, account_id: UUID, resources: Sequence[str]) -> tuple[Whole, Mapping[str, Any]]:
    """Where the account stands with these WHMCS lists and with what Salesforce feeds, and the row itself.

    Raises:
        NotReady: one of them was never read yet, so what it lacks would be taken for nothing.
    """
    row = await store.pool.fetchrow(
        f"SELECT {COLUMNS} FROM portal.id_mappings m WHERE m.account_id = $1", account_id, store.catalog_feed
    )
    return whole(row, resources), row


def whole(row: Mapping[str, Any] | None, resources: Sequence[str]) -> Whole:
    """The same of a row that holds `COLUMNS`."""
    if row is None or row["feed_as_of"] is None:
        raise NotReady
    verified = row["verified"] or {}
    if any(resource not in verified for resource in resources):
        raise NotReady
    sources = [
        Source(resource, row["whmcs_client_id"], datetime.fromisoformat(verified[resource]).astimezone(UTC))
        for resource in resources
    ]
    feed = Source("account_history", row["salesforce_account_id"], row["feed_as_of"])
    return Whole((feed, *sources), row["parked_at"])


def answered(document: bytes, etag: str, standing: Whole) -> Answer:
    """A document with the age of all that it was drawn from."""
    body = with_age(document, standing.as_of, standing.stale)
    return Answer(body, etag, standing.as_of, standing.stale, standing.sources)
