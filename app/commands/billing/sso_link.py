"""Single-use links into WHMCS's client area, by which customers get there without another login.

A link is a key to the customer's billing account for a minute: it is made for the one request that asks, and never
stored, cached or logged.
"""

from msgspec import Struct

from app.commands.execution.context import Actor, Context
from app.errors import NotAllowed, UpstreamRejected
from app.integrations.whmcs.links import LIFETIME_SECONDS, REDIRECT

BLOCKED = "sso_blocked"


class Link(Struct, frozen=True):
    """A link for one click of this customer."""

    url: str
    expires_in_seconds: int = LIFETIME_SECONDS


async def billing_link(ctx: Context, actor: Actor, path: str) -> Link:
    """A link to a page of the client area.

    Raises:
        NotAllowed: `billing_login_blocked`, staff have switched single sign-on off for this client.
        UpstreamError: WHMCS is away.
    """
    try:
        return Link(await ctx.whmcs.sso_link(actor.whmcs_client_id, destination=REDIRECT, path=path))
    except UpstreamRejected as error:
        if error.vendor_code != BLOCKED:
            raise
        sentence = "Your billing account does not take links from the portal. Please contact support."
        raise NotAllowed(sentence, code="billing_login_blocked") from error
