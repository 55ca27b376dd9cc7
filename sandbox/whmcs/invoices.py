"""Actions on invoices and money."""

import secrets
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.whmcs.clients import found
from sandbox.whmcs.errors import ApiError
from sandbox.whmcs.hooks import fire
from sandbox.whmcs.install import TAX_RATE, Install, Invoice, Item, Payment, Service, local, money

DUE_DAYS = 14


def invoice_of(world: Any, params: dict[str, Any]) -> Invoice:
    """The invoice that `invoiceid` names."""
    raw = str(params.get("invoiceid", ""))
    invoice: Invoice | None = world.whmcs.invoices.get(int(raw)) if raw.isdigit() else None
    if invoice is None:
        raise ApiError("Invoice ID Not Found")
    return invoice


def get_invoices(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetInvoices: rows without lines, payments and balance."""
    rows = list(world.whmcs.invoices.values())
    if params.get("userid"):
        rows = [row for row in rows if str(row.client_id) == str(params["userid"])]
    if params.get("status"):
        rows = [row for row in rows if row.status == params["status"]]
    rows.sort(key=lambda row: row.id, reverse=str(params.get("order", "asc")).lower() == "desc")
    start, limit = int(params.get("limitstart") or 0), int(params.get("limitnum") or 25)
    shown = [_row(world, row) for row in rows[start : start + limit]]
    counts = {"totalresults": str(len(rows)), "startnumber": start, "numreturned": len(shown)}
    return {**counts, "invoices": {"invoice": shown}} if shown else counts


def _amounts(invoice: Invoice) -> dict[str, Any]:
    return {
        "subtotal": money(invoice.subtotal),
        "credit": money(invoice.credit),
        "tax": money(invoice.tax),
        "tax2": "0.00",
        "total": money(invoice.total),
        "taxrate": str(TAX_RATE),
        "taxrate2": "0.000",
        "status": invoice.status,
        "paymentmethod": "stripe",
        "notes": invoice.notes,
    }


def _row(world: Any, invoice: Invoice) -> dict[str, Any]:
    client = world.whmcs.clients[invoice.client_id]
    return {
        "id": invoice.id,
        "userid": invoice.client_id,
        "firstname": client.fields["firstname"],
        "lastname": client.fields["lastname"],
        "companyname": client.fields["companyname"],
        "invoicenum": "",
        "date": invoice.date,
        "duedate": invoice.due,
        "datepaid": invoice.paid_at,
        **_amounts(invoice),
        "paymethodid": None,
        "created_at": invoice.date,
        "updated_at": invoice.updated_at,
        "currencycode": "JPY",
        "currencyprefix": "¥",
        "currencysuffix": "",
    }


def get_invoice(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetInvoice: lines and payments, no currency; without payments `transactions` is an empty string."""
    invoice = invoice_of(world, params)
    items = [
        {
            "id": str(item.id),
            "type": item.type,
            "relid": str(item.relid),
            "description": item.description,
            "amount": money(item.amount),
            "taxed": int(item.taxed),
        }
        for item in invoice.items
    ]
    payments = [
        {
            "id": str(payment.id),
            "userid": "0",
            "gateway": payment.gateway,
            "date": local(payment.at),
            "description": "Invoice Payment",
            "amountin": money(payment.amount),
            "fees": "0.00",
            "amountout": "0.00",
            "transid": payment.transaction_id,
            "invoiceid": str(invoice.id),
        }
        for payment in invoice.payments
    ]
    return {
        "invoiceid": str(invoice.id),
        "invoicenum": "",
        "userid": str(invoice.client_id),
        "date": invoice.date,
        "duedate": invoice.due,
        "datepaid": invoice.paid_at,
        **_amounts(invoice),
        "balance": money(invoice.balance),
        "ccgateway": True,
        "items": {"item": items},
        "transactions": {"transaction": payments} if payments else "",
    }


def issue(world: Any, client_id: int, lines: list[tuple[str, int, str, Decimal]], *, silent: bool = False) -> Invoice:
    """A new invoice of (type, related id, description, amount) lines."""
    install: Install = world.whmcs
    now = world.clock.now()
    items = [Item(next(install.next_id), kind, relid, text, amount) for kind, relid, text, amount in lines]
    invoice = Invoice(
        next(install.next_id),
        client_id,
        local(now, seconds=False),
        local(now + timedelta(days=DUE_DAYS), seconds=False),
        items,
        updated_at=local(now),
    )
    install.invoices[invoice.id] = invoice
    if not silent:
        fire(world, "InvoiceCreated", "invoice", invoice.id, client_id)
    return invoice


def pay(
    world: Any,
    invoice: Invoice,
    amount: Decimal | None = None,
    *,
    gateway: str = "stripe",
    transaction: str = "",
    silent: bool = False,
) -> None:
    """Receive money; a settled balance makes it paid."""
    if invoice.status == "Cancelled":
        raise ApiError("It is not possible to add a payment to an invoice that is Cancelled")
    now = world.clock.now()
    paid = invoice.balance if amount is None else amount
    number = next(world.whmcs.next_id)
    invoice.payments.append(Payment(number, gateway, now, paid, transaction or f"ch_{secrets.token_hex(8)}"))
    invoice.updated_at = local(now)
    settled = invoice.balance <= 0 and invoice.status != "Paid"
    if settled:
        invoice.status, invoice.paid_at = "Paid", local(now)
    if not silent:
        fire(world, "AddInvoicePayment", "invoice", invoice.id, invoice.client_id)
        if settled:
            fire(world, "InvoicePaid", "invoice", invoice.id, invoice.client_id)


def bill(world: Any, client_id: int | None = None) -> list[Invoice]:
    """Invoices for active services that have none for their current cycle, one a client."""
    due: dict[int, list[Service]] = {}
    for service in world.whmcs.services.values():
        if service.status == "Active" and not service.invoiced and client_id in (None, service.client_id):
            due.setdefault(service.client_id, []).append(service)
    made = []
    for owner, services in due.items():
        lines = [("Hosting", each.id, f"{each.name} ({each.registered})", each.first_amount) for each in services]
        made.append(issue(world, owner, lines))
        for service in services:
            service.invoiced = True
    return made


def generate(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GenInvoices."""
    client_id = int(params["clientid"]) if params.get("clientid") else None
    made = bill(world, client_id)
    latest = {"latestinvoiceid": str(made[-1].id)} if made and client_id else {}
    return {"numcreated": str(len(made)), **latest}


def create_invoice(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """CreateInvoice: numbered line fields, 1-based."""
    client = found(world, params, "userid")
    lines = []
    number = 1
    while params.get(f"itemdescription{number}"):
        lines.append(("", 0, str(params[f"itemdescription{number}"]), Decimal(str(params[f"itemamount{number}"]))))
        number += 1
    invoice = issue(world, client.id, lines)
    invoice.notes = str(params.get("notes", ""))
    return {"invoiceid": invoice.id, "status": invoice.status}


def update_invoice(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """UpdateInvoice: status and notes."""
    invoice = invoice_of(world, params)
    invoice.status = str(params.get("status", invoice.status))
    invoice.notes = str(params.get("notes", invoice.notes))
    invoice.updated_at = local(world.clock.now())
    return {"invoiceid": str(invoice.id)}


def add_payment(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """AddInvoicePayment."""
    amount = Decimal(str(params["amount"])) if params.get("amount") else None
    pay(
        world,
        invoice_of(world, params),
        amount,
        gateway=str(params.get("gateway")),
        transaction=str(params.get("transid")),
    )
    return {}


def capture(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """CapturePayment with the method on file."""
    try:
        invoice = invoice_of(world, params)
    except ApiError as error:
        raise ApiError("Invoice Not Found or Not Unpaid") from error
    if invoice.status != "Unpaid":
        raise ApiError("Invoice Not Found or Not Unpaid")
    if not world.whmcs.methods_of(invoice.client_id):
        raise ApiError("Payment Attempt Failed")
    pay(world, invoice)
    return {}


def get_transactions(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetTransactions: no paging at all."""
    rows = [
        {
            "id": str(p.id),
            "userid": str(i.client_id),
            "gateway": p.gateway,
            "date": local(p.at),
            "amountin": money(p.amount),
        }
        | {"amountout": "0.00", "fees": "0.00", "transid": p.transaction_id, "invoiceid": str(i.id)}
        for i in world.whmcs.invoices.values()
        for p in i.payments
        if str(params.get("invoiceid", i.id)) == str(i.id)
        and str(params.get("clientid", i.client_id)) == str(i.client_id)
    ]
    return {"totalresults": len(rows), "transactions": {"transaction": rows}}


ACTIONS = {
    "getinvoices": get_invoices,
    "getinvoice": get_invoice,
    "geninvoices": generate,
    "createinvoice": create_invoice,
    "updateinvoice": update_invoice,
    "addinvoicepayment": add_payment,
    "capturepayment": capture,
    "gettransactions": get_transactions,
}
