"""Holds: staff pause the dunning of an invoice or of an account until a day, or for good.

While a hold is in force nothing is charged by itself and nothing is suspended, and what dunning suspended comes back;
customers can still pay. A hold for good is forgiveness of the dunning, not of the debt: the invoice stays as WHMCS has
it.

Reads: portal.dunning, id_mappings; read_model.invoices. Writes: portal.dunning_holds, portal.audit, and what `announce`
writes.
"""

from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from app import clock
from app.audit import Operator, audit
from app.commands.dunning.merged_holds import follow_merges
from app.commands.dunning.shown.announce import announce
from app.commands.execution.context import Context, StaffCommand
from app.db import Connection, Db, rows
from app.errors import NotFound, RuleViolated, Violation

LONGEST_DAYS = 366
_COLUMNS = "id AS hold_id, account_id, whmcs_invoice_id, reason, until, placed_by, placed_at, lifted_by, lifted_at"
_PLACE = f"""
INSERT INTO portal.dunning_holds (account_id, whmcs_invoice_id, reason, until, placed_by)
VALUES ($1, $2, $3, $4, $5) RETURNING {_COLUMNS}
"""
_LIFT = f"""
UPDATE portal.dunning_holds SET lifted_by = $3, lifted_at = now()
WHERE lifted_at IS NULL
  AND (whmcs_invoice_id = $2 OR $2::bigint IS NULL AND whmcs_invoice_id IS NULL AND account_id = $1)
RETURNING {_COLUMNS}
"""
_OWNER = """
SELECT coalesce((SELECT d.account_id FROM portal.dunning d WHERE d.whmcs_invoice_id = $1),
                (SELECT i.account_id::text FROM read_model.invoices i
                 WHERE i.invoice_id = $1::bigint::text AND i.status <> 'draft'))
"""
_OPEN = """
SELECT whmcs_invoice_id FROM portal.dunning
WHERE ended_at IS NULL AND (whmcs_invoice_id = $2 OR $2::bigint IS NULL AND account_id = $1) ORDER BY 1
"""
_WAKE = """
UPDATE portal.dunning d SET next_step_at = clock_timestamp()
WHERE d.ended_at IS NULL AND d.state = 'trying' AND d.next_attempt_at <= clock_timestamp()
  AND d.next_step_at > clock_timestamp() AND (d.whmcs_invoice_id = $2 OR $2::bigint IS NULL AND d.account_id = $1)
"""
"""An attempt whose time came during the hold is due now. One that is planned for later stays where it is."""


class Hold(Struct, frozen=True, kw_only=True):
    """A hold of an invoice, or of everything of an account. `until` is its last day; null for one without an end."""

    hold_id: int
    """The id of the hold."""
    account_id: str
    whmcs_invoice_id: int | None
    reason: str
    """Why it was placed."""
    until: date | None
    """The last day of it; null for one without an end."""
    placed_by: str
    """Who placed it."""
    placed_at: datetime
    lifted_by: str | None
    """Who lifted it; null while it holds."""
    lifted_at: datetime | None
    """When it was lifted; null while it holds."""


class HoldTarget(Struct, frozen=True):
    """An account, or one of its invoices."""

    account_id: str
    invoice_id: int | None = None

    @property
    def name(self) -> str:
        """The target in the audit log."""
        return self.account_id if self.invoice_id is None else f"invoice {self.invoice_id}"


async def target_of_invoice(db: Db, invoice_id: int) -> HoldTarget:
    """Find the account of an invoice.

    Raises:
        NotFound: `invoice_not_found`.
    """
    account_id = await db.fetchval(_OWNER, invoice_id)
    if account_id is None:
        raise NotFound("Invoice not found.", code="invoice_not_found")
    return HoldTarget(account_id, invoice_id)


async def target_of_account(db: Db, account_id: UUID) -> HoldTarget:
    """Check that there is such an account.

    Raises:
        NotFound: there is none.
    """
    known = await db.fetchval("SELECT true FROM portal.id_mappings WHERE account_id = $1", account_id)
    if not known:
        raise NotFound("There is no such account.")
    return HoldTarget(str(account_id))


async def hold(ctx: Context, operator: Operator, target: HoldTarget, reason: str, until: date) -> Hold:
    """Pause dunning up to and including a day. Takes the place of an earlier hold of the same target.

    Raises:
        RuleViolated: `hold_day_invalid`.
    """
    today = clock.now().astimezone(ZoneInfo(ctx.settings.whmcs_time_zone)).date()
    if not today <= until <= today + timedelta(days=LONGEST_DAYS):
        sentence = f"Give a day from today on and within {LONGEST_DAYS} days. To stop for good, forgive the invoice."
        violation = Violation("until", "hold_day_invalid", sentence)
        raise RuleViolated(sentence, code="hold_day_invalid", errors=[violation])
    async with ctx.pool.acquire() as connection, connection.transaction():
        placed = await _place(connection, operator, target, reason, until)
        await audit(connection, operator, "dunning.hold", [target.name], reason=reason, until=until.isoformat())
        woken = await _shown(ctx, connection, target)
    await ctx.inbox.wake(woken)
    return placed


async def forgive(ctx: Context, operator: Operator, target: HoldTarget, reason: str) -> Hold:
    """Stop the dunning of an invoice for good. What is owed stays owed."""
    async with ctx.pool.acquire() as connection, connection.transaction():
        placed = await _place(connection, operator, target, reason, None)
        await audit(connection, operator, "dunning.forgive", [target.name], reason=reason)
        woken = await _shown(ctx, connection, target)
    await ctx.inbox.wake(woken)
    return placed


async def lift(ctx: Context, operator: Operator, target: HoldTarget, reason: str) -> list[Hold]:
    """Let dunning go on where it stopped. A hold of the account stays when one of its invoices is named.

    Raises:
        NotFound: `no_hold`.
    """
    async with ctx.pool.acquire() as connection, connection.transaction():
        await follow_merges(connection)
        lifted = await rows(connection, Hold, _LIFT, target.account_id, target.invoice_id, _name(operator))
        if not lifted:
            raise NotFound("There is no hold to lift. `portal dunning show` lists them.", code="no_hold")
        await connection.execute(_WAKE, target.account_id, target.invoice_id)
        await audit(connection, operator, "dunning.lift", [target.name], reason=reason)
        woken = await _shown(ctx, connection, target)
    await ctx.inbox.wake(woken)
    return lifted


async def _place(db: Db, operator: Operator, target: HoldTarget, reason: str, until: date | None) -> Hold:
    """Store a hold in place of an earlier one."""
    await rows(db, Hold, _LIFT, target.account_id, target.invoice_id, _name(operator))
    values = (target.account_id, target.invoice_id, reason, until, _name(operator))
    [placed] = await rows(db, Hold, _PLACE, *values)
    return placed


async def _shown(ctx: Context, connection: Connection, target: HoldTarget) -> set[tuple[str, int]]:
    """Show the customer what changed, in the commit that changes it."""
    woken: set[tuple[str, int]] = set()
    for each in await connection.fetch(_OPEN, target.account_id, target.invoice_id):
        woken |= await announce(connection, ctx.settings, each["whmcs_invoice_id"])
    return woken


def _name(operator: Operator) -> str:
    return operator.name or str(operator.user_id)


COMMANDS = (
    StaffCommand(hold, "dunning.hold", writes=(), away="refuse"),
    StaffCommand(forgive, "dunning.forgive", writes=(), away="refuse"),
    StaffCommand(lift, "dunning.lift", writes=(), away="refuse"),
)
