"""Undoing what a fulfilment did, for an order that is not to be activated.

    step            undone by
    whmcs_order     CancelOrder, with the services and the unpaid invoice
    accept          its services marked Cancelled in WHMCS
    hosting         the account, which was created for this order alone, is removed
    sim             the line is cancelled in Freebit where it is certainly the order's own (`line_end`), else by staff

Each reads first and may be repeated, so an interrupted cancellation continues when it is requested again. None waits
for another: what can be undone is, whatever else fails. An order that staff approve meanwhile is undone to the end and
then begins again, so that nothing is activated of which a part is gone.

Reads: portal.id_mappings. Writes: portal.fulfilment_steps, WHM account, WHMCS order and services.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from app.clock import now
from app.commands.execution.context import Context
from app.commands.fulfilment import billing, hosting
from app.commands.fulfilment.lines.line_end import HAND_SECONDS, LineEnded, end_line
from app.commands.fulfilment.work import FORMER_ORDERS, REJECTED, Anew, OrderOutcome, Outcome, Pause, Undone, Wait, Work
from app.errors import UpstreamRejected
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.salesforce import activation

PENDING, GONE = "Pending", "Cancelled"
SETTLES = {"add_order_sent_at": billing.SETTLE_SECONDS, "hosting_asked_at": hosting.SETTLE_SECONDS}
"""Fact → how long the write that it announces may still be running: until then its absence proves nothing."""
BEGUN = "undoing"
"""Fact: undoing has begun, so what was done before can no longer be relied on."""
UNDONE = "undone"
"""Fact: what was undone so far, in words."""

_STEP = """
WITH told AS (UPDATE portal.fulfilments SET
    facts = facts || jsonb_build_object('undone', coalesce(facts -> 'undone', '[]') || to_jsonb($4::text))
    WHERE order_id = $1)
INSERT INTO portal.fulfilment_steps (order_id, step, attempt, outcome, detail) VALUES ($1, $2, 1, 'undone', $3)
"""
_FACT = "SELECT facts -> $2 FROM portal.fulfilments WHERE order_id = $1"
_FORMER = f"""
UPDATE portal.fulfilments SET facts = facts || jsonb_build_object('{FORMER_ORDERS}',
    coalesce(facts -> '{FORMER_ORDERS}', '[]') || to_jsonb($2::text)) WHERE order_id = $1
"""


async def withdraw(work: Work) -> Outcome:
    """Undo an order that staff ended.

    Raises:
        UpstreamError: repeat it; what was undone stays undone.
    """
    order_id, facts = work.order.order_id, work.job.facts
    if (seconds := unsettled_seconds(facts)) > 0:
        return Wait(seconds)
    if not facts.get(BEGUN):
        await work.remember(**{BEGUN: True})
    rest = undo(work.ctx, order_id, work.job.account_id, facts)
    [failure] = await asyncio.gather(rest, return_exceptions=True)
    line = await end_line(work)
    if isinstance(failure, UpstreamRejected):
        sentence = f"{failure.operation}: {failure.reason[:120]}. Undo it there; the portal looks every hour."
        return Pause(REJECTED[failure.upstream], f"Undoing was refused: {sentence}", HAND_SECONDS, for_staff=True)
    if failure is not None:
        raise failure
    if not isinstance(line, LineEnded):
        return line
    told = [*(await work.ctx.pool.fetchval(_FACT, order_id, UNDONE) or []), *filter(None, [line.what])]
    what = f"Undone: {', '.join(told)}." if told else "Nothing had been done yet."
    if reason := facts.get("cancelled_because"):
        return Undone("CANCELLED_BY_STAFF", f"{reason} {what}")
    return Undone("CANCELLED_IN_SALESFORCE", f"{work.order.status} in Salesforce. {what}")


def unsettled_seconds(facts: Mapping[str, Any]) -> float:
    """Return how long a write of the order may still be running; zero or less if none is."""
    announced = [name for name in SETTLES if facts.get(name)]
    if "whmcs_order_id" in facts and "add_order_sent_at" in announced:
        announced.remove("add_order_sent_at")  # it was answered
    return max((SETTLES[name] - _age_seconds(facts[name]) for name in announced), default=0.0)


def _age_seconds(at: str) -> float:
    return (now() - datetime.fromisoformat(at)).total_seconds()


async def begin_anew(work: Work) -> OrderOutcome:
    """Undo the rest of an order that staff approved again, then begin again. A line that was not cancelled is kept.

    Raises:
        UpstreamError: repeat it; what was undone stays undone.
    """
    facts = work.job.facts
    await undo(work.ctx, work.order.order_id, work.job.account_id, facts)
    kept = {name: value for name, value in facts.items() if name.startswith("sim_")}
    if facts.get("line_cancel_asked_at"):
        ended = await end_line(work)
        if not isinstance(ended, LineEnded):
            return ended
        kept = {}
    former = await work.ctx.pool.fetchval(_FACT, work.order.order_id, FORMER_ORDERS)
    return Anew(kept | {FORMER_ORDERS: former or []})


async def undo(ctx: Context, order_id: str, account_id: UUID, facts: dict[str, Any]) -> None:
    """Undo everything but the line.

    Raises:
        UpstreamError: a part was not undone; the others were.
    """
    parts = _hosting(ctx, order_id, facts), _billing(ctx, order_id, account_id, facts)
    for failure in await asyncio.gather(*parts, return_exceptions=True):
        if isinstance(failure, BaseException):
            raise failure


async def _hosting(ctx: Context, order_id: str, facts: dict[str, Any]) -> None:
    """Remove the hosting account. One of the chosen name belongs to this order only if it has its domain."""
    name = facts.get("hosting_username")
    found = await ctx.whm.account(name) if name else None
    if found is None or found.domain != (await activation.live(ctx.salesforce, order_id)).domain:
        return
    await ctx.whm.remove_account(found.username)
    await ctx.pool.execute(_STEP, order_id, "hosting", {"removed": found.username}, f"hosting account {found.username}")


async def _billing(ctx: Context, order_id: str, account_id: UUID, facts: dict[str, Any]) -> None:
    client_id = await ctx.pool.fetchval(
        "SELECT whmcs_client_id FROM portal.id_mappings WHERE account_id = $1", account_id
    )
    found = await ctx.whmcs.find_order(client_id, order_id, facts.get(FORMER_ORDERS, ())) if client_id else None
    if found is None:
        return
    if found.status == GONE:  # cancelled by an earlier attempt that was interrupted, or by staff
        await ctx.pool.execute(_FORMER, order_id, found.order_id)
        return
    if found.status == PENDING:
        await ctx.whmcs.cancel_order(found.order_id)
    else:
        for service_id in found.service_ids:
            await ctx.whmcs.cancel_service(service_id)
    detail = {"order": found.order_id, "was": found.status}
    await ctx.pool.execute(_STEP, order_id, "whmcs_order", detail, f"WHMCS order {found.order_id}")
    await ctx.pool.execute(_FORMER, order_id, found.order_id)
    reason = f"undone:{order_id}:{now().isoformat()}"
    await ctx.inbox.submit([whmcs_hint(name, client_id, reason) for name in ("client_services", "client_invoices")])
