"""Mark notifications as read: one, or all.

The portal alone knows which ones a customer has read; no upstream learns of it.

Writes: portal.notification_reads.
"""

from typing import Annotated

from msgspec import Meta, Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.errors import NotFound
from app.readmodels.notifications import SHOWN, UNREAD

_MARK = f"""
WITH wanted AS (
    SELECT t.account_id, t.entry_id FROM read_model.timeline t
    WHERE t.account_id = $1 AND {SHOWN} AND ($2::text IS NULL OR t.entry_id = $2) AND ($3::text IS NULL OR (
        (t.at, t.entry_id) <= (SELECT l.at, l.entry_id FROM read_model.timeline l
                               WHERE l.account_id = $1 AND l.entry_id = $3 LIMIT 1)))
), marked AS (
    INSERT INTO portal.notification_reads (account_id, entry_id) SELECT * FROM wanted ON CONFLICT DO NOTHING
)
SELECT count(*) FROM wanted
"""


class ReadNotification(Struct, frozen=True):
    """The notification named by the path."""

    notification_id: str


class ReadNotifications(Struct, forbid_unknown_fields=True):
    """The newest notification that the customer saw, so that later ones stay unread; without it, all are marked."""

    up_to: Annotated[str, Meta(max_length=64)] | None = None
    """The newest notification that the customer saw; without it all are marked."""


class Unread(Struct, frozen=True):
    """The number of unread notifications that remain."""

    unread: int


async def read_notification(ctx: Context, actor: Actor, request: ReadNotification) -> Done:
    """Mark one notification as read. Safe to repeat.

    Raises:
        NotFound: `notification_not_found`, absent or another account's.
    """
    account_id = actor.account_id_or_refuse()
    if not await ctx.pool.fetchval(_MARK, account_id, request.notification_id, None):
        raise NotFound("There is no such notification.", code="notification_not_found")
    unread = Unread(await ctx.pool.fetchval(UNREAD, account_id))
    return Done(unread, outcome="shown", target=request.notification_id)


async def read_notifications(ctx: Context, actor: Actor, request: ReadNotifications) -> Done:
    """Mark all notifications as read, or all up to the given one."""
    account_id = actor.account_id_or_refuse()
    await ctx.pool.fetchval(_MARK, account_id, None, request.up_to)
    return Done(Unread(await ctx.pool.fetchval(UNREAD, account_id)), outcome="shown")


READ_NOTIFICATION = Command(read_notification)
READ_NOTIFICATIONS = Command(read_notifications)
COMMANDS = (READ_NOTIFICATION, READ_NOTIFICATIONS)
