"""One item of an account in full. An absent item and another account's item give the same answer."""

from typing import Any
from uuid import UUID

from msgspec import Struct

from app.errors import NotFound
from app.queries.reading.store import Answer, AnswerSource, Store, build_answer, etag_of

WHMCS_AWAY = "EXISTS (SELECT FROM read_model.upstreams u WHERE u.upstream = 'whmcs' AND u.state <> 'closed')"


class Detail(Struct, frozen=True):
    """The storage of an item (read model, id column, upstream resource), and the error when there is none."""

    slice: str
    item: str
    resource: str
    missing_code: str
    missing: str


async def row_of(store: Store, account_id: UUID, of: Detail, item_id: str) -> Any:
    """Return the item's row or None, with the time since when a change of it could not be applied."""
    return await store.pool.fetchrow(
        f"SELECT t.document, t.as_of, (SELECT min(p.parked_at) FROM read_model.parked p "
        f"WHERE p.account_id = $1 AND p.record_id = $2) AS parked_at, {WHMCS_AWAY} AS away "
        f"FROM read_model.{of.slice} t WHERE t.account_id = $1 AND t.{of.item} = $2",
        account_id,
        item_id,
    )


async def whmcs(store: Store, account_id: UUID, of: Detail, item_id: str) -> Answer:
    """Read an item that WHMCS keeps, as fresh as its own last read.

    Raises:
        NotFound: absent, or another account's.
    """
    row = await row_of(store, account_id, of, item_id)
    if row is None:
        raise NotFound(of.missing, code=of.missing_code)
    source = AnswerSource(of.resource, item_id, row["as_of"], away=row["away"])
    return build_answer(row["document"], etag_of(row["document"]), source, parked_at=row["parked_at"])
