"""Create a single-use link to WHMCS's page for managing payment methods. It is never stored or logged."""

from msgspec import Struct

from app.commands.billing.sso_link import ReturnUrl, billing_link
from app.commands.execution.context import Actor, Command, Context, Done
from app.integrations.whmcs.links import PAYMENT_METHODS_PATH


class ManagePaymentMethods(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to return to afterwards."""

    return_url: ReturnUrl | None = None


async def create_payment_methods_link(ctx: Context, actor: Actor, request: ManagePaymentMethods | None) -> Done:
    """Create a link to the payment methods page.

    Raises:
        RuleViolated: `return_url_not_allowed`.
        UpstreamError: WHMCS is unavailable.
    """
    actor.account_id_or_refuse()
    return Done(await billing_link(ctx, actor, PAYMENT_METHODS_PATH, request.return_url if request else None))


COMMAND = Command(create_payment_methods_link, writes=(), away="refuse", reads=("whmcs",), replayable=False)
