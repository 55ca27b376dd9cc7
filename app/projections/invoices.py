"""Invoices: a WHMCS invoice → one row.

Reads: whmcs invoice. Writes: read_model.invoices.
"""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from app.events import Record
from app.intake import unreadable
from app.projections.fields import day, local_instant
from app.projections.invoice_lines import Sums, is_collective, items, payments, refunds, sums, tax_lines
from app.projections.projector import Group, Projected, Projector
from app.readmodels.invoices import PAYABLE, TABLE, UNKNOWN, Invoice, InvoiceSummary, status_of
from app.readmodels.money import money
from app.settings import Settings

SUMS = ("subtotal", "tax", "credit", "total", "paid", "refunded", "balance")


def projector(settings: Settings) -> Projector:
    """Invoices, with WHMCS's times read in the zone of its server."""
    zone = ZoneInfo(settings.whmcs_time_zone)

    def project(group: Group) -> Projected:
        return Projected(rows=[_row(record, zone) for record in group.records])

    return Projector(
        name="invoices",
        version=3,
        source="whmcs",
        scope="record",
        root="invoice",
        reads=("invoice",),
        table=TABLE,
        project=project,
    )


def _row(record: Record, zone: ZoneInfo) -> dict[str, Any]:
    data, come_to = record.data, sums(record.data)
    invoice = _invoice(record, come_to, zone)
    return {
        "invoice_id": invoice.invoice_id,
        "invoice_number": data.get("invoicenum"),
        "status": invoice.status,
        "upstream_status": data["status"],
        "collective": invoice.collective,
        "issued_on": invoice.issued_on,
        "due_on": invoice.due_on,
        "paid_at": invoice.paid_at,
        **{name: getattr(come_to, name) for name in SUMS},
        "currency": data["currencycode"],
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "summary": msgspec.json.encode(_summary(invoice)),
        "document": msgspec.json.encode(invoice),
    }


def _invoice(record: Record, come_to: Sums, zone: ZoneInfo) -> Invoice:
    data = record.data
    status, currency = status_of(data["status"]), data["currencycode"]
    if status == UNKNOWN:
        unreadable.note("whmcs", "invoice", "status", record.record_id)
    return Invoice(
        invoice_id=record.record_id,
        number=data.get("invoicenum") or record.record_id,
        status=status,
        collective=is_collective(data["items"]),
        issued_on=day(data.get("date")),
        due_on=day(data.get("duedate")),
        paid_at=local_instant(data.get("datepaid"), zone),
        charge_attempted_at=local_instant(data.get("last_capture_attempt"), zone),
        items=items(data, come_to.adjustment),
        tax_lines=tax_lines(data),
        payments=payments(data, zone),
        refunds=refunds(data, zone),
        prices_include_tax=come_to.prices_include_tax,
        tax_rate_percent=str(data.get("taxrate") or "0"),
        amount_due=money(max(come_to.balance, Decimal()) if status in PAYABLE else 0, currency),
        **{name: money(getattr(come_to, name), currency) for name in SUMS},
    )


def _summary(invoice: Invoice) -> InvoiceSummary:
    names = InvoiceSummary.__struct_fields__
    return InvoiceSummary(**{name: getattr(invoice, name) for name in names})
