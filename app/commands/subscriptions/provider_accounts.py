"""The provider's account behind a service: the Freebit line of a SIM, the WHM account of hosting.

A hosting account is found by its name and never by its domain: customers type the domain into their order, and one who
typed another's domain would gain access to that account.

Reads: portal.fulfilments, read_model.orders, WHMCS service, WHM account.
"""

import re

from app.commands.execution.context import Context
from app.commands.fulfilment.hosting import username
from app.commands.subscriptions.service import Service
from app.errors import Conflict
from app.integrations.whm.client import HostingAccount
from app.integrations.whmcs import services as whmcs_services
from app.words.sentence import say

_ORDER = "SELECT order_id FROM read_model.orders WHERE account_id = $1 AND whmcs_order_id = $2"
_LINE = "SELECT facts ->> 'sim_account' FROM portal.fulfilments WHERE account_id = $1 AND order_id = $2"
_NUMBER = re.compile(r"[0-9]{10,14}")


async def line_of(ctx: Context, service: Service) -> str:
    """Return the phone number of a SIM service: from WHMCS, or as fulfilment received it from Freebit.

    Raises:
        Conflict: `not_provided_yet`.
    """
    digits = service.domain.replace("-", "").replace(" ", "")
    if _NUMBER.fullmatch(digits):
        return digits
    if number := await ctx.pool.fetchval(_LINE, service.account_id, await _order_id(ctx, service)):
        return str(number)
    raise _not_yet()


async def hosting_account(ctx: Context, service: Service) -> HostingAccount:
    """Return the account of a hosting service as WHM has it now.

    Raises:
        Conflict: `not_provided_yet`.
    """
    account = await hosting_account_if_any(ctx, service)
    if account is None:
        raise _not_yet()
    return account


async def hosting_account_if_any(ctx: Context, service: Service) -> HostingAccount | None:
    """Return the same account, or None if there is none under the service's name.

    Raises:
        Conflict: `not_provided_yet`, the service has no name, or the account of that name has another domain.
    """
    name = await whmcs_services.login_name(ctx.whmcs, service.subscription_id)
    if not name:
        order_id = await _order_id(ctx, service)
        if order_id is None:
            raise _not_yet()
        name = username(order_id)
    account = await ctx.whm.summary(name)
    if account is not None and account.domain.lower() != service.domain.lower():
        raise _not_yet()
    return account


async def _order_id(ctx: Context, service: Service) -> str | None:
    """Return the id of the order that created the service."""
    found: str | None = await ctx.pool.fetchval(_ORDER, service.account_id, service.whmcs_order_id)
    return found


def _not_yet() -> Conflict:
    return Conflict(say("subscriptions.not_set_up"), code="not_provided_yet")
