"""WHMCS records as the mirror stores them: known keys only, ids and money as plain strings, dates in ISO format.

A value that cannot be read is None and counted; only a record whose id or owner cannot be read is rejected. Unreadable
amounts of an invoice are marked (`UNREADABLE`): None would add up as zero.

Only the fields named here are stored, so service passwords, gateway tokens and notes never reach a table.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct, structs

from app.events import Change, Origin, milliseconds
from app.intake.fields import Fields
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.wire import (
    UNREADABLE,
    amount,
    as_list,
    collection,
    dated,
    identifier,
    is_true,
    known_id,
    marked_amount,
    other_id,
    picked,
    text,
    yes_or_no,
)

CLIENT = (
    "email",
    "firstname",
    "lastname",
    "companyname",
    "address1",
    "address2",
    "city",
    "state",
    "postcode",
    "phonenumber",
    "currency_code",
    "status",
    "defaultgateway",
)
INVOICE = ("invoicenum", "status", "paymentmethod")
INVOICE_AMOUNTS = ("subtotal", "credit", "tax", "tax2", "total", "taxrate", "taxrate2", "balance")
SERVICE = (
    "name",
    "groupname",
    "domain",
    "paymentmethod",
    "billingcycle",
    "status",
    "suspensionreason",
)
PAY_METHOD = ("type", "gateway_name", "card_type", "card_last_four", "expiry_date", "bank_name")
NOT_STORED = {"pay_method": frozenset({"gateway_name"})}
"""Object → fields that commands need of a live answer, and the mirror must not hold."""
IS_DEFAULT = ("is_default", "isDefault", "default")
"""Undocumented names under which a release might say that a payment method is the default."""
_CARD_NUMBER = re.compile(r"(?:[0-9][ -]?){9,}")
"""More digits than a customer may see again, wherever a gateway put them."""


class WhmcsRecord(Struct, frozen=True):
    """A normalised WHMCS record."""

    object: str
    record_id: str
    owner_id: str | None
    data: dict[str, Any]
    parent_id: str | None = None


def change(record: WhmcsRecord, *, origin: Origin, read_at: datetime) -> Change:
    """Convert a whole record, as of the instant the read began: WHMCS has no usable modification time."""
    return Change.whole(
        "whmcs",
        record.object,
        record.record_id,
        stored(record),
        event_id=f"{origin}:{record.object}:{record.record_id}:{milliseconds(read_at)}",
        occurred_at=read_at,
        origin=origin,
        owner_id=record.owner_id,
        parent_id=record.parent_id,
        read_at=read_at,
    )


def stored(record: WhmcsRecord) -> dict[str, Any]:
    """Return the fields of a record that the mirror holds."""
    live = NOT_STORED.get(record.object)
    return {name: value for name, value in record.data.items() if name not in live} if live else record.data


def client(body: Mapping[str, Any], customer_number_field_id: int) -> WhmcsRecord:
    """Parse GetClientsDetails. The record is nested under `client`; old installations also spread it over the root."""
    nested = body.get("client")
    raw = nested if isinstance(nested, Mapping) and nested else body
    client_id = known_id(raw.get("id") or raw.get("userid") or raw.get("client_id"))
    fields = Fields(WHMCS, "client", client_id, raw)
    data: dict[str, Any] = {"id": client_id, **picked(fields, CLIENT), "credit": amount(fields, "credit")}
    data["taxexempt"] = yes_or_no(raw.get("taxexempt"))
    data["country"] = text(raw.get("countrycode") or raw.get("country"))
    data["billingcid"] = other_id(fields, "billingcid")
    data["language"] = text(raw.get("language"))
    data["customer_number"] = _custom_field(fields, customer_number_field_id)
    return WhmcsRecord("client", client_id, client_id, data)


def _custom_field(fields: Fields, field_id: int) -> str:
    rows = fields.read("customfields", lambda value: as_list(value, "customfield") if _is_collection(value) else None)
    for row in rows or ():
        if text(row.get("id")).strip() == str(field_id):
            return text(row.get("value"))
    return ""


def _is_collection(value: Any) -> bool:
    return value is None or value == "" or isinstance(value, Mapping | list)


def invoice(detail: Mapping[str, Any], currency: str) -> WhmcsRecord:
    """Parse GetInvoice, which has items and payments but no currency; the currency is the client's."""
    invoice_id, owner = known_id(detail.get("invoiceid") or detail.get("id")), known_id(detail.get("userid"))
    fields = Fields(WHMCS, "invoice", invoice_id, detail)
    data: dict[str, Any] = {"id": invoice_id, "userid": owner, **picked(fields, INVOICE)}
    data |= {name: marked_amount(fields, name) for name in INVOICE_AMOUNTS}
    data |= {name: dated(fields, name) for name in ("date", "duedate", "datepaid")}
    data["last_capture_attempt"] = dated(fields, "lastcaptureattempt")
    data["ccgateway"] = "1" if is_true(detail.get("ccgateway")) else "0"
    data["currencycode"] = currency
    items = fields.read("items", partial(_members, singular="item")) or []
    data["items"] = [_item(invoice_id, item) for item in items if isinstance(item, Mapping)]
    ledger = _members(detail.get("transactions"), "transaction")
    data["transactions"] = [_transaction(invoice_id, each) for each in ([None] if ledger is None else ledger)]
    return WhmcsRecord("invoice", invoice_id, owner, data)


def with_currency(record: WhmcsRecord, currency: str) -> WhmcsRecord:
    """Set the currency of an invoice that became known later."""
    return structs.replace(record, data={**record.data, "currencycode": currency})


