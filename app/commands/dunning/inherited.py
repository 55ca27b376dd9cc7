"""Suspensions for an unpaid invoice of which dunning has no record: a payment lifts them as it lifts its own.

WHMCS's own run made them while it led, or a restored backup of the database has forgotten them. WHMCS lifts them by
itself only where its setting *AutoUnsuspend* is on. The portal takes over nothing but what is suspended with WHMCS's
own reason, and whose invoice was paid lately and after the hand-over, while no other invoice of the service is overdue.
What is taken over is written down as dunning's own, and `restore` does the rest.

Reads: read_model.invoices, subscriptions, mirror.records, portal.billing_tasks, WHMCS invoices and services. Writes:
portal.dunning, portal.dunning_suspensions, ingest.inbox.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct

from app.commands.dunning import attend, journal
from app.commands.dunning.decide import End, standing
from app.commands.dunning.look import InvoiceOwner, look
from app.commands.dunning.schedule import Calendar
from app.commands.execution.context import Context
from app.db import is_outage, rows
from app.integrations.whmcs import suspensions
from app.readmodels.invoices import OPEN, UNKNOWN
from app.schedule import billing_tasks

AT_ONCE = 20
LATELY_DAYS = 3
"""A suspension that staff make by hand long after the payment is not for it."""
LOOK_AGAIN_SECONDS = 30
UNFINISHED = [*OPEN, UNKNOWN]
"""Status of an invoice of which something may be owed."""

_PAID = """
WITH suspended AS MATERIALIZED (  -- they are few, and invoices are many
  SELECT s.account_id, s.subscription_id FROM read_model.subscriptions s JOIN mirror.records r
    ON (r.source, r.object, r.record_id) = ('whmcs', 'service', s.subscription_id)
  WHERE s.status = 'suspended' AND NOT r.deleted AND lower(btrim(r.data ->> 'suspensionreason')) = lower($1))
SELECT i.invoice_id, i.account_id, m.whmcs_client_id AS client_id, i.currency, s.subscription_id
FROM suspended s JOIN read_model.invoices i ON i.account_id = s.account_id
  AND s.subscription_id = ANY (string_to_array(i.subscription_ids, ' '))
JOIN portal.id_mappings m ON m.account_id = i.account_id
LEFT JOIN portal.dunning d ON d.whmcs_invoice_id::text = i.invoice_id
WHERE i.status = 'paid' AND i.paid_at >= greatest($2, $3::timestamptz - $8 * interval '1 day')
  AND coalesce(d.looked_at, '-infinity') < $3::timestamptz - $4 * interval '1 second'
  AND NOT EXISTS (SELECT FROM portal.erasures e WHERE e.account_id = i.account_id)
  AND NOT EXISTS (SELECT FROM portal.dunning_suspensions p
                  WHERE (p.whmcs_invoice_id::text, p.subscription_id) = (i.invoice_id, s.subscription_id))
  AND NOT EXISTS (SELECT FROM read_model.invoices o WHERE o.account_id = i.account_id AND o.status = ANY ($5::text[])
                  AND (o.due_on IS NULL OR o.due_on <= $7)
                  AND s.subscription_id = ANY (string_to_array(o.subscription_ids, ' ')))
ORDER BY i.paid_at, i.sort_id LIMIT $6
"""
_TAKE_OVER = """
INSERT INTO portal.dunning_suspensions (whmcs_invoice_id, subscription_id, account_id, begun_at, suspended_at)
VALUES ($1, $2, $3, $4, $4) ON CONFLICT DO NOTHING
"""
_KNOWN = "SELECT invoice_id FROM read_model.invoices WHERE account_id = $1"

log = structlog.get_logger()


class PaidFor(Struct, frozen=True):
    """A suspended service, and the invoice of it that was paid."""

    invoice_id: str
    account_id: UUID
    client_id: str
    currency: str
    subscription_id: str

    @property
    def subject(self) -> InvoiceOwner:
        """What is looked at."""
        return InvoiceOwner(self.invoice_id, self.account_id, self.client_id, self.currency)


async def take_over(ctx: Context, calendar: Calendar, at: datetime) -> None:
    """Take over every suspension that was paid for since suspending became the portal's task."""
    state = await billing_tasks.of(ctx.pool, "suspension")
    if state is None or state.automator != "portal" or ctx.settings.automator_of("suspension") != "portal":
        return
    since = state.automator_since
    today = calendar.day_of(at)
    found = (suspensions.OVERDUE, since, at, LOOK_AGAIN_SECONDS, UNFINISHED, AT_ONCE, today, LATELY_DAYS)
    for each in await rows(ctx.pool, PaidFor, _PAID, *found):
        try:
            async with attend.turn(ctx, each.invoice_id) as mine:
                if mine:
                    await _take_over(ctx, each, calendar, at)
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("suspension_not_taken_over", subscription_id=each.subscription_id, error=repr(error))


async def _take_over(ctx: Context, service: PaidFor, calendar: Calendar, at: datetime) -> None:
    looked = await look(ctx, service.subject, calendar.day_of(at))
    if standing(looked.facts, calendar.day_of(at)) != End("settled", "paid"):
        return
    row = looked.row
    if row is None:
        row = await journal.store(ctx.pool, None, journal.ended(attend.blank(looked, at), "settled", "paid", at), at)
    if row.ended_at is None:  # it is settled in a moment
        return
    await journal.note_look(ctx.pool, service.invoice_id, at)
    if row.state != "settled" or not await _all_known(ctx, service):
        return
    live = await suspensions.service_standing(ctx.whmcs, service.subscription_id)
    if live.is_overdue_suspension and live.client_id == service.client_id:
        values: tuple[Any, ...] = (row.whmcs_invoice_id, service.subscription_id, row.account_id, at)
        await ctx.pool.execute(_TAKE_OVER, *values)
        log.info("suspension_taken_over", subscription_id=service.subscription_id, invoice_id=service.invoice_id)


async def _all_known(ctx: Context, service: PaidFor) -> bool:
    """Return whether the read models know every unpaid invoice of the client, so that none of the service is missed."""
    asked = {"userid": service.client_id, "status": "Unpaid", "orderby": "id"}
    listed = await ctx.whmcs.rows("GetInvoices", asked, "invoices", "invoice")
    unpaid = {str(each.get("id")) for each in listed.rows if isinstance(each, dict)}
    known = {each["invoice_id"] for each in await ctx.pool.fetch(_KNOWN, service.account_id)}
    return listed.complete and unpaid <= known
