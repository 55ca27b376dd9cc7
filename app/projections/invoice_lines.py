"""What an invoice is made of: lines, taxes, payments and refunds, and sums that agree with them.

WHMCS stores totals beside the lines, and staff, modules and a read between two of its writes can make them disagree.
What the customer is asked for is the total, so that is believed; whatever the lines lack to it becomes a line too.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.intake import parse
from app.projections.fields import local_instant
from app.readmodels.invoices import InvoiceItem, Payment, Refund, TaxLine
from app.readmodels.money import money, rounded

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
    """The sums of an invoice, each amount in whole units of its currency's smallest coin before it is added up, so that
    what is shown adds up. A total that cannot be read is what the lines come to."""
    currency = data["currencycode"]
    lines = _sum((item.get("amount") for item in data["items"]), currency)
    tax = _sum((data.get("tax"), data.get("tax2")), currency)
    credit = rounded(data.get("credit"), currency)
    unreadable = parse.money(data.get("total")) is None
    total = lines + tax - credit if unreadable else rounded(data["total"], currency)
    subtotal = total + credit - tax
    included = bool(tax) and lines == subtotal + tax
    paid = _sum((each.get("amountin") for each in data["transactions"]), currency)
    refunded = _sum((each.get("amountout") for each in data["transactions"]), currency)
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


def _sum(amounts: Iterable[Any], currency: str) -> Decimal:
    return sum((rounded(each, currency) for each in amounts), Decimal())


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


def tax_lines(data: Data) -> list[TaxLine]:
    """The taxes that apply."""
    found, currency = [], data["currencycode"]
    for rate, amount in ((data.get("taxrate"), data.get("tax")), (data.get("taxrate2"), data.get("tax2"))):
        if rounded(amount, currency):
            found.append(TaxLine(rate_percent=str(rate or "0"), amount=money(amount, currency)))
    return found


def payments(data: Data, zone: ZoneInfo) -> list[Payment]:
    """What came in."""
    currency, found = data["currencycode"], []
    for each in data["transactions"]:
        if rounded(each.get("amountin"), currency):
            others = (other.get("amountout") for other in data["transactions"] if _of(other) == each["id"])
            back = _sum((each.get("amountout"), *others), currency)
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
    currency = data["currencycode"]
    return [
        Refund(
            refund_id=each["id"],
            refunded_at=local_instant(each.get("date"), zone),
            gateway=each.get("gateway") or "",
            reference=each.get("transid") or "",
            amount=money(each["amountout"], currency),
            payment_id=_of(each) or (each["id"] if rounded(each.get("amountin"), currency) else None),
        )
        for each in data["transactions"]
        if rounded(each.get("amountout"), currency)
    ]


def _of(refund: Data) -> str | None:
    """The payment that a refund names, which older records of the mirror lack."""
    named = refund.get("refundid") or "0"
    return None if named == "0" else str(named)
