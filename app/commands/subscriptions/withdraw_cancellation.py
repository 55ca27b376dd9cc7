"""Take back a cancellation that waits to be carried out. WHMCS has no call that removes a request, so staff must do it:
the customer is told so, with a case to send.

Reads: read_model.subscriptions.
"""

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.service import find_own
from app.errors import CaseDraft, Conflict, NotFound

_PENDING = """
SELECT cancellation, ends_on FROM read_model.subscriptions WHERE account_id = $1 AND subscription_id = $2
AND cancellation IS NOT NULL
"""


class WithdrawCancellation(Struct, frozen=True):
    """The service whose cancellation is taken back."""

    subscription_id: str


async def withdraw_cancellation(ctx: Context, actor: Actor, request: WithdrawCancellation) -> Done:
    """Refuse, with a case that asks staff to take the cancellation back.

    Raises:
        NotFound: `subscription_not_found`; `no_cancellation`, also if it was carried out.
        Conflict: `support_must_withdraw`.
    """
    service = await find_own(ctx, actor, request.subscription_id)
    waiting = await ctx.pool.fetchrow(_PENDING, service.account_id, service.subscription_id)
    if waiting is None:
        raise NotFound("No cancellation of this subscription is waiting.", code="no_cancellation")
    ends = f"at the end of {waiting['ends_on']}" if waiting["ends_on"] else "within a day"
    error = Conflict(
        "Only our support can take this cancellation back. Please ask them before the service ends, which it does "
        f"{ends}.",
        code="support_must_withdraw",
    )
    name = f"{service.name} ({service.domain})" if service.domain else service.name
    error.case = CaseDraft(
        subject=f"Please take back the cancellation of subscription {service.subscription_id}",
        description=f"Please take back the cancellation of {name}, subscription {service.subscription_id}. "
        f"It would end {ends}; I would like to keep it.",
        priority="high",
    )
    raise error


COMMAND = Command(withdraw_cancellation, writes=(), away="refuse", changes=False)
