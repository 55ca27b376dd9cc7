"""An account's notifications, newest first, and the number of unread ones.

Reads: read_model.timeline, payment_methods, subscriptions, portal.notification_reads and what `account_age` reads.
"""

from typing import Any
from uuid import UUID

import msgspec

from app.queries import timeline
from app.queries.reading import account_age, page
from app.queries.reading.store import Answer, Store
from app.readmodels.notifications import SHOWN, UNREAD, Notification

_READ = """
EXISTS (SELECT FROM portal.notification_reads r WHERE (r.account_id, r.entry_id) = (t.account_id, t.entry_id))
"""


async def list_notifications(
    store: Store, account_id: UUID, which: page.Page, cursor: page.Cursor, *, unread: bool = False
) -> Answer:
    """List notifications, newest first, optionally only the unread ones."""
    freshness, _ = await account_age.of_account(store, account_id, timeline.RESOURCES)
    values: list[Any] = [account_id]
    inferred = timeline.inferred_columns(store, values)
    conditions = ["t.account_id = $1", SHOWN, *timeline.before(which, values)]
    if unread:
        conditions.append(f"NOT {_READ}")
    rows = await store.pool.fetch(
        f"SELECT t.at, t.entry_id, t.document, {inferred}, {_READ} AS read, ({UNREAD}) AS unread "
        f"FROM read_model.timeline t "
        f"WHERE {' AND '.join(conditions)} ORDER BY t.at DESC, t.entry_id DESC LIMIT {int(which.limit) + 1}",
        *values,
    )
    left = rows[0]["unread"] if rows else await store.pool.fetchval(UNREAD, account_id)
    more = await _count(store, account_id, which, unread=unread) + b',"unread":%d' % left
    return timeline.listed(freshness, which, cursor, rows, [_body(row) for row in rows], more)


async def _count(store: Store, account_id: UUID, which: page.Page, *, unread: bool) -> bytes:
    if not which.counted:
        return b""
    only = f"AND NOT {_READ}" if unread else ""
    found = f"SELECT FROM read_model.timeline t WHERE t.account_id = $1 AND {SHOWN} {only} LIMIT {page.MOST_COUNTED}"
    return page.with_count(await store.pool.fetchval(f"SELECT count(*) FROM ({found}) AS counted", account_id))


def _body(row: Any) -> bytes:
    entry = msgspec.structs.asdict(timeline.entry(row))
    return msgspec.json.encode(Notification(notification_id=entry.pop("entry_id"), read=row["read"], **entry))
