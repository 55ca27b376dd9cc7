"""Invoices that dunning leaves alone, because they were due before the portal was given the task; and adopting one.

A first installation finds years of them. Nothing is charged or suspended for any, unless staff adopt it by its number.

Reads: read_model.invoices, payment_methods, portal.id_mappings, portal.billing_tasks, WHMCS invoices. Reads and writes:
portal.dunning. Writes: portal.audit.
"""

from datetime import date
from uuid import UUID

import structlog
from msgspec import Struct

from app import clock
from app.audit import Operator, audit
from app.commands.dunning import candidates, journal
from app.commands.dunning.journal import DunningMovedOn, DunningRow
from app.commands.dunning.policy import policies
from app.commands.dunning.schedule import calendar_of
from app.commands.execution.context import Context, StaffCommand
from app.db import rows
from app.errors import Conflict, NotFound, UpstreamError
from app.intake import parse
from app.settings import BillingTask

MOST_LISTED = 500

_LEFT = """
SELECT i.invoice_id, m.whmcs_client_id AS client_id, i.due_on, i.balance::text || ' ' || i.currency AS owed,
       count(*) OVER () AS total
FROM read_model.invoices i JOIN portal.id_mappings m USING (account_id)
LEFT JOIN portal.dunning d ON d.whmcs_invoice_id::text = i.invoice_id
WHERE i.status = 'unpaid' AND NOT i.collective AND i.due_on <= $1
  AND (d.whmcs_invoice_id IS NULL OR d.ended_at IS NOT NULL)
ORDER BY i.due_on, i.sort_id LIMIT $2
"""
_OWED = """
SELECT i.account_id, m.whmcs_client_id, i.due_on FROM read_model.invoices i
JOIN portal.id_mappings m USING (account_id) WHERE i.invoice_id = $1 AND i.status = 'unpaid' AND i.due_on IS NOT NULL
"""

log = structlog.get_logger()


class LeftAlone(Struct, frozen=True):
    """An overdue invoice that dunning leaves alone."""

    invoice_id: str
    client_id: str
    due_on: date
    owed: str | None
    total: int


async def left_alone(ctx: Context, task: BillingTask) -> list[str]:
    """Say in sentences which overdue invoices a task leaves alone: as it is set, or if the portal were given it now."""
    calendar = calendar_of(ctx.settings)
    since = await candidates.handed_over_on(ctx, task, calendar) or calendar.day_of(clock.now())
    found = await rows(ctx.pool, LeftAlone, _LEFT, since, MOST_LISTED)
    said = [
        f"Leaves invoice {each.invoice_id} of client {each.client_id} alone: due on {each.due_on}, "
        f"{each.owed or 'an unknown amount'} owed. `portal dunning adopt {each.invoice_id}` takes it in."
        for each in found
    ]
    if found and found[0].total > len(found):
        said.append(f"And {found[0].total - len(found):,} more that were due on {since} or before.")
    return [*said, *await _of_strangers(ctx)]


async def _of_strangers(ctx: Context) -> list[str]:
    """Say how many overdue invoices belong to clients of WHMCS whom the portal does not know."""
    try:
        listed = await ctx.whmcs.rows("GetInvoices", {"status": "Overdue", "orderby": "id"}, "invoices", "invoice")
    except UpstreamError as error:
        return [f"WHMCS's overdue invoices could not be listed: {error}"]
    owners = [str(parse.whole_number(each.get("userid"))) for each in listed.rows if isinstance(each, dict)]
    known = {each["whmcs_client_id"] for each in await ctx.pool.fetch("SELECT whmcs_client_id FROM portal.id_mappings")}
    strange = [each for each in owners if each not in known]
    if not strange:
        return []
    return [
        f"{len(strange):,} overdue invoices belong to {len(set(strange)):,} clients without a portal account: the "
        "portal charges and suspends none of them, and WHMCS would not either."
    ]


async def adopt(ctx: Context, operator: Operator, invoice_id: int, reason: str) -> DunningRow:
    """Take an overdue invoice into dunning that it leaves alone. Its charges and its grace begin today.

    Raises:
        NotFound: `invoice_not_found`, no unpaid invoice of a portal account.
        Conflict: `dunning_begun`, it is in dunning already.
    """
    found = await ctx.pool.fetchrow(_OWED, str(invoice_id))
    if found is None:
        raise NotFound("There is no unpaid invoice of this number.", code="invoice_not_found")
    was, at = await journal.one(ctx.pool, str(invoice_id)), clock.now()
    if was is not None and was.ended_at is None:
        raise _begun()
    row = DunningRow(
        whmcs_invoice_id=invoice_id,
        account_id=str(found["account_id"]),
        whmcs_client_id=int(found["whmcs_client_id"]),
        state="trying",
        max_attempts=len(policies(ctx.settings).usual.retry_days),
        due_on=found["due_on"],
        next_step_at=at,
        methods_seen=await candidates.methods_on_file(ctx.pool, UUID(str(found["account_id"]))),
        adopted_by=operator.name or str(operator.user_id),
        round=was.round + 1 if was else 0,
        started_at=at,
    )
    try:
        stored = await journal.store(ctx.pool, was, row, at)
    except DunningMovedOn as error:
        raise _begun() from error
    await audit(ctx.pool, operator, "dunning.adopt", [f"invoice {invoice_id}"], reason=reason)
    log.info("invoice_adopted", invoice_id=invoice_id)
    return stored


def _begun() -> Conflict:
    return Conflict("This invoice is in dunning already.", code="dunning_begun")


COMMANDS = (StaffCommand(adopt, "dunning.adopt", writes=(), away="refuse"),)
