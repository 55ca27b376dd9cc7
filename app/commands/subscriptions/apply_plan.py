"""Have whatever provides a service give it the plan that is billed. Looks first, so that repeating changes nothing.

Reads and writes: Freebit line, WHM account.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from app.commands.execution.context import Context
from app.commands.subscriptions.provider_accounts import hosting_account, line_of
from app.commands.subscriptions.service import Service
from app.errors import Conflict

TOKYO = ZoneInfo("Asia/Tokyo")
"""Where Freebit's days begin."""


async def provide(ctx: Context, service: Service, plan_code: str) -> bool:
    """Whether the provider has the plan by now; false when it has only accepted it. What nobody provides has it.

    `service` is one that WHMCS bills with the plan: the package on the server bears the name of its product.

    Raises:
        Conflict: `not_provided_yet`.
        UpstreamError: refused, away, or in doubt; look again by calling again.
    """
    if service.category == "hosting":
        account = await hosting_account(ctx, service)
        if account.plan != service.name:
            await ctx.whm.change_package(account.username, service.name)
    if service.category == "sim":
        number = await line_of(ctx, service)
        line = await ctx.freebit.detail(number)
        if line is None:
            raise Conflict("Freebit does not know this line.", code="not_provided_yet")
        if line.plan_code != plan_code:
            await ctx.freebit.change_plan(number, plan_code, datetime.now(TOKYO).date())
            return False
    return True
