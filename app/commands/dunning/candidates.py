"""Which invoices are to be attended to: those that are due and not in dunning, and those whose next step has come.

An invoice that was due before the portal was given the task is left alone for ever, unless staff adopt it.

Reads: read_model.invoices, payment_methods, portal.dunning, portal.id_mappings, portal.erasures, portal.billing_tasks.
"""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from app.commands.dunning.holding import covers
from app.commands.dunning.journal import DunningRow
from app.commands.dunning.look import InvoiceOwner
from app.commands.dunning.schedule import Calendar
from app.commands.execution.context import Context
from app.db import Db, rows
from app.schedule import billing_tasks
from app.settings import BillingTask

MOST = 1_000

FINGERPRINT = "concat_ws(':', p.payment_method_id, coalesce(p.last_four, ''), coalesce(p.expires, ''))"
"""As `look.fingerprint` names a payment method."""
_WHOSE = """
JOIN portal.id_mappings m ON m.account_id = i.account_id
WHERE NOT EXISTS (SELECT FROM portal.erasures e WHERE e.account_id = i.account_id)
"""
_NEW = f"""
SELECT i.invoice_id, i.account_id, m.whmcs_client_id AS client_id, i.currency, i.due_on, 0 AS slot
FROM read_model.invoices i
LEFT JOIN portal.dunning d ON d.whmcs_invoice_id::text = i.invoice_id
{_WHOSE} AND i.status = 'unpaid' AND NOT i.collective AND (i.balance > 0 OR i.balance IS NULL)
  AND i.due_on > $1 AND (i.due_on < $2 OR i.due_on = $2 AND i.issued_on < $2)
  AND (d.whmcs_invoice_id IS NULL OR d.ended_at IS NOT NULL AND d.ended_reason IN ('due_date_moved', 'withdrawn'))
ORDER BY i.due_on, i.sort_id LIMIT $3
"""
_OPEN = f"""
SELECT d.whmcs_invoice_id::text AS invoice_id, i.account_id, m.whmcs_client_id AS client_id,
       coalesce(v.currency, '') AS currency, d.due_on, d.slot + 1 AS slot
FROM portal.dunning d JOIN LATERAL (SELECT d.account_id::uuid AS account_id) i ON true
LEFT JOIN read_model.invoices v ON v.account_id = i.account_id AND v.invoice_id = d.whmcs_invoice_id::text
{_WHOSE} AND d.ended_at IS NULL AND (d.started_at >= $1 OR d.adopted_by IS NOT NULL)
  AND (d.next_step_at <= $2::timestamptz
    OR $3 AND coalesce(d.looked_at, '-infinity') < $2::timestamptz - interval '10 minutes' AND EXISTS (
      SELECT FROM read_model.payment_methods p
      WHERE p.account_id = i.account_id AND {FINGERPRINT} <> ALL (d.methods_seen)))
ORDER BY d.next_step_at NULLS FIRST LIMIT $4
"""
_HELD_UNTIL = f"""
SELECT CASE WHEN bool_or(h.until IS NULL) THEN NULL ELSE max(h.until) END FROM portal.dunning_holds h
WHERE {covers(account="$1", invoice="$2", today="$3")}
"""


class Candidate(Struct, frozen=True, kw_only=True):
    """An invoice to attend to, as the portal knows it without asking WHMCS. `slot`: the next repetition."""

    invoice_id: str
    account_id: UUID
    client_id: str
    currency: str
    due_on: date
    slot: int

    @property
    def subject(self) -> InvoiceOwner:
        """What is looked at."""
        return InvoiceOwner(self.invoice_id, self.account_id, self.client_id, self.currency)


async def subject_of(ctx: Context, row: DunningRow) -> InvoiceOwner:
    """Return what is looked at for a row."""
    sql = "SELECT currency FROM read_model.invoices WHERE account_id = $1 AND invoice_id = $2"
    currency = await ctx.pool.fetchval(sql, row.owner, row.invoice_id)
    return InvoiceOwner(row.invoice_id, row.owner, str(row.whmcs_client_id), currency or "")


async def held_until(ctx: Context, row: DunningRow, today: date) -> date | None:
    """Return the last day of the holds of an invoice; None where one has no end, or there is none."""
    found: date | None = await ctx.pool.fetchval(_HELD_UNTIL, row.account_id, row.whmcs_invoice_id, today)
    return found


async def methods_on_file(db: Db, account_id: UUID) -> list[str]:
    """Return the payment methods of an account as mirrored, by fingerprint."""
    sql = f"SELECT {FINGERPRINT} AS name FROM read_model.payment_methods p WHERE account_id = $1"
    return [each["name"] for each in await db.fetch(sql, account_id)]


async def handed_over_on(ctx: Context, task: BillingTask, calendar: Calendar) -> date | None:
    """Return the day on which the portal was given a task; None if it was not, or nobody has noted it yet."""
    state = await billing_tasks.of(ctx.pool, task)
    if state is None or state.automator != "portal":
        return None
    return calendar.day_of(state.automator_since)


async def due(ctx: Context, calendar: Calendar, at: datetime, task: BillingTask) -> list[Candidate]:
    """Return what is to be attended to now: what is new, only in the hours of the day, and what is open.

    A new payment method brings back an invoice at any time, where the portal charges.
    """
    since = await handed_over_on(ctx, task, calendar)
    state = await billing_tasks.of(ctx.pool, task)
    if since is None or state is None:
        return []
    today, charges = calendar.day_of(at), task == "captures"
    new: list[Candidate] = []
    if at >= calendar.opening(today):
        new = await rows(ctx.pool, Candidate, _NEW, since, today, MOST)
    return [*new, *await rows(ctx.pool, Candidate, _OPEN, state.automator_since, at, charges, MOST)]
