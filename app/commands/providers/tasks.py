"""Tasks for staff: what the portal cannot or must not do at a provider, as one Salesforce case each.

The case has no origin, so customers never see it: their screens show only cases that the portal opened for them. Its
external id is journaled before it is opened, so a lost answer or a crash opens no second one.

Reads: portal.id_mappings. Writes: Salesforce Case, portal.provided_services.
"""

from collections.abc import Mapping

import structlog

from app.commands.execution.context import Context
from app.commands.providers import journal
from app.commands.providers.journal import ProvidedService
from app.db import is_outage
from app.errors import UpstreamError
from app.integrations.salesforce import staff_cases

AT_ONCE = 20
_ACCOUNT = "SELECT salesforce_account_id FROM portal.id_mappings WHERE account_id = $1"

MEANINGS: Mapping[str, str] = {
    "ACCOUNT_OF_ANOTHER_DOMAIN": "The account of this name has another domain than the service. Find out whose it is; "
    "the portal does not touch it.",
    "ACCOUNT_UNREADABLE": "WHM did not say readably whether the account is suspended. Look at it in WHM.",
    "ACCOUNT_MISSING": "The service runs in billing, but WHM has no such account. Restore it, or end the service in "
    "WHMCS.",
    "SUSPENDED_BY_OTHERS": "The account was not suspended by the portal, or is locked. Whoever suspended it decides; "
    "lift the suspension in WHM, or change the service in WHMCS.",
    "SWITCHED_ON_AGAIN": "The service has ended and its account had been suspended, but somebody switched it on again. "
    "Suspend or remove it by hand, or reactivate the service in WHMCS.",
    "REMOVAL_BY_HAND": "The service has ended. This portal removes nothing by itself "
    "(PROVIDER_REMOVAL_GRACE_DAYS): remove it with `portal services terminate`.",
    "TOO_MANY_REMOVALS": "More services ended than may be removed in one day (PROVIDER_REMOVALS_PER_DAY). Check in "
    "WHMCS that they were meant to end; the portal goes on by itself on the next day.",
    "OTHER_WRITER": "WHMCS names another account for this service, so its own module manages it. Only one system may.",
    "PACKAGE_MISSING": "The server has no package with the name of the product. Create it; the portal tries again.",
    "LINE_CANNOT_BE_SUSPENDED": "Billing suspended the service, but Freebit cannot suspend a line: it still works. "
    "Speak with the customer, or end the service in WHMCS.",
    "LINE_MISSING": "The service runs in billing, but Freebit knows no such line in service. Look in Freebit.",
    "LINE_UNREADABLE": "Freebit gave the line a state that the portal does not know. Look in Freebit.",
    "LINE_IS_BEING_ENDED": "The service is active again in billing, but Freebit was already asked to end its line. "
    "Ask Freebit whether that can be stopped.",
    "PLAN_UNKNOWN": "The catalog has no network plan for the product that is billed. Complete the product, or change "
    "the plan in Freebit by hand.",
    "PROVIDER_AWAY": "The provider has not answered for a long time. The portal keeps trying.",
    "REFUSED": "The provider refused what billing asks for. Its answer is below.",
    "INTERNAL_ERROR": "The portal could not carry this out; its log says why.",
}
"""Code → what it means to staff, and what to do."""

log = structlog.get_logger()


async def open_cases(ctx: Context) -> int:
    """Open the cases of tasks that have none; returns their number. One that fails is tried again by the next run."""
    opened = 0
    for service in await journal.with_open_task(ctx.pool, AT_ONCE):
        try:
            opened += await _open(ctx, service)
        except Exception as error:
            if not isinstance(error, UpstreamError):
                if is_outage(error):
                    raise
                log.exception("staff_case_broken", subscription_id=service.subscription_id)
                continue
            log.warning("staff_case_postponed", subscription_id=service.subscription_id, error=str(error))
    return opened


async def _open(ctx: Context, service: ProvidedService) -> int:
    account = await ctx.pool.fetchval(_ACCOUNT, service.account_id)
    if account is None or service.task_key is None:
        return 0
    subject = f"Service {service.subscription_id}: {(service.task_code or '').replace('_', ' ').lower()}"
    case_id = await staff_cases.opened_once(ctx.salesforce, account, service.task_key, subject, _text(service))
    await journal.set_case(ctx.pool, service, case_id)
    log.info("staff_case_opened", subscription_id=service.subscription_id, code=service.task_code, case_id=case_id)
    return 1


def _text(service: ProvidedService) -> str:
    name = service.account_name if service.provider == "whm" else f"…{service.account_name[-4:]}"
    return "\n".join(
        (
            MEANINGS[service.task_code or ""],
            "",
            f"WHMCS service: {service.subscription_id}",
            f"At {service.provider}: {name}",
            f"Billing wants: {service.desired or 'unknown'}",
            f"The provider has: {service.actual or 'unknown'}",
            *([f"Details: {service.task_message}"] if service.task_message else []),
            "",
            f"`portal providers show {service.subscription_id}` says how it stands. The portal looks again by itself.",
        )
    )
