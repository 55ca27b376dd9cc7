"""Invoices: a WHMCS invoice → one row.

Reads: whmcs invoice. Writes: read_model.invoices.
"""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from app.events import Record
from app.projections.fields import day, local_instant
from app.projections.projector import Group, Projected, Projector
from app.readmodels.invoices import STATUSES, TABLE, Invoice, InvoiceItem, InvoiceSummary, Payment
from app.readmodels.money import decimal, money
from app.settings import Settings


def projector(settings: Settings) -> Projector:
    """Invoices, with WHMCS's times read in the zone of its server."""
    zone = ZoneInfo(settings.whmcs_time_zone)

    def project(group: Group) -> Projected:
        return Projected(rows=[_row(record, zone) for record in group.records])

    return Projector(
        name="invoices",
        version=1,
        source="whmcs",
        scope="record",
        root="invoice",
        reads=("invoice",),
        table=TABLE,
        project=project,
    )


def _row(record: Record, zone: ZoneInfo) -> dict[str, Any]:
    data, currency = record.data, record.data["currencycode"]
    invoice = Invoice(
        invoice_id=record.record_id,
        number=data.get("invoicenum") or record.record_id,
        status=STATUSES.get(data["status"], "unknown"),
        issued_on=day(data.get("date")),
        due_on=day(data.get("duedate")),
        paid_at=local_instant(data.get("datepaid"), zone),
        items=[_item(item, currency) for item in data["items"]],
        payments=[_payment(payment, currency, zone) for payment in data["transactions"]],
        subtotal=money(data["subtotal"], currency),
        tax=money(_tax(data), currency),
        tax_rate_percent=str(data.get("taxrate") or "0"),
        credit=money(data["credit"], currency),
        total=money(data["total"], currency),
        balance=money(data["balance"], currency),
    )
    return {
        "invoice_id": invoice.invoice_id,
        "invoice_number": data.get("invoicenum"),
        "status": invoice.status,
        "upstream_status": data["status"],
        "issued_on": invoice.issued_on,
        "due_on": invoice.due_on,
        "paid_at": invoice.paid_at,
        "subtotal": decimal(data["subtotal"]),
        "tax": _tax(data),
        "credit": decimal(data["credit"]),
        "total": decimal(data["total"]),
        "balance": decimal(data["balance"]),
        "currency": currency,
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "summary": msgspec.json.encode(_summary(invoice)),
        "document": msgspec.json.encode(invoice),
    }


def _summary(invoice: Invoice) -> InvoiceSummary:
    names = InvoiceSummary.__struct_fields__
    return InvoiceSummary(**{name: getattr(invoice, name) for name in names})


def _tax(data: dict[str, Any]) -> Decimal:
    return decimal(data.get("tax")) + decimal(data.get("tax2"))


def _item(item: dict[str, Any], currency: str) -> InvoiceItem:
    return InvoiceItem(
        description=item["description"],
        amount=money(item["amount"], currency),
        taxed=item["taxed"] in ("1", True),
        subscription_id=item["relid"] if item["type"] == "Hosting" else None,
    )


def _payment(payment: dict[str, Any], currency: str, zone: ZoneInfo) -> Payment:
    return Payment(
        paid_at=local_instant(payment.get("date"), zone),
        gateway=payment.get("gateway") or "",
        amount=money(payment.get("amountin"), currency),
        refunded=money(payment.get("amountout"), currency),
    )
