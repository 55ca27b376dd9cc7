"""Suspending web hosting, and lifting that: on the server, and in WHMCS, which the portal tells what it did.

Freebit knows no suspension of a line, so only hosting can be suspended from here.

Reads and writes: WHM account, WHMCS service.
"""

from app.audit import Operator
from app.commands.execution.context import Context, StaffCommand
from app.commands.subscriptions.confirmed_write import surely
from app.commands.subscriptions.provider_accounts import hosting_account
from app.commands.subscriptions.service import Service, refuse_unless
from app.commands.subscriptions.service_lock import turn
from app.commands.subscriptions.staff_view import ServiceView, done, of_kind
from app.integrations.whmcs import services as whmcs_services


async def suspend(ctx: Context, operator: Operator, subscription_id: str, reason: str) -> ServiceView:
    """Stop a hosting account's site and mail; nothing is lost.

    Raises:
        Conflict: `service_kind_wrong`, `subscription_not_active`, `not_provided_yet`, `subscription_busy`.
    """
    async with turn(ctx, subscription_id):
        service = await of_kind(ctx, subscription_id, "hosting")
        refuse_unless(service, "active", "suspended")
        account = await hosting_account(ctx, service)
        if not account.suspended:
            name = account.username
            await surely(lambda: ctx.whm.suspend(name, reason), lambda: _is_suspended(ctx, service))
        await whmcs_services.set_status(ctx.whmcs, subscription_id, whmcs_services.SUSPENDED, reason)
        return await done(ctx, operator, "service.suspend", service, reason=reason)


async def unsuspend(ctx: Context, operator: Operator, subscription_id: str) -> ServiceView:
    """Switch a suspended hosting account on again.

    Raises:
        Conflict: `service_kind_wrong`, `subscription_not_active`, `not_provided_yet`, `suspension_locked`,
            `subscription_busy`.
    """
    async with turn(ctx, subscription_id):
        service = await of_kind(ctx, subscription_id, "hosting")
        refuse_unless(service, "active", "suspended")
        account = await hosting_account(ctx, service)
        if account.suspended:
            name = account.username
            await surely(lambda: ctx.whm.unsuspend(name), lambda: _is_not_suspended(ctx, service))
        await whmcs_services.set_status(ctx.whmcs, subscription_id, whmcs_services.ACTIVE)
        return await done(ctx, operator, "service.unsuspend", service)


async def _is_suspended(ctx: Context, service: Service) -> bool:
    return (await hosting_account(ctx, service)).suspended


async def _is_not_suspended(ctx: Context, service: Service) -> bool:
    return not await _is_suspended(ctx, service)


COMMANDS = (
    StaffCommand(suspend, "service.suspend"),
    StaffCommand(unsuspend, "service.unsuspend"),
)
