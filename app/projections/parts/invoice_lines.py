"""The parts of an invoice: lines, taxes, payments and refunds, and sums that agree with them.

WHMCS stores totals next to the lines, and staff, modules or a read between two of its writes can make them disagree.
Customers are billed the total, so the total is taken as correct; a difference to the lines becomes a line of its own.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.intake import parse
from app.money import money
from app.projections.parts import line_texts
from app.projections.parts.fields import added, amount, local_instant, objects, plain, shown
from app.projections.parts.line_services import NOTHING, Translations, relid_of, services_of, word_of
from app.readmodels.invoices import InvoiceItem, Payment, Refund, TaxLine

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
ADJUSTMENT = "Adjustment"

Data = Mapping[str, Any]


class Sums(Struct, frozen=True, kw_only=True):
    """Sums that agree with the lines. `adjustment`: difference between total and lines. A sum is None when one of its
    amounts is unreadable."""

    prices_include_tax: bool
    adjustment: Decimal
    subtotal: Decimal | None
    tax: Decimal | None
    credit: Decimal | None
    total: Decimal | None
    paid: Decimal | None
    refunded: Decimal | None
    balance: Decimal | None


def sums(data: Data) -> Sums:
    """Compute the sums of an invoice. Each amount is rounded to the currency's smallest unit first, so that the shown
    amounts add up."""
    currency, transactions = currency_of(data), objects(data.get("transactions"))
    lines = added([amount(item.get("amount"), currency) for item in objects(data.get("items"))])
    tax = added([_given(data, "tax", currency), _given(data, "tax2", currency)])
    credit, total = _given(data, "credit", currency), amount(data.get("total"), currency)
    subtotal = None if total is None or credit is None or tax is None else total + credit - tax
    included = bool(tax) and subtotal is not None and tax is not None and lines == subtotal + tax
    paid = added([_given(each, "amountin", currency) for each in transactions])
    refunded = added([_given(each, "amountout", currency) for each in transactions])
    unknown = included or subtotal is None or lines is None
    return Sums(
        prices_include_tax=included,
        adjustment=Decimal() if unknown or subtotal is None or lines is None else subtotal - lines,
        subtotal=subtotal,
        tax=tax,
        credit=credit,
        total=total,
        paid=paid,
        refunded=refunded,
        balance=None if total is None or paid is None or refunded is None else total - paid + refunded,
    )


def currency_of(data: Data) -> str:
    """Return the currency of an invoice; empty in old rows that lack it."""
    return plain(data.get("currencycode"))


def _given(data: Data, name: str, currency: str) -> Decimal | None:
    """Parse an optional amount: zero when absent, None when unreadable."""
    return Decimal() if data.get(name) in (None, "") else amount(data[name], currency)


def items(data: Data, adjustment: Decimal, known: Translations = NOTHING, date_format: str = "") -> list[InvoiceItem]:
    """List the lines, with an adjustment when they do not add up to the total."""
    currency, lines = currency_of(data), objects(data.get("items"))
    named = zip(lines, services_of(lines, known), strict=True)
    found = [_item(line, service_id, currency, date_format) for line, service_id in named]
    return [*found, *([_adjustment(adjustment, currency)] if adjustment else [])]


def _item(item: Data, service_id: str | None, currency: str, date_format: str) -> InvoiceItem:
    word, text, billed = word_of(item), plain(item.get("description")), amount(item.get("amount"), currency)
    kind = "domain" if word.startswith("Domain") else KINDS.get(word, "other")
    period, many = line_texts.period(text, date_format), line_texts.quantity(text, billed, currency)
    return InvoiceItem(
        description=text,
        amount=shown(billed, currency),
        taxed=item.get("taxed") in ("1", True),
        kind=kind,
        subscription_id=service_id,
        invoice_id=relid_of(item) if kind == "invoice" else None,
        quantity=f"{many.quantity.normalize():f}" if many else None,
        unit_price=shown(many.unit_price, currency) if many else None,
        period_start=period.start if period else None,
        period_end=period.end if period else None,
    )


def _adjustment(lacking: Decimal, currency: str) -> InvoiceItem:
    return InvoiceItem(
        description=ADJUSTMENT,
        amount=money(lacking, currency),
        taxed=False,
        kind="adjustment",
        subscription_id=None,
        invoice_id=None,
    )


def is_collective(lines: Sequence[Data]) -> bool:
    """Return whether a bill only collects other invoices. Counting it as well would double the amount owed."""
    return bool(lines) and all(KINDS.get(word_of(each)) == "invoice" for each in lines)


def is_draft(data: Data) -> bool:
    """Return whether an invoice is a draft, which customers never see."""
    return plain(data.get("status")).strip().casefold() == "draft"


def tax_lines(data: Data) -> list[TaxLine]:
    """List the taxes that apply."""
    found, currency = [], currency_of(data)
    for percent, tax in ((data.get("taxrate"), data.get("tax")), (data.get("taxrate2"), data.get("tax2"))):
        if known := amount(tax, currency):
            found.append(TaxLine(rate_percent=rate(percent), amount=money(known, currency)))
    return found


def rate(percent: object) -> str:
    """Format a tax rate in percent; "0" for none."""
    found = parse.money(percent)
    return "0" if found is None else f"{found:f}"


def payments(data: Data, zone: ZoneInfo) -> list[Payment]:
    """List the payments received."""
    currency, found, transactions = currency_of(data), [], objects(data.get("transactions"))
    for each in transactions:
        if received := amount(each.get("amountin"), currency):
            number = plain(each.get("id"))
            own = [each, *(other for other in transactions if _of(other) == number)]
            back = sum((amount(other.get("amountout"), currency) or Decimal() for other in own), Decimal())
            found.append(
                Payment(
                    payment_id=number,
                    paid_at=local_instant(each.get("date"), zone),
                    gateway=plain(each.get("gateway")),
                    reference=plain(each.get("transid")),
                    amount=money(received, currency),
                    refunded=money(back, currency),
                )
            )
    return found


def refunds(data: Data, zone: ZoneInfo) -> list[Refund]:
    """List the refunds."""
    currency = currency_of(data)
    return [
        Refund(
            refund_id=plain(each.get("id")),
            refunded_at=local_instant(each.get("date"), zone),
            gateway=plain(each.get("gateway")),
            reference=plain(each.get("transid")),
            amount=money(back, currency),
            payment_id=_of(each) or (plain(each.get("id")) if amount(each.get("amountin"), currency) else None),
        )
        for each in objects(data.get("transactions"))
        if (back := amount(each.get("amountout"), currency))
    ]


def _of(refund: Data) -> str | None:
    """Return the id of the refunded payment; None in older records, which lack it."""
    named = plain(refund.get("refundid")) or "0"
    return None if named == "0" else named
