"""What billing wants of a provided service, read from WHMCS now.

Reads: read_model.subscriptions, catalog, WHMCS service.
"""

from datetime import datetime, timedelta

from app.clock import now
from app.commands.execution.context import Context
from app.commands.providers.decide import Wanted
from app.commands.providers.journal import ProvidedService
from app.commands.subscriptions.service import Service, as_read, find_any
from app.errors import NotFound, UpstreamNotFound
from app.integrations.whmcs import services as whmcs_services
from app.readmodels.provider_accounts import DESIRED

_PLAN_CODE = """
SELECT facts ->> 'sim_plan_code' FROM read_model.catalog
WHERE category = 'sim' AND whmcs_product_id = $1 AND item_class = 'service'
"""


async def wanted_of(ctx: Context, provided: ProvidedService) -> tuple[Wanted, Service]:
    """Read the service and return what its provider is to do. A service that WHMCS does not know asks for nothing.

    Raises:
        NotFound: `subscription_not_found`, no portal account has the service, or it is not the owner's any more.
    """
    service = await find_any(ctx, provided.subscription_id)
    try:
        record = await ctx.whmcs.service(provided.subscription_id)
    except UpstreamNotFound:
        return Wanted(state=None), service
    if record.owner_id != service.whmcs_client_id:
        raise NotFound("The service has another owner in WHMCS.", code="subscription_not_found")
    service = as_read(service, record)
    state = DESIRED.get(service.status.strip().lower())
    package = service.name if provided.provider == "whm" else await _plan_code(ctx, service)
    return Wanted(
        state=state,
        product_id=service.product_id,
        package=package,
        reason=str(record.data.get("suspensionreason") or ""),
        remove_at=_remove_at(ctx, provided) if state == "removed" else None,
    ), service


async def is_set_up_by_others(ctx: Context, provided: ProvidedService) -> bool:
    """Return whether WHMCS's own module manages an account of another name for this service: one writer at a time."""
    return await whmcs_services.login_name(ctx.whmcs, provided.subscription_id) not in ("", provided.account_name)


def _remove_at(ctx: Context, provided: ProvidedService) -> datetime | None:
    """Return when the service may be removed: so many days after its end was first seen; None if only staff may."""
    days = ctx.settings.provider_removal_grace_days
    if days < 0:
        return None
    return provided.remove_at or now() + timedelta(days=days)


async def _plan_code(ctx: Context, service: Service) -> str:
    return await ctx.pool.fetchval(_PLAN_CODE, service.product_id) or ""
