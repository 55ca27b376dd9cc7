"""Charge an invoice for dunning: the one way in which the portal charges, with one saved method after another.

Methods other than the first are made the client's default before they are charged, because WHMCS charges that one. If
none is accepted, the first is the default again.

Writes: WHMCS payment, WHMCS pay methods; what `charge_invoice` writes.
"""

from collections.abc import Sequence
from typing import Literal

import structlog
from msgspec import Struct, structs

from app.commands.billing import captures
from app.commands.billing.charge_invoice import PaidInvoice, charge_invoice
from app.commands.dunning.look import Looked
from app.commands.execution.context import Actor, Context
from app.commands.execution.doubts import repeatable
from app.errors import Conflict, OutcomeUnknown, PaymentRefused, RuleViolated
from app.readmodels.billing.payment_attempts import DeclineKind

MOST_METHODS = 3

log = structlog.get_logger()


class DeclinedMethod(Struct, frozen=True):
    """A declined charge. A hard one is of no use to repeat with the same method.

    Attributes:
        tried_after: WHMCS's time of the attempt before this one, empty for none; None if that is not known.
    """

    method: str
    kind: DeclineKind
    code: str
    tried_after: str | None = None


class Charged(Struct, frozen=True):
    """What came of charging. `doubt`: it may have been charged. `moved`: the invoice cannot be charged any more."""

    status: Literal["paid", "pending", "declined", "doubt", "moved"]
    declines: tuple[DeclinedMethod, ...] = ()


async def charge(ctx: Context, looked: Looked, methods: Sequence[str], key: str) -> Charged:
    """Charge with these methods, one after another until one is not declined. `key` names the day of the schedule: what
    was declined under it is not charged again after a crash.

    Raises:
        UpstreamError: nothing was charged with the method at hand; and what was declined before is forgotten.
    """
    first = next(iter(looked.methods))
    declines: list[DeclinedMethod] = []
    is_default = first if len(looked.methods) == 1 or ctx.settings.whmcs_default_pay_method == "first" else None
    for method in methods[:MOST_METHODS]:
        if method != is_default:
            await _make_default(ctx, looked, method)
            is_default = method
        found = await _charge_one(ctx, looked, f"{key}:{method}")
        if not isinstance(found, DeclinedMethod):
            return structs.replace(found, declines=tuple(declines))
        declines.append(structs.replace(found, method=method))
    if is_default != first:
        await _make_default(ctx, looked, first)
    return Charged("declined", tuple(declines))


async def _make_default(ctx: Context, looked: Looked, method: str) -> None:
    with repeatable():
        await ctx.whmcs.set_default_pay_method(looked.subject.client_id, looked.methods[method].record_id)


async def _charge_one(ctx: Context, looked: Looked, key: str) -> Charged | DeclinedMethod:
    subject = looked.subject
    actor = Actor(
        role="portal", account_id=subject.account_id, whmcs_client_id=subject.client_id, command_key=f"dunning:{key}"
    )
    try:
        done = await charge_invoice(ctx, actor, subject.invoice_id, "dunning")
    except PaymentRefused as error:
        found = await captures.attempts(ctx.pool, subject.invoice_id)
        same = [each for each in found if each.command_key == actor.command_key]
        before = same[-1].before if same else None  # one that came to nothing may have been tried by WHMCS all the same
        tried_after = (before.tried_at or "") if before else None
        return DeclinedMethod("", (same and same[0].decline_kind) or "unknown", error.code, tried_after)
    except RuleViolated as error:  # the method was removed meanwhile
        return DeclinedMethod("", "hard", error.code)
    except OutcomeUnknown:
        log.warning("dunning_charge_in_doubt", invoice_id=subject.invoice_id)
        return Charged("doubt")
    except Conflict as error:
        return Charged("doubt" if error.code.startswith("payment_in_") else "moved")
    assert isinstance(done.result, PaidInvoice)
    return Charged("paid" if done.result.status == "paid" else "pending")
