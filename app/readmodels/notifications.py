"""Notifications: the entries of the timeline that a customer should not miss, since the account joined the portal.

They have no table of their own: an entry's id is made of what happened, so the same event told twice is one
notification, and one that was read stays read over a rebuild.
"""

from datetime import datetime

from msgspec import Struct

from app.readmodels.timeline import Area

SHOWN = """
t.notifies AND t.at <= now()
AND t.at >= (SELECT linked_at - interval '1 day' FROM portal.id_mappings WHERE account_id = $1)
"""
"""Which entries of the account $1 are notifications. A day is allowed for, because some things are known by their day
alone and happened, for all anybody can tell, at its beginning."""
MOST_COUNTED = 1_000
UNREAD = f"""
SELECT count(*) FROM (
    SELECT FROM read_model.timeline t WHERE t.account_id = $1 AND {SHOWN} AND NOT EXISTS (
        SELECT FROM portal.notification_reads r WHERE (r.account_id, r.entry_id) = (t.account_id, t.entry_id))
    LIMIT {MOST_COUNTED}) AS counted
"""
"""How many the account $1 has not read; counting stops at `MOST_COUNTED`."""


class Notification(Struct, frozen=True, kw_only=True):
    """Something the customer should know of. `reason` says why, where the upstream says or the portal can tell."""

    notification_id: str
    read: bool
    at: datetime
    area: Area
    kind: str
    text: str
    reason: str | None
    order_id: str | None
    invoice_id: str | None
    subscription_ids: list[str]
    case_id: str | None
