"""Freshness of one read model of one account: its upstream owner, age and version, in one round trip.

Reads: portal.id_mappings, read_model.freshness, account_versions, generations, feeds, upstreams, parked,
profiles, pending.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import Struct

from app.errors import NotReady
from app.queries.reading.pending_writes import OF_SLICE, PendingWrite, decoded
from app.queries.reading.store import Age, AnswerSource, FetchedRow, Store, age_of
from app.queries.reading.unready import not_ready

_FRESHNESS = f"""
SELECT a.n, {OF_SLICE}, m.whmcs_client_id, m.salesforce_account_id, f.verified_at, e.as_of AS feed_as_of,
       e.silent_since, g.epoch, g.projector_version, coalesce(v.version, 0) AS version, p.country, p.currency,
       p.as_of AS profile_as_of,
       EXISTS (SELECT FROM read_model.upstreams u WHERE u.upstream = $4 AND u.state <> 'closed') AS away,
       (SELECT min(k.parked_at) FROM read_model.parked k
        WHERE k.account_id = m.account_id AND k.source = $4) AS parked_at
FROM unnest($1::uuid[]) WITH ORDINALITY AS a (account_id, n)
JOIN portal.id_mappings m ON m.account_id = a.account_id
LEFT JOIN read_model.freshness f ON f.account_id = m.account_id AND f.resource = $3
LEFT JOIN read_model.feeds e ON e.feed = $5
LEFT JOIN read_model.account_versions v ON v.account_id = m.account_id
LEFT JOIN read_model.generations g ON g.slice = $2 AND g.state = 'serving'
LEFT JOIN read_model.profiles p ON p.account_id = m.account_id
"""


class SliceAge(Struct, frozen=True):
    """Freshness of a read model of an account.

    Attributes:
        source: the source of a complete list.
        revision: changes whenever any list of the read model may differ, without reading a list.
        parked_at: the time since when a change of the account's could not be applied.
        country: country of the billing address, if known.
        currency: the currency that the account is billed in, if known.
        writes: what commands wrote to it that it does not show yet.
    """

    source: AnswerSource
    revision: tuple[int, int, int]
    parked_at: datetime | None
    whmcs_client_id: str
    country: str | None
    writes: list[PendingWrite]
    currency: str | None = None

    @property
    def age(self) -> Age:
        """The age of a complete list."""
        return age_of((self.source,), self.parked_at)


async def of_whmcs(store: Store, account_id: UUID, slice_name: str, resource: str) -> SliceAge:
    """Read the freshness of a read model fed by a WHMCS list: that of the last read of the complete list.

    Raises:
        NotReady: the list was never read, so an empty one would be wrong.
    """
    row = await store.row(_FRESHNESS, account_id, slice_name, resource, "whmcs", store.catalog_feed)
    if row is None:
        raise NotReady
    if row["verified_at"] is None:
        raise await not_ready(store, account_id, "whmcs", resource)
    return _freshness(row, AnswerSource(resource, row["whmcs_client_id"], row["verified_at"], away=row["away"]))


async def of_salesforce(store: Store, account_id: UUID, slice_name: str) -> SliceAge:
    """Read the freshness of a read model fed by change events: the feed's last answer, keepalives included.

    Raises:
        NotReady: the feed has never answered.
    """
    row = await store.row(_FRESHNESS, account_id, slice_name, "", "salesforce", store.catalog_feed)
    if row is None:
        raise NotReady
    if row["feed_as_of"] is None:
        raise await not_ready(store, account_id, "salesforce", "account_history")
    return _freshness(row, feed_source(store, row, "account_history", row["salesforce_account_id"]))


async def of_what_may_be_ordered(store: Store, account_id: UUID) -> tuple[Sequence[AnswerSource], datetime | None]:
    """Read the freshness of what decides what an account may order: eligibility and orders, services, and the client.

    Raises:
        NotReady: there is no such account.
    """
    row = await store.row(_FRESHNESS, account_id, "subscriptions", "client_services", "whmcs", store.catalog_feed)
    if row is None:
        raise NotReady
    feed = feed_source(store, row, "account_history", row["salesforce_account_id"])
    read_at = {"client_services": row["verified_at"], "client": row["profile_as_of"]}
    of_whmcs = [
        AnswerSource(resource, row["whmcs_client_id"], at or feed.as_of, verified=at is not None, away=row["away"])
        for resource, at in read_at.items()
    ]
    return [feed, *of_whmcs], row["parked_at"]


def feed_source(
    store: Store, row: FetchedRow, resource: str, record_id: str, read_at: datetime | None = None
) -> AnswerSource:
    """Build the source for event-fed data from a row with `feed_as_of` and `silent_since`.

    `read_at` is when the data itself was last read, which may be later. While the feed is silent, nothing would report
    a change since then.
    """
    answered_at, silent_since = row["feed_as_of"], row["silent_since"]
    good_at = min(answered_at, silent_since) if answered_at and silent_since else answered_at
    return AnswerSource(
        resource,
        record_id,
        max((each for each in (good_at, read_at) if each is not None), default=datetime.fromtimestamp(0, UTC)),
        verified=answered_at is not None,
        feed_bound_at=answered_at + timedelta(seconds=store.feed_bound_seconds) if answered_at else None,
        silent=silent_since is not None,
    )


def _freshness(row: FetchedRow, source: AnswerSource) -> SliceAge:
    revision = tuple(int(str(row[name])) for name in ("version", "epoch", "projector_version"))
    ids = str(row["whmcs_client_id"]), row["country"], decoded(row["writes"]), row["currency"] or None
    return SliceAge(source, revision, row["parked_at"], *ids)  # type: ignore[arg-type]
