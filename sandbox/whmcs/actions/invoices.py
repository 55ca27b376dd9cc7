"""Actions that write invoices: CreateInvoice, UpdateInvoice, GenInvoices."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.whmcs import cron
from sandbox.whmcs.actions.call import Action, Call
from sandbox.whmcs.actions.clients import default_gateway
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.billing import new_invoice, settle
from sandbox.whmcs.cycles import parse_date
from sandbox.whmcs.state import Invoice, Item

STATUSES = ("Draft", "Unpaid", "Paid", "Cancelled", "Refunded", "Collections", "Payment Pending")
STATUS_HOOKS = {"Unpaid": "InvoiceUnpaid", "Refunded": "InvoiceRefunded"}
"""Setting Cancelled this way fires nothing, as the vendor confirmed."""


def create_invoice(call: Call) -> dict[str, Any]:
    """CreateInvoice."""
    params = call.params
    client = call.install.client(params.number("userid"))
    draft = params.flag("draft") or params.text("status") == "Draft"
    if draft and params.flag("sendinvoice"):
        raise Refused(
            "Cannot create and send a draft invoice in a single API request. Please create and send separately."
        )
    status = "Draft" if draft else params.text("status") or "Unpaid"
    if status not in STATUSES:
        raise Refused(f"Invalid status {status}")
    items = _numbered_items(call)
    due = _date(params.text("duedate")) or call.today
    gateway = params.text("paymentmethod") or default_gateway(client)
    invoice = new_invoice(call.install, call.clock, client, items, due=due, gateway=gateway, status=status)
    invoice.notes = params.text("notes")
    if given := _date(params.text("date")):
        invoice.date = given.isoformat()
    call.fire("InvoiceCreation", "invoice", invoice.id, client.id)
    if not draft:
        call.fire("InvoiceCreated", "invoice", invoice.id, client.id)
    return {"invoiceid": invoice.id, "status": invoice.status}


def _numbered_items(call: Call) -> list[Item]:
    """Lines are numbered by suffix, from 1: itemdescription1, itemamount1, itemtaxed1."""
    params, items = call.params, []
    suffixes = [name.removeprefix("itemdescription") for name in params.fields if name.startswith("itemdescription")]
    for suffix in sorted((each for each in suffixes if each.isdecimal()), key=int):
        amount = params.money(f"itemamount{suffix}", Decimal("0.00"))
        text, taxed = params.text(f"itemdescription{suffix}"), params.flag(f"itemtaxed{suffix}")
        items.append(Item(call.install.new_id("item"), text, amount, taxed=taxed))
    return items


def update_invoice(call: Call) -> dict[str, Any]:
    """UpdateInvoice."""
    params, install = call.params, call.install
    invoice = install.invoice(params.number("invoiceid"))
    publish = params.flag("publish") or params.flag("publishandsendemail")
    if publish and invoice.status != "Draft":
        raise Refused("Invoice must be in Draft status to be published")
    status = params.text("status")
    if status and status not in STATUSES:
        raise Refused(f"Invalid status {status}")
    if _change_lines(call, invoice):
        call.fire("UpdateInvoiceTotal", "invoice", invoice.id, invoice.userid)
    _change_fields(call, invoice)
    if publish:
        invoice.status = "Unpaid"
        call.fire("InvoiceCreated", "invoice", invoice.id, invoice.userid)
    if status and status != invoice.status:
        set_status(call, invoice, status)
    install.changed()
    return {"invoiceid": invoice.id}


def set_status(call: Call, invoice: Invoice, status: str) -> None:
    """Change the status with the hooks that this way of changing it has."""
    if status == "Paid":
        settle(call.install, call.clock, invoice, call.now)
        return
    invoice.status, invoice.updated_at = status, call.now
    if status == "Cancelled":
        invoice.date_cancelled = call.now
    if status == "Refunded":
        invoice.date_refunded = call.now
    if hook := STATUS_HOOKS.get(status):
        call.fire(hook, "invoice", invoice.id, invoice.userid)


def _change_fields(call: Call, invoice: Invoice) -> None:
    params = call.params
    for name in ("date", "duedate", "notes"):
        if params.given(name):
            setattr(invoice, name, params.text(name))
    invoice.credit = params.money("credit", invoice.credit)
    gateway = params.text("paymentmethod")
    if gateway in call.install.gateways and gateway != invoice.paymentmethod:
        invoice.paymentmethod = gateway
        call.fire("InvoiceChangeGateway", "invoice", invoice.id, invoice.userid)
    invoice.updated_at = call.now


def _change_lines(call: Call, invoice: Invoice) -> bool:
    """Change, add and delete lines. Return whether there was anything to do."""
    params = call.params
    texts, amounts, taxes = (params.array(name) for name in ("itemdescription", "itemamount", "itemtaxed"))
    if texts.keys() != amounts.keys() or texts.keys() != taxes.keys():
        raise Refused(
            "Missing Variables: itemdescription, itemamount and itemtaxed are required for each item being changed"
        )
    known = {str(item.id): item for item in invoice.items}
    for key in texts.keys() & known.keys():
        item = known[key]
        item.description, item.amount, item.taxed = texts[key], _amount(amounts[key]), taxes[key] not in ("", "0")
    added = params.array("newitemdescription")
    for key, text in added.items():
        amount = _amount(params.array("newitemamount").get(key, "0"))
        taxed = params.array("newitemtaxed").get(key, "0") not in ("", "0")
        invoice.items.append(Item(call.install.new_id("item"), text, amount, taxed=taxed))
    doomed = set(params.array("deletelineids").values())
    invoice.items = [item for item in invoice.items if str(item.id) not in doomed]
    return bool(texts or added or doomed)


def gen_invoices(call: Call) -> dict[str, Any]:
    """GenInvoices: bill what is due, for one client or the whole installation."""
    client_id = call.params.number("clientid")
    services = {int(each) for each in call.params.array("serviceids").values() if str(each).isdecimal()}
    made = cron.generate(call.install, call.clock, client_id=client_id, service_ids=services)
    answer: dict[str, Any] = {"numcreated": len(made)}
    if client_id:
        answer["latestinvoiceid"] = made[-1].id if made else ""
    return answer


def _date(text: str) -> date | None:
    try:
        return parse_date(text)
    except ValueError as error:
        raise Refused("Date Format is not Valid") from error


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text).quantize(Decimal("0.01"))
    except InvalidOperation as error:
        raise Refused("Amount must be in decimal format: ### or ###.##") from error


ACTIONS: dict[str, Action] = {
    "CreateInvoice": create_invoice,
    "UpdateInvoice": update_invoice,
    "GenInvoices": gen_invoices,
}