def _item(invoice_id: str, item: Mapping[str, Any]) -> dict[str, Any]:
    fields = Fields(WHMCS, "invoice_item", invoice_id, item)
    ids = {name: other_id(fields, name) for name in ("id", "relid")}
    taxed = "1" if is_true(item.get("taxed")) else "0"
    return {**ids, **picked(fields, ("type", "description")), "amount": amount(fields, "amount"), "taxed": taxed}


def _members(value: Any, singular: str) -> list[Any] | None:
    try:
        return collection(value, singular)
    except ValueError:
        return None


def _transaction(invoice_id: str, each: Any) -> dict[str, Any]:
    """Parse a payment or refund: an unreadable one makes the paid amount unknown."""
    if not isinstance(each, Mapping):
        each = dict.fromkeys(("amountin", "amountout"), UNREADABLE)
    fields = Fields(WHMCS, "transaction", invoice_id, each)
    amounts = {name: marked_amount(fields, name) for name in ("amountin", "fees", "amountout")}
    ids = {name: other_id(fields, name) for name in ("id", "refundid")}
    kept = picked(fields, ("gateway", "description", "transid"))
    return {**ids, **kept, **amounts, "date": dated(fields, "date")}


def service(row: Mapping[str, Any]) -> WhmcsRecord:
    """Parse one row of GetClientsProducts."""
    service_id, owner = known_id(row.get("id")), known_id(row.get("clientid"))
    fields = Fields(WHMCS, "service", service_id, row)
    data: dict[str, Any] = {"id": service_id, "clientid": owner, **picked(fields, SERVICE)}
    data |= {name: amount(fields, name) for name in ("firstpaymentamount", "recurringamount")}
    data |= {name: other_id(fields, name) for name in ("orderid", "pid", "promoid")}
    data |= {name: dated(fields, name) for name in ("regdate", "nextduedate")}
    return WhmcsRecord("service", service_id, owner, data)


def addon(row: Mapping[str, Any]) -> WhmcsRecord:
    """Parse one row of GetClientsAddons, which belongs to its service."""
    addon_id, owner = known_id(row.get("id")), known_id(row.get("userid"))
    fields = Fields(WHMCS, "addon", addon_id, row)
    data: dict[str, Any] = {"id": addon_id, **picked(fields, ("name", "billingcycle", "status"))}
    data["recurringamount"] = amount(fields, "recurring")
    data |= {name: dated(fields, name) for name in ("regdate", "nextduedate")}
    return WhmcsRecord("addon", addon_id, owner, data, identifier(row.get("serviceid")))


def cancel_request(row: Mapping[str, Any]) -> WhmcsRecord:
    """Parse one row of GetCancelledPackages, without the customer's reason.

    A service has one at a time, and the record bears the service's id, because AddCancelRequest does not return the
    request's own.
    """
    service_id = known_id(row.get("relid"))
    fields = Fields(WHMCS, "cancel_request", service_id, row)
    return cancellation(service_id, picked(fields, ("type",))["type"], dated(fields, "date"))


def cancellation(service_id: str, kind: str, at: str | None) -> WhmcsRecord:
    """Build a cancellation request: `type` in WHMCS's terms, `date` in its server's local time."""
    return WhmcsRecord("cancel_request", service_id, None, {"type": kind, "date": at}, service_id)


def upgrade(service_id: str, whmcs_client_id: str, data: Mapping[str, str | None]) -> WhmcsRecord:
    """Build a change of product that the portal requested. WHMCS never lists them, so its answer is all there is."""
    return WhmcsRecord("upgrade", service_id, whmcs_client_id, dict(data), service_id)


def invoice_upgrade(invoice_id: str, upgrade_id: str, service_id: str, whmcs_client_id: str | None) -> WhmcsRecord:
    """Build what says which service an invoice's upgrade line is about: WHMCS's line names the upgrade order, and no
    action reads those. The portal may not know the order's id; then it is empty."""
    data = {"upgrade_id": upgrade_id, "service_id": service_id}
    return WhmcsRecord("invoice_upgrade", f"{invoice_id}:{upgrade_id}", whmcs_client_id, data, invoice_id)


def pay_method(row: Mapping[str, Any], whmcs_client_id: str, *, listed_first: bool) -> WhmcsRecord:
    """Parse one row of GetPayMethods: type, brand, last four digits, expiry, and whether it is the default as far as
    WHMCS says so. The gateway's token and the description, a free text, are dropped."""
    method_id = known_id(row.get("id"))
    fields = Fields(WHMCS, "pay_method", method_id, row)
    data: dict[str, Any] = {"id": method_id, "clientid": whmcs_client_id, **picked(fields, PAY_METHOD)}
    data |= {name: _CARD_NUMBER.sub("", data[name]).strip() for name in ("card_type", "bank_name")}
    data["card_last_four"] = "".join(re.findall("[0-9]", data["card_last_four"]))[-4:]
    default = next((row[name] for name in IS_DEFAULT if name in row), None)
    data["is_default"] = {True: "1", False: "0", None: ""}[yes_or_no(default)]
    data["listed_first"] = "1" if listed_first else "0"
    return WhmcsRecord("pay_method", method_id, whmcs_client_id, data)


def gateway(row: Mapping[str, Any]) -> WhmcsRecord:
    """Parse one row of GetPaymentMethods."""
    module = text(row.get("module")).strip()
    if not module:
        raise ValueError("a gateway without a name")
    return WhmcsRecord(
        "gateway", module, None, picked(Fields(WHMCS, "gateway", module, row), ("module", "displayname"))
    )
