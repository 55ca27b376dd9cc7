"""Make a single-use link to where the customer manages payment methods in WHMCS. Never stored, never logged."""

from app.commands.context import Actor, Context, Done
from app.commands.create_payment_link import Link
from app.integrations.whmcs.links import PAYMENT_METHODS_PATH, REDIRECT


async def create_payment_methods_link(ctx: Context, actor: Actor, request: None) -> Done:
    """A link to the payment methods page.

    Raises:
        UpstreamError: WHMCS is away.
    """
    actor.account_id_or_refuse()
    url = await ctx.whmcs.sso_link(actor.whmcs_client_id, destination=REDIRECT, path=PAYMENT_METHODS_PATH)
    return Done(Link(url))
