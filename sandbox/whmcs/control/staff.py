"""A change that staff make in the admin area, with the hooks that each kind of change has."""

from dataclasses import fields
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.clock import Clock
from sandbox.whmcs.billing import payments, settle
from sandbox.whmcs.install import Install
from sandbox.whmcs.prices import RECURRING
from sandbox.whmcs.state import Invoice, Transaction

FIXED = frozenset({"id", "pid", "items", "service_ids"})
INVOICE_HOOKS = {"Unpaid": "InvoiceUnpaid", "Cancelled": "InvoiceCancelled", "Refunded": "InvoiceRefunded"}
PRICE_NAMES = frozenset({*RECURRING, *(f"{word[0]}setupfee" for word in RECURRING)})
HOOKS = {
    "clients": ("ClientEdit", "client", "id"),
    "services": ("ServiceEdit", "service", "clientid"),
    "pay_methods": ("CCUpdate", "pay_method", "clientid"),
    "products": ("ProductEdit", "product", ""),
}
"""Table → event, object, and the field that holds the client. Orders have none of this kind."""


def change(install: Install, clock: Clock, table: str, record: Any, values: dict[str, Any]) -> None:
    """Set plain fields by their stored names; `customfields` are merged, `amount` of an invoice is its first line's.

    Raises:
        ValueError: no such field, or a value that does not fit; nothing is changed.
    """
    ready = {name: _fitting(record, name, value) for name, value in values.items()}
    if isinstance(record, Invoice):
        _change_invoice(install, clock, record, ready)
    else:
        for name, value in ready.items():
            setattr(record, name, value)
    install.changed()
    if table in HOOKS:
        event, object_name, owner = HOOKS[table]
        shown_id = "" if object_name == "pay_method" else getattr(record, "id", getattr(record, "pid", ""))
        install.fire(clock, event, object_name, shown_id, getattr(record, owner, 0))


def _fitting(record: Any, name: str, value: Any) -> Any:
    known = {each.name for each in fields(record)} - FIXED
    if isinstance(record, Invoice) and name == "amount":
        return _money(name, value)
    if name not in known:
        raise ValueError(f"{name} cannot be changed; these can: {', '.join(sorted(known))}.")
    present = getattr(record, name)
    if isinstance(present, Decimal):
        return _money(name, value)
    if name == "pricing":
        return present | {currency: _prices(present.get(currency, {}), row) for currency, row in value.items()}
    if isinstance(present, dict):
        if not isinstance(value, dict) or not all(str(key).isdecimal() for key in value):
            raise ValueError(f"{name} is an object of field id and text.")
        return present | {int(key): str(each) for key, each in value.items()}
    if isinstance(present, bool):
        return bool(value)
    if isinstance(present, int) and not str(value).isdecimal():
        raise ValueError(f"{name} is a number.")
    return int(value) if isinstance(present, int) else str(value)


def _prices(present: dict[str, Decimal], row: Any) -> dict[str, Decimal]:
    """Return a currency's prices with those of `row` in place of the present ones."""
    if not isinstance(row, dict) or set(row) - PRICE_NAMES:
        raise ValueError(f"pricing is an object of currency and prices by {', '.join(sorted(PRICE_NAMES))}.")
    return present | {name: _money(name, amount) for name, amount in row.items()}


def _money(name: str, value: Any) -> Decimal:
    try:
        return Decimal(str(value)).quantize(Decimal("0.01"))
    except InvalidOperation as error:
        raise ValueError(f"{name} is a decimal number.") from error


def _change_invoice(install: Install, clock: Clock, invoice: Invoice, values: dict[str, Any]) -> None:
    status, amount = values.pop("status", invoice.status), values.pop("amount", None)
    for name, value in values.items():
        setattr(invoice, name, value)
    invoice.updated_at = str(clock.local())
    if amount is not None and invoice.items:
        invoice.items[0].amount = amount
        install.fire(clock, "UpdateInvoiceTotal", "invoice", invoice.id, invoice.userid)
    if status == invoice.status:
        return
    if status == "Paid":
        settle(install, clock, invoice, str(clock.local()))
        return
    invoice.status = status
    if event := INVOICE_HOOKS.get(status):
        install.fire(clock, event, "invoice", invoice.id, invoice.userid)


def refund(install: Install, clock: Clock, invoice: Invoice, amount: Any = None) -> None:
    """Give back the first payment of a paid invoice, or part of it; only all of it makes the invoice refunded.

    Raises:
        ValueError: nothing was paid, or the amount is no amount.
    """
    payment = next((each for each in payments(install, invoice) if each.amountin), None)
    if payment is None:
        raise ValueError("The invoice has no payment to give back.")
    back = payment.amountin if amount is None else _money("amount", amount)
    now, number = str(clock.local()), install.new_id("transaction")
    install.transactions[number] = Transaction(
        number,
        invoice.userid,
        invoice.id,
        payment.gateway,
        now,
        f"Refund of Transaction ID {payment.transid}",
        Decimal("0.00"),
        f"re_{payment.transid}",
        amountout=back,
        refundid=payment.id,
    )
    invoice.updated_at = now
    if back == payment.amountin:
        invoice.status, invoice.date_refunded = "Refunded", now
    install.fire(clock, "InvoiceRefunded", "invoice", invoice.id, invoice.userid)
