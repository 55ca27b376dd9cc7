"""Single-use links into WHMCS's client area, which customers follow without another login.

A link gives access to the customer's billing account for a minute. It is created for one request, and never stored,
cached or logged.
"""

from typing import Annotated

from msgspec import Meta, Struct

from app.commands.execution.context import Actor, Context
from app.errors import NotAllowed, UpstreamRejected
from app.inputs import return_url
from app.integrations.whmcs.links import LIFETIME_SECONDS, REDIRECT, returning
from app.words.sentence import say

BLOCKED = "sso_blocked"


class Link(Struct, frozen=True):
    """A single-use link for this customer."""

    url: str
    """The address to send the browser to, once and soon."""
    expires_in_seconds: int = LIFETIME_SECONDS


ReturnUrl = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=return_url.LONGEST,
        description="The page of the portal to which the billing system's page leads back, on one of the origins that "
        "are configured.",
    ),
]


async def billing_link(ctx: Context, actor: Actor, path: str, back_to: str | None = None) -> Link:
    """Create a link to a page of the client area, which leads back to an address of the company's own.

    Raises:
        RuleViolated: `return_url_not_allowed`.
        NotAllowed: `billing_login_blocked`, staff have switched single sign-on off for this client.
        UpstreamError: WHMCS is unavailable.
    """
    path = returning(path, return_url.checked(back_to, return_url.origins(ctx.settings)))
    try:
        return Link(await ctx.whmcs.sso_link(actor.whmcs_client_id, destination=REDIRECT, path=path))
    except UpstreamRejected as error:
        if error.vendor_code != BLOCKED:
            raise
        sentence = say("billing.links_refused")
        raise NotAllowed(sentence, code="billing_login_blocked") from error
