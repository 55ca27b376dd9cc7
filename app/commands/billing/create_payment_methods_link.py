"""Create a single-use link to WHMCS's page for managing payment methods. It is never stored or logged."""

from app.commands.billing.sso_link import billing_link
from app.commands.execution.context import Actor, Command, Context, Done
from app.integrations.whmcs.links import PAYMENT_METHODS_PATH


async def create_payment_methods_link(ctx: Context, actor: Actor, request: None) -> Done:
    """Create a link to the payment methods page.

    Raises:
        UpstreamError: WHMCS is unavailable.
    """
    actor.account_id_or_refuse()
    return Done(await billing_link(ctx, actor, PAYMENT_METHODS_PATH))


COMMAND = Command(create_payment_methods_link, replayable=False)
