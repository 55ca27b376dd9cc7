"""Create a single-use link into the control panel of a hosting account. It is never stored or logged.

WHM's own URL is returned unchanged: one built from its parts would not log the customer in.
"""

from msgspec import Struct

from app.clock import now
from app.commands.billing.sso_link import Link
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.provider_accounts import hosting_account
from app.commands.subscriptions.service import find_own, refuse_unless
from app.errors import Conflict
from app.words.sentence import say


class OpenControlPanel(Struct, frozen=True):
    """The service whose control panel is opened."""

    subscription_id: str


async def create_control_panel_link(ctx: Context, actor: Actor, request: OpenControlPanel) -> Done:
    """Create a link into the control panel of the account's own hosting.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `no_control_panel`, `subscription_not_active`, `not_provided_yet`.
        UpstreamError: WHMCS or WHM is unavailable.
    """
    service = await find_own(ctx, actor, request.subscription_id, live=True)
    if service.provided_as != "hosting":
        raise Conflict(say("subscriptions.no_control_panel"), code="no_control_panel")
    refuse_unless(service, "active")
    account = await hosting_account(ctx, service)
    if account.suspended:
        raise Conflict(say("subscriptions.hosting_suspended"), code="subscription_not_active")
    session = await ctx.whm.control_panel(account.username)
    left_seconds = int((session.expires_at - now()).total_seconds())
    return Done(Link(session.url, max(left_seconds, 0)), target=request.subscription_id)


COMMAND = Command(
    create_control_panel_link, writes=(), away="refuse", needs="service", reads=("whm",), replayable=False
)
