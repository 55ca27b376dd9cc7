"""Notifications: the timeline entries that a customer should not miss, since the account joined the portal.

They have no table of their own: an entry's id is derived from the event, so the same event reported twice is one
notification, and a notification that was read stays read across a rebuild.
"""

from datetime import datetime

from app.readmodels.timeline import Area, EntryKind
from app.words.sentence import Phrase
from app.words.worded import Worded

SHOWN = """
t.notifies AND t.at <= now()
AND t.at >= (SELECT linked_at - interval '1 day' FROM portal.id_mappings WHERE account_id = $1)
"""
"""The condition for notifications of the account $1.

A day is allowed for, because some events are known by their date only and count from its beginning.
"""
MOST_COUNTED = 1_000
UNREAD = f"""
SELECT count(*) FROM (
    SELECT FROM read_model.timeline t WHERE t.account_id = $1 AND {SHOWN} AND NOT EXISTS (
        SELECT FROM portal.notification_reads r WHERE (r.account_id, r.entry_id) = (t.account_id, t.entry_id))
    LIMIT {MOST_COUNTED}) AS counted
"""
"""Counts the unread notifications of the account $1; counting stops at `MOST_COUNTED`."""


class Notification(Worded, frozen=True, kw_only=True):
    """An event that the customer should know about.

    `reason` says why it happened, if the upstream says so or it can be inferred.
    """

    notification_id: str
    """The id of the notification."""
    read: bool
    """Whether it was marked as read."""
    at: datetime
    area: Area
    kind: EntryKind
    text: str
    reason: str | None
    order_id: str | None
    invoice_id: str | None
    subscription_ids: list[str]
    case_id: str | None
    text_phrases: tuple[Phrase, ...] = ()
    reason_phrases: tuple[Phrase, ...] = ()
