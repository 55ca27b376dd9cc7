"""Cancel a scheduled change of plan. No upstream knows of it, so none is called.

Reads: read_model.subscriptions. Reads and writes: portal.scheduled_changes. Writes: ingest.inbox.
"""

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.subscriptions.plan_changes import scheduled
from app.commands.subscriptions.plan_changes.scheduled import Ending
from app.commands.subscriptions.service import find_own
from app.commands.subscriptions.service_lock import lock_own_service
from app.errors import NotFound
from app.words.sentence import say


class CancelScheduledChange(Struct, frozen=True):
    """The service whose scheduled change is cancelled."""

    subscription_id: str


async def cancel_scheduled_change(ctx: Context, actor: Actor, request: CancelScheduledChange) -> Done:
    """Cancel the scheduled change of a service. Safe to repeat.

    Raises:
        NotFound: `subscription_not_found`; `no_scheduled_change`, also if it was already made.
        Conflict: `subscription_busy`, it may be in progress.
    """
    async with lock_own_service(ctx, actor, request.subscription_id):
        service = await find_own(ctx, actor, request.subscription_id)
        latest = await scheduled.latest_of(ctx.pool, service.subscription_id)
        if latest is None or (latest.state != "waiting" and latest.error_code != scheduled.BY_CUSTOMER):
            raise NotFound(say("subscriptions.no_scheduled_change"), code="no_scheduled_change")
        ending = Ending(state="cancelled", error_code=scheduled.BY_CUSTOMER)
        removed = {"scheduled_change": None}
        write = write_of(actor, COMMAND.name, "subscriptions", removed, item_id=service.subscription_id)
        submission = await scheduled.end(ctx, latest, ending, write)
    return Done(None, submission, target=request.subscription_id)


COMMAND = Command(cancel_scheduled_change, writes=(), away="refuse", needs="service")
