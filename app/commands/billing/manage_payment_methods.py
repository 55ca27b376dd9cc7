"""Choose the payment method that is charged, or remove one. Methods are added on WHMCS's page only.

Reads: read_model.payment_methods, subscriptions, orders, invoices; WHMCS pay methods. Writes: WHMCS pay methods.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct

from app.commands.execution import pending_write
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.doubts import repeatable
from app.errors import Conflict, NotFound, UpstreamNotFound
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import whmcs_hint
from app.readmodels.services import HOLDS_ANY
from app.words.sentence import say

SETTLED = ("active", "cancelled", "rejected")
"""Statuses of orders that no longer need a payment."""

_NEEDED = f"""
SELECT {HOLDS_ANY}
    OR EXISTS (SELECT FROM read_model.orders WHERE account_id = $1 AND status <> ALL($2::text[]))
    OR EXISTS (SELECT FROM read_model.invoices WHERE account_id = $1 AND status = 'unpaid')
"""


class OneMethod(Struct, frozen=True):
    """The payment method named by the path."""

    payment_method_id: str


async def set_default_payment_method(ctx: Context, actor: Actor, request: OneMethod) -> Done:
    """Make this method the one that is charged. WHMCS does not report which one it charges. Safe to repeat.

    Raises:
        NotFound: `payment_method_not_found`, absent or another account's.
        UpstreamError: WHMCS is unavailable.
    """
    await _own(ctx, actor, request.payment_method_id)
    try:
        with repeatable():
            await pending_write.begin(ctx, _write(actor, SET_DEFAULT_PAYMENT_METHOD, request, {"is_default": True}))
            await ctx.whmcs.set_default_pay_method(actor.whmcs_client_id, request.payment_method_id)
    except UpstreamNotFound as error:
        await _request_refetch(ctx, actor)
        raise _not_found() from error
    return Done(request, outcome="shown", target=request.payment_method_id)


async def remove_payment_method(ctx: Context, actor: Actor, request: OneMethod) -> Done:
    """Remove a payment method; the last one only if nothing is left to be paid. Safe to repeat.

    Raises:
        NotFound: `payment_method_not_found`.
        Conflict: `payment_method_needed`, `edit_in_progress`.
        UpstreamError: WHMCS is unavailable.
    """
    account_id = await _own(ctx, actor, request.payment_method_id)
    async with ctx.locks.exclusively("payment_methods", account_id) as mine:
        if not mine:
            raise Conflict(say("billing.methods_changing"), code="edit_in_progress")
        held = [each.record_id for each in await ctx.whmcs.pay_methods(actor.whmcs_client_id)]
        if held == [request.payment_method_id] and await ctx.pool.fetchval(_NEEDED, account_id, list(SETTLED)):
            raise Conflict(
                say("billing.only_method"),
                code="payment_method_needed",
            )
        write = _write(actor, REMOVE_PAYMENT_METHOD, request, {"removed": True})
        if request.payment_method_id in held:
            await pending_write.begin(ctx, write)
            with repeatable():
                await ctx.whmcs.delete_pay_method(actor.whmcs_client_id, request.payment_method_id)
    return Done(request, await _request_refetch(ctx, actor, write), target=request.payment_method_id)


def _write(actor: Actor, command: Command, request: OneMethod, value: Mapping[str, Any]) -> Pending:
    recheck = ("whmcs", "pay_methods", actor.whmcs_client_id)
    method = request.payment_method_id
    return pending_write.write_of(actor, command.name, "payment_methods", value, item_id=method, recheck=recheck)


async def _own(ctx: Context, actor: Actor, payment_method_id: str) -> UUID:
    account_id = actor.account_id_or_refuse()
    owned = "SELECT EXISTS (SELECT FROM read_model.payment_methods WHERE account_id = $1 AND payment_method_id = $2)"
    if not await ctx.pool.fetchval(owned, account_id, payment_method_id):
        raise _not_found()
    return account_id


async def _request_refetch(ctx: Context, actor: Actor, write: Pending | None = None) -> int | None:
    """Queue a refetch of the payment methods, because WHMCS has no hook for the change."""
    hint = whmcs_hint("pay_methods", actor.whmcs_client_id, f"methods:{uuid4()}")
    return await ctx.inbox.submit([hint], pending=[write] if write else [])


def _not_found() -> NotFound:
    return NotFound(say("billing.method_not_found"), code="payment_method_not_found")


SET_DEFAULT_PAYMENT_METHOD = Command(
    set_default_payment_method, writes=("whmcs",), away="refuse", needs="payment_method"
)
REMOVE_PAYMENT_METHOD = Command(remove_payment_method, writes=("whmcs",), away="refuse", needs="payment_method")
COMMANDS = (SET_DEFAULT_PAYMENT_METHOD, REMOVE_PAYMENT_METHOD)
