"""How things stand with one slice of one account: whose it is upstream, how fresh, at which version. One round trip.

Reads: portal.id_mappings, read_model.freshness, account_versions, generations, feeds, parked, profiles.
"""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from app.errors import NotReady
from app.queries.store import Row, Source, Store

_STANDING = """
SELECT a.n, m.whmcs_client_id, m.salesforce_account_id, f.verified_at, e.as_of AS feed_as_of, g.epoch,
       g.projector_version, coalesce(v.version, 0) AS version, p.country,
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


class Standing(Struct, frozen=True):
    """Where a slice of an account stands.

    Attributes:
        source: what a whole list of it is drawn from.
        revision: changes whenever any list of the slice may read differently, at the cost of no list at all.
        parked_at: since when a change of the account's could not be applied.
        country: of the billing address, where it is known.
    """

    source: Source
    revision: tuple[int, int, int]
    parked_at: datetime | None
    whmcs_client_id: str
    country: str | None


async def of_whmcs(store: Store, account_id: UUID, slice_name: str, resource: str) -> Standing:
    """A slice fed by a WHMCS list, as fresh as the last read of the whole list.

    Raises:
        NotReady: it was never read yet, so an empty list would be a lie.
    """
    row = await store.row(_STANDING, account_id, slice_name, resource, "whmcs", store.catalog_feed)
    if row is None or row["verified_at"] is None:
        raise NotReady
    return _standing(row, Source(resource, row["whmcs_client_id"], row["verified_at"]))


async def of_salesforce(store: Store, account_id: UUID, slice_name: str) -> Standing:
    """A slice fed by change events, as fresh as the feed's last answer, keepalives counted.

    Raises:
        NotReady: the feed never answered yet.
    """
    row = await store.row(_STANDING, account_id, slice_name, "", "salesforce", store.catalog_feed)
    if row is None or row["feed_as_of"] is None:
        raise NotReady
    return _standing(row, Source("account_history", row["salesforce_account_id"], row["feed_as_of"]))


def _standing(row: Row, source: Source) -> Standing:
    revision = tuple(int(str(row[name])) for name in ("version", "epoch", "projector_version"))
    ids = str(row["whmcs_client_id"]), row["country"]
    return Standing(source, revision, row["parked_at"], *ids)  # type: ignore[arg-type]


async def feed_as_of(store: Store) -> datetime:
    """When the change feed last answered, keepalives counted.

    Raises:
        NotReady: it never did.
    """
    at = await store.pool.fetchval("SELECT as_of FROM read_model.feeds WHERE feed = $1", store.catalog_feed)
    if at is None:
        raise NotReady
    return at  # type: ignore[no-any-return]
