"""Hosting accounts in WHM: what was found, and one write.

Writes: WHM account.
"""

from app.commands.execution.context import Context
from app.commands.providers.decide import Found, Wanted
from app.commands.providers.journal import ProvidedService, Step
from app.commands.subscriptions.service import Service
from app.integrations.whm.client import HostingAccount
from app.integrations.whm.suspensions import is_own, marked


def found(provided: ProvidedService, account: HostingAccount | None, service: Service) -> Found:
    """Return what the server has under the service's account name. Another domain means another's account."""
    if account is None:
        return Found(presence="absent")
    if not service.domain or account.domain.lower() != service.domain.lower():
        return Found(presence="stranger")
    if not account.state_known:
        return Found(presence="unknown")
    return Found(
        presence="suspended" if account.suspended else "active",
        own_suspension=is_own(account, provided.subscription_id),
        package=account.plan,
    )


async def write(ctx: Context, provided: ProvidedService, step: Step, wanted: Wanted) -> None:
    """Make one write. The caller has just looked, and looks again afterwards.

    Raises:
        UpstreamError: refused, unavailable or of unknown outcome.
    """
    name = provided.account_name
    if step == "suspend":
        await ctx.whm.suspend(name, marked(provided.subscription_id, wanted.reason))
    elif step == "unsuspend":
        await ctx.whm.unsuspend(name)
    elif step == "change_package":
        await ctx.whm.change_package(name, wanted.package)
    elif step == "remove":
        await ctx.whm.remove_account(name)
    else:
        raise ValueError(f"a hosting account knows no {step}")
