"""Suspend what an invoice bills, after its grace: each service by itself, written down before WHMCS is told.

WHMCS alone is told. The providers of services that the portal provisioned follow what WHMCS then says.

Reads: WHMCS invoice and services; read_model.invoices, subscriptions, ingest.inbox. Writes: WHMCS services,
portal.dunning_suspensions, ingest.inbox.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID, uuid4

import structlog
from msgspec import structs

from app.commands.dunning import journal
from app.commands.dunning.decide import StillOwed, standing
from app.commands.dunning.journal import DunningRow, Told
from app.commands.dunning.look import Looked, look
from app.commands.execution.context import Context
from app.commands.subscriptions.service_lock import lock_service
from app.errors import OutcomeUnknown, UpstreamNotFound
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.whmcs import suspensions
from app.integrations.whmcs.suspensions import ServiceStanding
from app.readmodels.services import ENDED

MOST_AGE_HOURS = 36
MOST_WAIT_MINUTES = 15

_FRESH = """
SELECT EXISTS (
    SELECT FROM read_model.invoices WHERE account_id = $1 AND invoice_id = $2 AND status = 'unpaid'
      AND as_of > clock_timestamp() - $3 * interval '1 hour')
AND NOT EXISTS (
    SELECT FROM ingest.inbox WHERE settled_at IS NULL AND source = 'whmcs' AND object = 'invoice' AND record_id = $2
      AND received_at < clock_timestamp() - $4 * interval '1 minute')
"""
_RECURRING = (
    "SELECT subscription_id FROM read_model.subscriptions WHERE account_id = $1 AND subscription_id = ANY($2::text[])"
)
_BEGIN = """
INSERT INTO portal.dunning_suspensions (whmcs_invoice_id, subscription_id, account_id, begun_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (whmcs_invoice_id, subscription_id) DO UPDATE SET account_id = excluded.account_id,
    begun_at = excluded.begun_at, suspended_at = NULL, ended_at = NULL, outcome = NULL, not_before = NULL
    WHERE dunning_suspensions.ended_at IS NOT NULL
"""
_SUSPENDED = """
UPDATE portal.dunning_suspensions SET suspended_at = $3
WHERE (whmcs_invoice_id, subscription_id) = ($1, $2) AND ended_at IS NULL AND suspended_at IS NULL
"""

log = structlog.get_logger()


async def has_own_module(ctx: Context, subscription_id: str) -> bool:
    """Return whether WHMCS's own module manages a service. It does not manage what the portal provisioned: there it
    would be a second writer."""
    sql = "SELECT EXISTS (SELECT FROM portal.provided_services WHERE subscription_id = $1)"
    return not await ctx.pool.fetchval(sql, subscription_id)


async def is_fresh(ctx: Context, account_id: UUID, invoice_id: str) -> bool:
    """Return whether the read models know the invoice as unpaid, from a recent read, and keep up with the news of it.

    After an outage, or from a restored backup, they do not, and nobody is suspended on what they remember.
    """
    fresh: bool = await ctx.pool.fetchval(_FRESH, account_id, invoice_id, MOST_AGE_HOURS, MOST_WAIT_MINUTES)
    return fresh


Outcome = Literal["suspended", "kept", "nothing"]
"""kept: it was paid at the last moment, or staff keep the services as they are. nothing: no service is left."""


async def suspend(ctx: Context, looked: Looked, row: DunningRow, at: datetime, today: date) -> Outcome:
    """Suspend the services of an invoice.

    Raises:
        UpstreamError: what was begun is written down, and the next run goes on.
        Conflict: `subscription_busy`.
    """
    services = await _services(ctx, looked)
    wanted = [each for each in services if _is_suspendable(each, today)]
    if not wanted:
        return "kept" if services else "nothing"
    for each in wanted:
        await ctx.pool.execute(_BEGIN, row.whmcs_invoice_id, each.service_id, row.account_id, at)
        if not each.is_overdue_suspension and not await _suspend_one(ctx, looked, each, today):
            return "kept"
        await ctx.pool.execute(_SUSPENDED, row.whmcs_invoice_id, each.service_id, at)
    seen = row.grace_seen + (row.grace_seen_on is None or row.grace_seen_on < today)
    to = structs.replace(
        row, state="suspended", suspended_at=at, next_step_at=None, grace_seen=seen, grace_seen_on=today
    )
    detail = {"subscription_ids": [each.service_id for each in wanted]}
    await journal.store(ctx.pool, looked.row, to, at, [Told("suspended", None, detail)])
    await ctx.inbox.submit([whmcs_hint("service", each.service_id, f"dunning:{uuid4()}") for each in wanted])
    return "suspended"


async def _services(ctx: Context, looked: Looked) -> Sequence[ServiceStanding]:
    """Return the client's recurring services that the invoice bills and that have not ended."""
    assert looked.facts.invoice is not None
    named, found = list(looked.facts.invoice.subscription_ids), []
    for each in await ctx.pool.fetch(_RECURRING, looked.subject.account_id, named):
        try:
            service = await suspensions.service_standing(ctx.whmcs, each["subscription_id"])
        except UpstreamNotFound:
            continue
        if service.client_id == looked.subject.client_id and service.status.lower() not in ENDED:
            found.append(service)
    return found


def _is_suspendable(service: ServiceStanding, today: date) -> bool:
    """Return whether it is active, or suspended for another unpaid invoice already, and staff have not exempted it."""
    return (service.status.lower() == "active" or service.is_overdue_suspension) and not service.is_exempt(today)


async def _suspend_one(ctx: Context, looked: Looked, service: ServiceStanding, today: date) -> bool:
    """Suspend a service, unless the invoice was paid at the last moment."""
    async with lock_service(ctx, service.service_id) as mine:
        last = await look(ctx, looked.subject, today)
        if not isinstance(standing(last.facts, today), StillOwed):
            return False
        await mine.prove()
        try:
            by_module = await has_own_module(ctx, service.service_id)
            await suspensions.suspend(ctx.whmcs, service.service_id, by_module=by_module)
        except OutcomeUnknown:
            now = await suspensions.service_standing(ctx.whmcs, service.service_id)
            if not now.is_overdue_suspension:
                raise
        log.info("service_suspended", subscription_id=service.service_id, invoice_id=looked.subject.invoice_id)
        return True
