"""UpgradeProduct: what another product would cost for the rest of the cycle, and the change itself.

WHMCS calculates, nobody else. Its price is written for people (`¥1,234 JPY`, `$-8.67 USD`). The change takes effect
when its invoice is paid, or at once when nothing is due. It is not idempotent, but a second one is refused while the
invoice of the first is unpaid.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from msgspec import Struct

from app.integrations.whmcs.api import required
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import understood
from app.integrations.whmcs.wire import identifier, text

ACTION = "UpgradeProduct"
_NUMBER = re.compile(r"-?[0-9][0-9.,]*")
_CENTS = re.compile(r"[.,]([0-9]{2})$")


class Upgrade(Struct, frozen=True, kw_only=True):
    """The wish: a service, another product, billed in the same words and by the same gateway as now."""

    service_id: str
    product_id: str
    billing_cycle: str
    payment_method: str


class UpgradeQuote(Struct, frozen=True, kw_only=True):
    """What is due today, in the client's currency and before tax; below zero it is given back as credit.

    `in_progress`: an earlier change waits for its payment.
    """

    old_product_id: str
    product_id: str
    due_now: Decimal
    days_left: int
    days_in_cycle: int
    in_progress: bool


class Upgraded(Struct, frozen=True, kw_only=True):
    """The change as WHMCS took it; without an invoice nothing was due and it is done."""

    order_id: str
    invoice_id: str | None


async def quote(client: WhmcsClient, wish: Upgrade) -> UpgradeQuote:
    """What it would cost; nothing is changed.

    Raises:
        UpstreamRejected: no such product, or not for this service.
    """
    body = await client.call(ACTION, {**_params(wish), "calconly": True})
    with understood(ACTION):
        return UpgradeQuote(
            old_product_id=identifier(body["oldproductid"]),
            product_id=identifier(body["newproductid"]),
            due_now=_amount(text(body["price"])),
            days_left=int(identifier(body.get("daysuntilrenewal")) or 0),
            days_in_cycle=int(identifier(body.get("totaldays")) or 0),
            in_progress=text(body.get("upgradeinprogress")).lower() in ("1", "true"),
        )


async def upgrade(client: WhmcsClient, wish: Upgrade) -> Upgraded:
    """Change the product.

    Raises:
        UpstreamRejected: `upgrade_unpaid`, the invoice of an earlier change is still open.
        OutcomeUnknown: look with `quote` (`in_progress`, or the product is the new one) before asking again.
    """
    body = await client.call(ACTION, _params(wish), write=True)
    invoice = text(body.get("invoiceid")).strip()
    return Upgraded(
        order_id=required(body, "orderid", ACTION), invoice_id=invoice if invoice not in ("", "0") else None
    )


def _params(wish: Upgrade) -> dict[str, Any]:
    return {
        "serviceid": wish.service_id,
        "type": "product",
        "newproductid": wish.product_id,
        "newproductbillingcycle": wish.billing_cycle,
        "paymentmethod": wish.payment_method,
    }


def _amount(shown: str) -> Decimal:
    """The number in a displayed price. Whatever stands before the last two digits of a fraction groups thousands.

    Raises:
        ValueError: there is none.
    """
    found = _NUMBER.search(shown.replace(" ", ""))
    if found is None:
        raise ValueError("a price without a number")
    number = found.group()
    negative = number.startswith("-") or shown.strip().startswith("-")
    cents = _CENTS.search(number)
    whole = re.sub(r"[^0-9]", "", number[: cents.start()] if cents else number)
    try:
        value = Decimal(f"{whole or 0}.{cents.group(1) if cents else '00'}")
    except InvalidOperation as error:
        raise ValueError("a price that is no number") from error
    return -value if negative else value
