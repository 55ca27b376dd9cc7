"""Apply the billed plan of a service at its provider. The provider is read first, so that repeating changes nothing.

Reads and writes: Freebit line, WHM account.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from app.commands.execution.context import Context
from app.commands.subscriptions.provider_accounts import hosting_account, line_of
from app.commands.subscriptions.service import Service
from app.errors import Conflict

TOKYO = ZoneInfo("Asia/Tokyo")
"""The time zone of Freebit's days."""


async def provide(ctx: Context, service: Service, plan_code: str) -> bool:
    """Apply the plan and return true once the provider has it, false while it has only accepted it.

    A service without a provider always has its plan. `service` is one that WHMCS bills with the plan: the package on
    the server has the name of its product.

    Raises:
        Conflict: `not_provided_yet`.
        UpstreamError: refused, unavailable, or of unknown outcome; call again to find out.
    """
    if service.provided_as == "hosting":
        account = await hosting_account(ctx, service)
        if account.plan != service.name:
            await ctx.whm.change_package(account.username, service.name)
    if service.provided_as == "sim":
        number = await line_of(ctx, service)
        line = await ctx.freebit.detail(number)
        if line is None:
            raise Conflict("Freebit does not know this line.", code="not_provided_yet")
        if line.plan_code != plan_code:
            await ctx.freebit.change_plan(number, plan_code, datetime.now(TOKYO).date())
            return False
    return True
