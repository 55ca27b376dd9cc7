"""The payment methods on file that a charge can use, and the one that WHMCS would charge.

Reads: WHMCS payment methods. Writes: WHMCS invoice (its gateway); ingest.inbox.
"""

from collections.abc import Sequence
from typing import Any

from app.commands.execution.context import Actor, Context
from app.commands.execution.doubts import repeatable
from app.errors import RuleViolated, Violation
from app.ingest.refetch.owners import whmcs_hint
from app.integrations.whmcs.records import WhmcsRecord
from app.settings import Settings
from app.words.sentence import say


async def chargeable_methods(ctx: Context, actor: Actor, invoice: WhmcsRecord) -> Sequence[WhmcsRecord]:
    """Return the methods on file, after setting the invoice to a gateway that can charge one of them.

    Raises:
        RuleViolated: `payment_method_missing`, `invoice_not_chargeable`.
    """
    methods = await ctx.whmcs.pay_methods(actor.whmcs_client_id)
    if not methods:
        reason = f"pay:{actor.request_id or actor.command_key}"
        await ctx.inbox.submit([whmcs_hint("pay_methods", actor.whmcs_client_id, reason)])
        raise _rule("payment_method_missing", say("billing.method_missing"))
    if invoice.data["ccgateway"] == "1":
        return methods
    gateway = next((each.data["gateway_name"] for each in methods if each.data.get("gateway_name")), None)
    if gateway is None:
        raise _rule("invoice_not_chargeable", say("billing.not_chargeable"))
    with repeatable():
        await ctx.whmcs.set_invoice_gateway(invoice.record_id, gateway)
    return methods


def charged_first(settings: Settings, methods: Sequence[WhmcsRecord]) -> dict[str, Any]:
    """Return what is known of the method that WHMCS charges: the only one, or the first where that is confirmed."""
    if len(methods) > 1 and settings.whmcs_default_pay_method != "first":
        return {}
    names = ("card_type", "card_last_four")
    return {"pay_method_id": methods[0].record_id, **{name: methods[0].data.get(name) or None for name in names}}


def _rule(code: str, sentence: str) -> RuleViolated:
    return RuleViolated(sentence, code=code, errors=[Violation("invoice_id", code, sentence)])
