"""Actions that read invoices and money: GetInvoices, GetInvoice, GetTransactions, GetCredits."""

from typing import Any

from sandbox.whmcs.actions.call import Action, Call, escaped, money
from sandbox.whmcs.billing import pay_methods, payments, totals
from sandbox.whmcs.install import CARD_GATEWAY, CURRENCIES, Install, page_of
from sandbox.whmcs.state import Invoice, Transaction

ORDERS = {"id": "id", "invoicenumber": "id", "date": "date", "duedate": "duedate", "status": "status"}


def get_invoices(call: Call) -> dict[str, Any]:
    """GetInvoices: rows without lines, payments or balance."""
    params, install = call.params, call.install
    owner, status = params.number("userid"), params.text("status")
    found = [each for each in install.invoices.values() if owner in (0, each.userid) and _has(call, each, status)]
    wanted = params.text("orderby").lower()
    down = params.text("order").lower() == "desc"
    if wanted == "total":
        found.sort(key=lambda each: totals(install, each).total, reverse=down)
    else:
        found.sort(key=lambda each: (getattr(each, ORDERS.get(wanted, "duedate")), each.id), reverse=down)
    start, limit = params.window()
    total, rows = page_of(found, start, limit)
    return {
        "totalresults": str(total),
        "startnumber": start,
        "numreturned": len(rows),
        "invoices": {"invoice": [_row(install, each) for each in rows]},
    }


def _has(call: Call, invoice: Invoice, status: str) -> bool:
    """Overdue is derived, never stored."""
    if status == "Overdue":
        return invoice.status == "Unpaid" and invoice.duedate < call.today.isoformat()
    return status in ("", invoice.status)


def _row(install: Install, invoice: Invoice) -> dict[str, Any]:
    client = install.clients[invoice.userid]
    pay_method = next((each.id for each in pay_methods(install, client.id)), None)
    return {
        "id": invoice.id,
        "userid": invoice.userid,
        "firstname": escaped(client.firstname),
        "lastname": escaped(client.lastname),
        "companyname": escaped(client.companyname),
        "invoicenum": invoice.invoicenum,
        "date": invoice.date,
        "duedate": invoice.duedate,
        "datepaid": invoice.datepaid,
        "last_capture_attempt": invoice.last_capture_attempt,
        "date_refunded": invoice.date_refunded,
        "date_cancelled": invoice.date_cancelled,
        **_amounts(install, invoice),
        "status": invoice.status,
        "paymentmethod": invoice.paymentmethod,
        "paymethodid": pay_method,
        "notes": invoice.notes,
        "created_at": invoice.created_at,
        "updated_at": invoice.updated_at,
        "currencycode": client.currency,
        "currencyprefix": CURRENCIES[client.currency][1],
        "currencysuffix": CURRENCIES[client.currency][2],
    }


def _amounts(install: Install, invoice: Invoice) -> dict[str, str]:
    sums = totals(install, invoice)
    return {
        "subtotal": money(sums.subtotal),
        "credit": money(invoice.credit),
        "tax": money(sums.tax),
        "tax2": "0.00",
        "total": money(sums.total),
        "taxrate": f"{invoice.taxrate:.3f}",
        "taxrate2": "0.000",
    }


def get_invoice(call: Call) -> dict[str, Any]:
    """GetInvoice: lines, payments and balance, but no currency."""
    install = call.install
    invoice = install.invoice(call.params.number("invoiceid"))
    paid = payments(install, invoice)
    items = [
        {
            "id": item.id,
            "type": item.type,
            "relid": item.relid,
            "description": escaped(item.description),
            "amount": money(item.amount),
            "taxed": int(item.taxed),
        }
        for item in invoice.items
    ]
    return {
        "invoiceid": invoice.id,
        "invoicenum": invoice.invoicenum,
        "userid": invoice.userid,
        "date": invoice.date,
        "duedate": invoice.duedate,
        "datepaid": invoice.datepaid,
        "lastcaptureattempt": invoice.last_capture_attempt,
        **_amounts(install, invoice),
        "balance": money(totals(install, invoice).balance),
        "status": invoice.status,
        "paymentmethod": invoice.paymentmethod,
        "notes": invoice.notes,
        "ccgateway": invoice.paymentmethod == CARD_GATEWAY,
        "items": {"item": items},
        "transactions": {"transaction": [transaction(each) for each in paid]} if paid else "",
    }


def transaction(each: Transaction) -> dict[str, str]:
    """One ledger row, every value a string."""
    return {
        "id": str(each.id),
        "userid": str(each.userid),
        "currency": "0",
        "gateway": each.gateway,
        "date": each.date,
        "description": each.description,
        "amountin": money(each.amountin),
        "fees": money(each.fees),
        "amountout": money(each.amountout),
        "rate": "1.00000",
        "transid": each.transid,
        "invoiceid": str(each.invoiceid),
        "refundid": str(each.refundid),
    }


def get_transactions(call: Call) -> dict[str, Any]:
    """GetTransactions: no paging; unfiltered it is the whole ledger."""
    params = call.params
    client, invoice, transid = params.number("clientid"), params.number("invoiceid"), params.text("transid")
    found = [
        transaction(each)
        for each in call.install.transactions.values()
        if client in (0, each.userid) and invoice in (0, each.invoiceid) and transid in ("", each.transid)
    ]
    count = len(found)
    return {"totalresults": count, "startnumber": 0, "numreturned": count, "transactions": {"transaction": found}}


def get_credits(call: Call) -> dict[str, Any]:
    """GetCredits."""
    client = call.install.client(call.params.number("clientid"))
    rows = [
        {
            "id": each.id,
            "date": each.date,
            "description": each.description,
            "amount": money(each.amount),
            "relid": each.relid,
        }
        for each in call.install.credits.values()
        if each.clientid == client.id
    ]
    return {"totalresults": len(rows), "clientid": str(client.id), "credits": {"credit": rows}}


ACTIONS: dict[str, Action] = {
    "GetInvoices": get_invoices,
    "GetInvoice": get_invoice,
    "GetTransactions": get_transactions,
    "GetCredits": get_credits,
}
