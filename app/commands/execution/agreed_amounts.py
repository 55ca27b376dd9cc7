"""What a service was agreed to cost, against what WHMCS would bill for it.

Reads: WHMCS client. Reads and writes: WHMCS service.
"""

from decimal import Decimal

from msgspec import Struct

from app.commands.execution.context import Context
from app.errors import Conflict
from app.intake import parse
from app.integrations.whmcs import services
from app.integrations.whmcs.client import WhmcsRecord
from app.readmodels.pricing.prices import same_currency

CENT = Decimal("0.01")
"""WHMCS stores two decimals of every currency."""
NO_PROMOTION = (None, "", "0")


class AgreedAmounts(Struct, frozen=True, kw_only=True):
    """The agreed amounts of a service: per period, None for what is paid once, and of its first invoice if that is
    still to come. `discounted`: a promotion makes it cheaper, by what only WHMCS can calculate."""

    recurring: Decimal | None
    first_payment: Decimal | None = None
    discounted: bool = False


async def bill_as_agreed(ctx: Context, service: WhmcsRecord, agreed: AgreedAmounts) -> WhmcsRecord | None:
    """Have WHMCS bill the agreed amounts; return the service as it is then, None if nothing had to be changed.

    Raises:
        Conflict: `price_not_set`, WHMCS still has another amount after it was set.
        UpstreamError: call again to find out.
    """
    wrong = _wrong(service, agreed)
    if not wrong:
        return None
    await services.set_price(ctx.whmcs, service.record_id, wrong)
    found = await ctx.whmcs.service(service.record_id)
    if still := _wrong(found, agreed):
        said = ", ".join(f"{name} {found.data.get(name)} in place of {amount}" for name, amount in still.items())
        raise Conflict(f"WHMCS keeps another price for service {service.record_id}: {said}.", code="price_not_set")
    return found


async def refuse_other_currency(ctx: Context, whmcs_client_id: str, agreed: str) -> None:
    """Refuse to set a price in a currency that the client is not billed in, read live.

    Raises:
        Conflict: `price_not_set`.
    """
    present = (await ctx.whmcs.client(whmcs_client_id)).data.get("currency_code")
    if not same_currency(present, agreed):
        changed = f"WHMCS client {whmcs_client_id} is billed in {present or 'no currency'}, and {agreed} was agreed."
        raise Conflict(f"{changed} Agree another price with the customer.", code="price_not_set")


def _wrong(service: WhmcsRecord, agreed: AgreedAmounts) -> dict[str, Decimal]:
    """Return the amounts that WHMCS has to be given, by its names.

    A first invoice may ask for less than a period, because it may cover less.
    """
    discounted = agreed.discounted or service.data.get("promoid") not in NO_PROMOTION
    stated = {"recurringamount": (agreed.recurring, discounted), "firstpaymentamount": (agreed.first_payment, True)}
    return {
        name: wanted
        for name, (wanted, lower) in stated.items()
        if wanted is not None and not is_as_agreed(service.data.get(name), wanted, or_lower=lower)
    }


def is_as_agreed(stated: object, agreed: Decimal, *, or_lower: bool) -> bool:
    """Tell if an amount of WHMCS is the agreed one, or if allowed a lower one; an unreadable one is neither."""
    amount = parse.money(stated)
    if amount is None:
        return False
    difference = amount.quantize(CENT) - agreed.quantize(CENT)
    return difference == 0 or (or_lower and difference < 0)
