"""Make a single-use link into the control panel of a hosting account. Never stored, never logged.

WHM's own address is handed out as it stands: built from its parts it would not log anybody in.
"""

from datetime import UTC, datetime

from msgspec import Struct

from app.commands.billing.sso_link import Link
from app.commands.execution.context import Actor, Context, Done
from app.commands.subscriptions.provider_accounts import hosting_account
from app.commands.subscriptions.service import owned, refuse_unless
from app.errors import Conflict


class OpenControlPanel(Struct, frozen=True):
    """Of which service."""

    subscription_id: str


async def create_control_panel_link(ctx: Context, actor: Actor, request: OpenControlPanel) -> Done:
    """A link into the account's own hosting.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `no_control_panel`, `subscription_not_active`, `not_provided_yet`.
        UpstreamError: WHMCS or WHM is away.
    """
    service = await owned(ctx, actor, request.subscription_id)
    if service.category != "hosting":
        raise Conflict("Only web hosting has a control panel.", code="no_control_panel")
    refuse_unless(service, "active")
    account = await hosting_account(ctx, service)
    if account.suspended:
        raise Conflict(
            "This hosting account is suspended. Please check for unpaid invoices.", code="subscription_not_active"
        )
    session = await ctx.whm.control_panel(account.username)
    left_seconds = int((session.expires_at - datetime.now(UTC)).total_seconds())
    return Done(Link(session.url, max(left_seconds, 0)), target=request.subscription_id)
