"""UpgradeProduct: the price of another product for the rest of the cycle, and the change itself.

Only WHMCS calculates the price, and formats it for people (`¥1,234 JPY`, `$-8.67 USD`). The change takes effect when
its invoice is paid, or at once when nothing is due. It is not idempotent, but a second one is refused while the invoice
of the first is unpaid.
"""

import re
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.integrations.error_translation import translates_errors
from app.integrations.whmcs.api import required
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS, understood
from app.integrations.whmcs.wire import identifier, is_true, known_id, text

ACTION = "UpgradeProduct"
_NUMBER = re.compile(r"[-\u2212]?[0-9][0-9.,]{0,20}")
_CENTS = re.compile(r"[.,]([0-9]{2})$")
_SIGNS = ("-", "\u2212")


class Upgrade(Struct, frozen=True, kw_only=True):
    """A requested change: a service and its new product, with the present billing cycle and gateway."""

    service_id: str
    product_id: str
    billing_cycle: str
    payment_method: str


class UpgradeQuote(Struct, frozen=True, kw_only=True):
    """The amount due today, in the client's currency and before tax; a negative amount becomes credit.

    `in_progress`: an earlier change waits for its payment.
    """

    old_product_id: str
    product_id: str
    due_now: Decimal
    days_left: int
    days_in_cycle: int
    in_progress: bool


class Upgraded(Struct, frozen=True, kw_only=True):
    """The accepted change; without an invoice nothing was due and it is done."""

    order_id: str
    invoice_id: str | None


@translates_errors(WHMCS)
async def quote(client: WhmcsClient, wish: Upgrade) -> UpgradeQuote:
    """Calculate the price; nothing is changed.

    Raises:
        UpstreamRejected: no such product, or not for this service.
    """
    body = await client.call(ACTION, {**_params(wish), "calconly": True})
    with understood(ACTION):
        return UpgradeQuote(
            old_product_id=known_id(body.get("oldproductid")),
            product_id=known_id(body.get("newproductid")),
            due_now=_amount(text(body.get("price"))),
            days_left=int(identifier(body.get("daysuntilrenewal")) or 0),
            days_in_cycle=int(identifier(body.get("totaldays")) or 0),
            in_progress=is_true(body.get("upgradeinprogress")),
        )


@translates_errors(WHMCS)
async def upgrade(client: WhmcsClient, wish: Upgrade) -> Upgraded:
    """Change the product.

    Raises:
        UpstreamRejected: `upgrade_unpaid`, the invoice of an earlier change is still open.
        OutcomeUnknown: check with `quote` (`in_progress`, or the product is the new one) before repeating it.
    """
    body = await client.call(ACTION, _params(wish), write=True)
    order_id, invoice_id = required(body, "orderid", ACTION), identifier(body.get("invoiceid"))
    return Upgraded(order_id=order_id, invoice_id=invoice_id if invoice_id not in ("", "0") else None)


def _params(wish: Upgrade) -> dict[str, Any]:
    return {
        "serviceid": wish.service_id,
        "type": "product",
        "newproductid": wish.product_id,
        "newproductbillingcycle": wish.billing_cycle,
        "paymentmethod": wish.payment_method,
    }


def _amount(shown: str) -> Decimal:
    """Parse a displayed price. Any separator before the two digits of a fraction groups thousands.

    Raises:
        ValueError: it contains no number.
    """
    found = _NUMBER.search(re.sub(r"[ \u00a0\u202f]", "", shown))
    if found is None:
        raise ValueError("a price without a number")
    number = found.group()
    negative = number.startswith(_SIGNS) or shown.strip().startswith(_SIGNS)
    cents = _CENTS.search(number)
    whole = re.sub(r"[^0-9]", "", number[: cents.start()] if cents else number)
    value = Decimal(f"{whole or 0}.{cents.group(1) if cents else '00'}")
    return -value if negative else value
