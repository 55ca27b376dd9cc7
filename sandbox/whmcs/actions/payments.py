"""Actions that move money: AddInvoicePayment, CapturePayment, AddCredit, ApplyCredit; and the gateway's log."""

import re
import secrets
from decimal import Decimal
from typing import Any

from sandbox.whmcs.actions.call import Action, Call, money
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.billing import add_credit, charge_card, pay_methods, receive, settle, totals
from sandbox.whmcs.gateway import sentence
from sandbox.whmcs.install import CARD_GATEWAY
from sandbox.whmcs.state import ZERO

MOST_ENTRIES = 20
MOST_DATA = 4_000
_DECIMAL = re.compile(r"\d+(\.\d{1,2})?")


def add_invoice_payment(call: Call) -> dict[str, Any]:
    """AddInvoicePayment: a partial payment leaves the invoice unpaid."""
    params, install = call.params, call.install
    invoice = install.invoice(params.number("invoiceid"))
    if invoice.status == "Cancelled":
        raise Refused("It is not possible to add a payment to an invoice that is Cancelled")
    amount = params.money("amount", totals(install, invoice).balance)
    gateway = params.text("gateway") or invoice.paymentmethod
    transid, at = params.text("transid"), params.text("date")
    receive(install, call.clock, invoice, amount, gateway=gateway, transid=transid, date_text=at)
    return {}


def capture_payment(call: Call) -> dict[str, Any]:
    """CapturePayment: charges the stored card through the invoice's own gateway, which must be one for cards."""
    install = call.install
    invoice = install.invoices.get(call.params.number("invoiceid"))
    if invoice is None or invoice.status != "Unpaid":
        raise Refused("Invoice Not Found or Not Unpaid")
    cards = pay_methods(install, invoice.userid) if invoice.paymentmethod == CARD_GATEWAY else []
    if not cards:
        raise Refused("Payment Attempt Failed")
    declined = charge_card(install, call.clock, invoice, cards[0], f"ch_{secrets.token_hex(8)}")
    if declined:
        raise Refused(f"Payment Attempt Failed{f': {sentence(declined)}' if declined.tells == 'answer' else ''}")
    return {}


def portal_gateway_log(call: Call) -> dict[str, Any]:
    """PortalGatewayLog: a custom action of `deploy/whmcs/portalgatewaylog.php`, which an installation may lack."""
    number = call.params.number("invoiceid")
    if not number:
        raise Refused("Invoice ID is Required")
    found = [each for each in reversed(call.install.gateway.log) if each.invoiceid == number][:MOST_ENTRIES]
    rows = [
        {
            "id": each.id,
            "date": each.date,
            "gateway": each.gateway,
            "result": each.result,
            "invoiceid": each.invoiceid,
            "data": each.data[:MOST_DATA],
        }
        for each in found
    ]
    return {"totalresults": len(rows), "entries": {"entry": rows}}


def add_credit_action(call: Call) -> dict[str, Any]:
    """AddCredit. No hook fires."""
    params = call.params
    kind = params.text("type") or "add"
    if kind not in ("add", "remove"):
        raise Refused("Type can only be add or remove")
    client = call.install.client(params.number("clientid"))
    amount = params.text("amount")
    if not amount:
        raise Refused("No Amount Provided")
    if not _DECIMAL.fullmatch(amount):
        raise Refused("Amount must be in decimal format: ### or ###.##")
    signed = Decimal(amount) if kind == "add" else -Decimal(amount)
    add_credit(call.install, call.clock, client.id, signed, params.text("description"))
    return {"newbalance": money(client.credit)}


def apply_credit(call: Call) -> dict[str, Any]:
    """ApplyCredit: visible to hooks only when it pays the invoice."""
    install = call.install
    invoice = install.invoice(call.params.number("invoiceid"))
    if invoice.status != "Unpaid":
        raise Refused("Invoice Not in Unpaid Status")
    client, balance = install.clients[invoice.userid], totals(install, invoice).balance
    full = min(client.credit, balance)
    amount = full if call.params.text("amount") == "full" else call.params.money("amount", full)
    if amount > client.credit:
        raise Refused("Amount exceeds customer credit balance")
    if amount > balance:
        raise Refused("Amount Exceeds Invoice Balance")
    if amount <= ZERO:
        raise Refused("Credit Amount to apply must be greater than zero")
    add_credit(install, call.clock, client.id, -amount, f"Credit Applied to Invoice #{invoice.id}", invoice.id)
    invoice.credit += amount
    invoice.updated_at = call.now
    if totals(install, invoice).balance <= ZERO:
        settle(install, call.clock, invoice, call.now)
    paid = "true" if invoice.status == "Paid" else "false"
    return {"invoiceid": invoice.id, "amount": money(amount), "invoicepaid": paid}


ACTIONS: dict[str, Action] = {
    "AddInvoicePayment": add_invoice_payment,
    "CapturePayment": capture_payment,
    "PortalGatewayLog": portal_gateway_log,
    "AddCredit": add_credit_action,
    "ApplyCredit": apply_credit,
}
