"""Freshness of a whole account: an answer over several areas is as old as its oldest part.

Reads: portal.id_mappings, read_model.freshness, feeds, upstreams, profiles, parked.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msgspec import Struct

from app.queries.reading import store as stores
from app.queries.reading.slice_age import feed_source
from app.queries.reading.store import Age, Answer, AnswerSource, FetchedRow, Store, age_of
from app.queries.reading.unready import not_ready

COLUMNS = """
m.whmcs_client_id, m.salesforce_account_id, m.linked_at,
(SELECT country FROM read_model.profiles WHERE account_id = $1) AS country,
(SELECT jsonb_object_agg(resource, verified_at) FROM read_model.freshness WHERE account_id = $1) AS verified,
(SELECT as_of FROM read_model.feeds WHERE feed = $2) AS feed_as_of,
(SELECT silent_since FROM read_model.feeds WHERE feed = $2) AS silent_since,
EXISTS (SELECT FROM read_model.upstreams u WHERE u.upstream = 'whmcs' AND u.state <> 'closed') AS away,
(SELECT min(p.parked_at) FROM read_model.parked p WHERE p.account_id = $1) AS parked_at
"""
"""Columns of a statement `FROM portal.id_mappings m WHERE m.account_id = $1`; $2 is the change feed."""


class AccountAge(Struct, frozen=True):
    """Freshness of an account. `parked_at` is the time since when a change of it could not be applied."""

    sources: tuple[AnswerSource, ...]
    parked_at: datetime | None

    @property
    def age(self) -> Age:
        """The age of the oldest part."""
        return age_of(self.sources, self.parked_at)


async def of_account(store: Store, account_id: UUID, resources: Sequence[str]) -> tuple[AccountAge, FetchedRow]:
    """Read the freshness of these WHMCS lists and of what Salesforce feeds, and the row it came from.

    Raises:
        NotReady: one of them was never read, so that missing data would look like an empty list.
    """
    row = await store.pool.fetchrow(
        f"SELECT {COLUMNS} FROM portal.id_mappings m WHERE m.account_id = $1", account_id, store.catalog_feed
    )
    age = await from_row(store, account_id, row, resources)
    assert row is not None, "from_row raises without a row"
    return age, row


async def from_row(store: Store, account_id: UUID, row: FetchedRow | None, resources: Sequence[str]) -> AccountAge:
    """Build the freshness from a row with `COLUMNS`; raises as `of_account`."""
    if row is None or row["feed_as_of"] is None:
        raise await not_ready(store, account_id, "salesforce", "account_history")
    verified = row["verified"] or {}
    if lacking := [resource for resource in resources if resource not in verified]:
        raise await not_ready(store, account_id, "whmcs", *lacking)
    sources = [
        AnswerSource(resource, row["whmcs_client_id"], _instant(verified[resource]), away=row["away"])
        for resource in resources
    ]
    feed = feed_source(store, row, "account_history", row["salesforce_account_id"])
    return AccountAge((feed, *sources), row["parked_at"])


def build_answer(document: bytes, etag: str, freshness: AccountAge) -> Answer:
    """Build the answer for a document rendered from all parts of the account."""
    return stores.build_answer(document, etag, *freshness.sources, parked_at=freshness.parked_at)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
