"""Make a single-use link to where payment methods are managed in WHMCS. Never stored, never logged."""

from app.commands.billing.sso_link import billing_link
from app.commands.execution.context import Actor, Command, Context, Done
from app.integrations.whmcs.links import PAYMENT_METHODS_PATH


async def create_payment_methods_link(ctx: Context, actor: Actor, request: None) -> Done:
    """A link to the payment methods page.

    Raises:
        UpstreamError: WHMCS is away.
    """
    actor.account_id_or_refuse()
    return Done(await billing_link(ctx, actor, PAYMENT_METHODS_PATH))


COMMAND = Command(create_payment_methods_link, replayable=False)
