"""Take back a change of plan that was planned for a day to come. No upstream knows of it, so none is asked.

Reads: read_model.subscriptions. Reads and writes: portal.scheduled_changes. Writes: ingest.inbox.
"""

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.plan_changes import scheduled
from app.commands.subscriptions.plan_changes.scheduled import Ending
from app.commands.subscriptions.service import known
from app.commands.subscriptions.service_lock import own_turn
from app.errors import NotFound


class CancelScheduledChange(Struct, frozen=True):
    """Of which service."""

    subscription_id: str


async def cancel_scheduled_change(ctx: Context, actor: Actor, request: CancelScheduledChange) -> Done:
    """It will not be made; again is no harm.

    Raises:
        NotFound: `subscription_not_found`; `no_scheduled_change`, also when it was made by now.
        Conflict: `subscription_busy`, it may just be being made.
    """
    async with own_turn(ctx, actor, request.subscription_id):
        service = await known(ctx, actor, request.subscription_id)
        planned = await scheduled.latest_of(ctx.pool, service.subscription_id)
        if planned is None or (planned.state != "waiting" and planned.error_code != scheduled.BY_CUSTOMER):
            raise NotFound("No change of plan is planned for this subscription.", code="no_scheduled_change")
        submission = await scheduled.end(ctx, planned, Ending(state="cancelled", error_code=scheduled.BY_CUSTOMER))
    return Done(None, submission, target=request.subscription_id)


COMMAND = Command(cancel_scheduled_change)
