"""Mark notifications as read: one, or all.

The portal alone knows which ones a customer has read; no upstream learns of it.

Writes: portal.notification_reads; through `app.ingest.versions`, account versions and notices.
"""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.db import only_row
from app.errors import NotFound
from app.ingest.versions import account_versions, notices
from app.readmodels.notifications import SHOWN, UNREAD
from app.words.sentence import say

_MARK = f"""
WITH wanted AS (
    SELECT t.account_id, t.entry_id FROM read_model.timeline t
    WHERE t.account_id = $1 AND {SHOWN} AND ($2::text IS NULL OR t.entry_id = $2) AND ($3::text IS NULL OR (
        (t.at, t.entry_id) <= (SELECT l.at, l.entry_id FROM read_model.timeline l
                               WHERE l.account_id = $1 AND l.entry_id = $3 LIMIT 1)))
), marked AS (
    INSERT INTO portal.notification_reads (account_id, entry_id) SELECT * FROM wanted ON CONFLICT DO NOTHING RETURNING 1
)
SELECT (SELECT count(*) FROM wanted) AS found, (SELECT count(*) FROM marked) AS marked
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
    if not await _mark(ctx, account_id, request.notification_id, None):
        raise NotFound(say("account.notification_not_found"), code="notification_not_found")
    unread = Unread(await ctx.pool.fetchval(UNREAD, account_id))
    return Done(unread, outcome="shown", target=request.notification_id)


async def read_notifications(ctx: Context, actor: Actor, request: ReadNotifications) -> Done:
    """Mark all notifications as read, or all up to the given one."""
    account_id = actor.account_id_or_refuse()
    await _mark(ctx, account_id, None, request.up_to)
    return Done(Unread(await ctx.pool.fetchval(UNREAD, account_id)), outcome="shown")


async def _mark(ctx: Context, account_id: UUID, notification_id: str | None, up_to: str | None) -> int:
    """Mark, and tell the customer's other pages if anything was unread; return how many there are."""
    async with ctx.pool.acquire() as connection, connection.transaction():
        row = await only_row(connection, _MARK, account_id, notification_id, up_to)
        if row["marked"]:
            versions = await account_versions.hold(connection, {account_id}, {account_id})
            await notices.add(connection, {(account_id, notices.READS, "")}, versions)
    return int(row["found"])


READ_NOTIFICATION = Command(read_notification, writes=(), away="refuse")
READ_NOTIFICATIONS = Command(read_notifications, writes=(), away="refuse")
COMMANDS = (READ_NOTIFICATION, READ_NOTIFICATIONS)
