"""What an invoice is made of: lines, taxes, payments and refunds, and sums that agree with them.

WHMCS stores totals beside the lines, and staff, modules and a read between two of its writes can make them disagree.
What the customer is asked for is the total, so that is believed; whatever the lines lack to it becomes a line too.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.projections.fields import local_instant
from app.readmodels.invoices import InvoiceItem, Payment, Refund, TaxLine
from app.readmodels.money import decimal, money

KINDS = {
    "Hosting": "service",
    "Setup": "setup",
    "Addon": "addon",
    "Upgrade": "upgrade",
    "PromoHosting": "discount",
    "PromoAddon": "discount",
    "PromoDomain": "discount",
    "GroupDiscount": "discount",
    "LateFee": "late_fee",
    "AddFunds": "funds",
    "Invoice": "invoice",
    "Item": "item",
    "": "item",
}
"""WHMCS's line types, an open set; all that begin with Domain are one kind."""
OF_SERVICE = frozenset({"Hosting", "Setup", "PromoHosting"})
"""Types whose `relid` is a service."""
ADJUSTMENT = "Adjustment"

Data = Mapping[str, Any]


class Sums(Struct, frozen=True, kw_only=True):
    """Amounts that agree with the lines. `adjustment` is what the lines lack to the total."""

    prices_include_tax: bool
    adjustment: Decimal
    subtotal: Decimal
    tax: Decimal
    credit: Decimal
    total: Decimal
    paid: Decimal
    refunded: Decimal
    balance: Decimal


def sums(data: Data) -> Sums:
    """The sums of an invoice."""
    lines = sum((decimal(item["amount"]) for item in data["items"]), Decimal())
    tax = decimal(data.get("tax")) + decimal(data.get("tax2"))
    credit, total = decimal(data["credit"]), decimal(data["total"])
    subtotal = total + credit - tax
    included = bool(tax) and lines == subtotal + tax
    paid = sum((decimal(each.get("amountin")) for each in data["transactions"]), Decimal())
    refunded = sum((decimal(each.get("amountout")) for each in data["transactions"]), Decimal())
    return Sums(
        prices_include_tax=included,
        adjustment=Decimal() if included else subtotal - lines,
        subtotal=subtotal,
        tax=tax,
        credit=credit,
        total=total,
        paid=paid,
        refunded=refunded,
        balance=total - paid + refunded,
    )


def items(data: Data, adjustment: Decimal) -> list[InvoiceItem]:
    """The lines, and one more where they do not come to the total."""
    currency = data["currencycode"]
    found = [_item(each, currency) for each in data["items"]]
    return [*found, *([_adjustment(adjustment, currency)] if adjustment else [])]


def _item(item: Data, currency: str) -> InvoiceItem:
    kind = "domain" if item["type"].startswith("Domain") else KINDS.get(item["type"], "other")
    return InvoiceItem(
        description=item["description"],
        amount=money(item["amount"], currency),
        taxed=item["taxed"] in ("1", True),
        kind=kind,
        subscription_id=item["relid"] if item["type"] in OF_SERVICE else None,
        invoice_id=item["relid"] if kind == "invoice" else None,
    )


def _adjustment(amount: Decimal, currency: str) -> InvoiceItem:
    return InvoiceItem(
        description=ADJUSTMENT,
        amount=money(amount, currency),
        taxed=False,
        kind="adjustment",
        subscription_id=None,
        invoice_id=None,
    )


def is_collective(lines: Sequence[Data]) -> bool:
    """Whether a bill only collects other invoices: counted beside them, everything would be owed twice."""
    return bool(lines) and all(KINDS.get(each["type"]) == "invoice" for each in lines)


def is_draft(data: Data) -> bool:
    """Whether an invoice is not issued yet: WHMCS's own affair, which no customer is shown in any way."""
    return str(data.get("status") or "").strip().casefold() == "draft"


def tax_lines(data: Data) -> list[TaxLine]:
    """The taxes that apply."""
    found = []
    for rate, amount in ((data.get("taxrate"), data.get("tax")), (data.get("taxrate2"), data.get("tax2"))):
        if decimal(amount):
            found.append(TaxLine(rate_percent=str(rate or "0"), amount=money(amount, data["currencycode"])))
    return found


def payments(data: Data, zone: ZoneInfo) -> list[Payment]:
    """What came in."""
    currency, found = data["currencycode"], []
    for each in data["transactions"]:
        if decimal(each.get("amountin")):
            back = decimal(each.get("amountout"))
            back += sum(decimal(other.get("amountout")) for other in data["transactions"] if _of(other) == each["id"])
            found.append(
                Payment(
                    payment_id=each["id"],
                    paid_at=local_instant(each.get("date"), zone),
                    gateway=each.get("gateway") or "",
                    reference=each.get("transid") or "",
                    amount=money(each["amountin"], currency),
                    refunded=money(back, currency),
                )
            )
    return found


def refunds(data: Data, zone: ZoneInfo) -> list[Refund]:
    """What was given back."""
    return [
        Refund(
            refund_id=each["id"],
            refunded_at=local_instant(each.get("date"), zone),
            gateway=each.get("gateway") or "",
            reference=each.get("transid") or "",
            amount=money(each["amountout"], data["currencycode"]),
            payment_id=_of(each) or (each["id"] if decimal(each.get("amountin")) else None),
        )
        for each in data["transactions"]
        if decimal(each.get("amountout"))
    ]


def _of(refund: Data) -> str | None:
    """The payment that a refund names, which older records of the mirror lack."""
    named = refund.get("refundid") or "0"
    return None if named == "0" else str(named)
