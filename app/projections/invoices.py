"""Invoices: a WHMCS invoice → one row; none while it is a draft, which customers do not see.

Reads: whmcs invoice, its invoice_upgrades and dunning; the client's addons. Writes: read_model.invoices.
"""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from app.events import Record
from app.intake import unreadable
from app.projections.parts import dunning
from app.projections.parts.fields import day, local_instant, objects, plain, shown
from app.projections.parts.invoice_lines import (
    Sums,
    currency_of,
    is_collective,
    is_draft,
    items,
    payments,
    rate,
    refunds,
    sums,
    tax_lines,
)
from app.projections.parts.line_services import CONTEXT, READS, Translations, billed, translations
from app.projections.projector import Group, Projected, Projector
from app.readmodels.billing.dunning import RECORD, Dunning
from app.readmodels.invoices import PAYABLE, TABLE, UNKNOWN, Invoice, InvoiceSummary, status_of
from app.settings import Settings

SUMS = ("subtotal", "tax", "credit", "total", "paid", "refunded", "balance")


def projector(settings: Settings) -> Projector:
    """Build the projector of invoices. WHMCS's times are in the zone of its server, and the dates in its texts in the
    format of its settings."""
    local = WhmcsLocale(ZoneInfo(settings.whmcs_time_zone), settings.whmcs_date_format)

    def project(group: Group) -> Projected:
        shown = [record for record in group.of("invoice") if not is_draft(record.data)]
        return Projected(
            rows=[
                _row(record, translations(group, record), dunning.of_invoice(record, group), local) for record in shown
            ]
        )

    return Projector(
        name="invoices",
        version=6,
        source="whmcs",
        scope="record",
        root="invoice",
        reads=("invoice", RECORD, *READS),
        owner_context=CONTEXT,
        table=TABLE,
        project=project,
    )


class WhmcsLocale(Struct, frozen=True):
    """How this installation of WHMCS writes times and dates."""

    zone: ZoneInfo
    date_format: str


def _row(record: Record, known: Translations, follows: Dunning | None, local: WhmcsLocale) -> dict[str, Any]:
    data, amounts = record.data, sums(record.data)
    invoice = _invoice(record, amounts, known, follows, local)
    return {
        "invoice_id": invoice.invoice_id,
        "invoice_number": plain(data.get("invoicenum")),
        "status": invoice.status,
        "upstream_status": plain(data.get("status")),
        "collective": invoice.collective,
        "subscription_ids": " ".join(billed(data, known)),
        "issued_on": invoice.issued_on,
        "due_on": invoice.due_on,
        "paid_at": invoice.paid_at,
        **{name: getattr(amounts, name) for name in SUMS},
        "currency": currency_of(data),
        "sort_id": int(record.record_id),
        "as_of": record.verified_at,
        "summary": msgspec.json.encode(_summary(invoice)),
        "document": msgspec.json.encode(invoice),
    }


def _invoice(
    record: Record, amounts: Sums, known: Translations, follows: Dunning | None, local: WhmcsLocale
) -> Invoice:
    data, zone = record.data, local.zone
    status, currency = status_of(plain(data.get("status"))), currency_of(data)
    if status == UNKNOWN:
        unreadable.note("whmcs", "invoice", "status", record.record_id)
    return Invoice(
        invoice_id=record.record_id,
        number=plain(data.get("invoicenum")) or record.record_id,
        status=status,
        collective=is_collective(objects(data.get("items"))),
        issued_on=day(data.get("date")),
        due_on=day(data.get("duedate")),
        paid_at=local_instant(data.get("datepaid"), zone),
        charge_attempted_at=local_instant(data.get("last_capture_attempt"), zone),
        items=items(data, amounts.adjustment, known, local.date_format),
        tax_lines=tax_lines(data),
        payments=payments(data, zone),
        refunds=refunds(data, zone),
        prices_include_tax=amounts.prices_include_tax,
        tax_rate_percent=rate(data.get("taxrate")),
        amount_due=shown(_due(status, amounts.balance), currency),
        dunning=follows,
        **{name: shown(getattr(amounts, name), currency) for name in SUMS},
    )


def _due(status: str, balance: Decimal | None) -> Decimal | None:
    """Return the amount that can be paid: zero when the status does not allow payment, None when it is unknown."""
    if status not in PAYABLE:
        return Decimal()
    return None if balance is None else max(balance, Decimal())


def _summary(invoice: Invoice) -> InvoiceSummary:
    names = InvoiceSummary.__struct_fields__
    return InvoiceSummary(**{name: getattr(invoice, name) for name in names})
