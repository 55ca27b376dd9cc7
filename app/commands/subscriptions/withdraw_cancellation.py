"""Take back a cancellation that waits to be carried out. WHMCS has no call that removes a request, so staff must do it:
the customer is told so, with a case to send.

Reads: read_model.subscriptions.
"""

from datetime import date

from msgspec import Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.service import Service, find_own
from app.errors import CaseDraft, Conflict, NotFound
from app.words.languages import DEFAULT
from app.words.sentence import Sentence, in_language, say

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
        raise NotFound(say("subscriptions.no_cancellation"), code="no_cancellation")
    error = Conflict(_refusal(waiting["ends_on"]), code="support_must_withdraw")
    error.case = _case(actor, service, waiting["ends_on"])
    raise error


def _refusal(ends_on: date | None) -> Sentence:
    if ends_on is None:
        return say("subscriptions.only_support_withdraws_soon")
    return say("subscriptions.only_support_withdraws", ends=ends_on)


def _case(actor: Actor, service: Service, ends_on: date | None) -> CaseDraft:
    """Write the case in the customer's language, as they would."""
    language, number = actor.language or DEFAULT, service.subscription_id
    name = f"{service.name} ({service.domain})" if service.domain else service.name
    text = say("subscriptions.withdraw_case_soon", name=name, number=number)
    if ends_on is not None:
        text = say("subscriptions.withdraw_case", name=name, number=number, ends=ends_on)
    subject = in_language(say("subscriptions.withdraw_case_subject", number=number), language)
    return CaseDraft(subject=subject, description=in_language(text, language), priority="high")


COMMAND = Command(withdraw_cancellation, writes=(), away="refuse", changes=False)
