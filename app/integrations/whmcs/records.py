"""WHMCS records as the mirror keeps them: known keys only, ids and money as strings, zero dates as nothing.

Only what is named here is taken in, so service passwords, gateway tokens and notes never reach a table.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, structs

from app.events import Change, Origin
from app.integrations.whmcs.wire import as_list, identifier, is_true, moment, picked, text

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
    "credit",
    "defaultgateway",
)
INVOICE = (
    "invoicenum",
    "subtotal",
    "credit",
    "tax",
    "tax2",
    "total",
    "taxrate",
    "taxrate2",
    "status",
    "paymentmethod",
)
SERVICE = (
    "name",
    "groupname",
    "domain",
    "firstpaymentamount",
    "recurringamount",
    "paymentmethod",
    "billingcycle",
    "status",
    "suspensionreason",
)
PAY_METHOD = ("type", "description", "gateway_name", "card_type", "card_last_four", "expiry_date", "bank_name")


class Record(Struct, frozen=True):
    """One normalised WHMCS record."""

    object: str
    record_id: str
    owner_id: str | None
    data: dict[str, Any]
    parent_id: str | None = None


def change(record: Record, *, origin: Origin, read_at: datetime) -> Change:
    """The whole record as of the instant the read began, because WHMCS has no usable modification stamp."""
    version = int(read_at.timestamp() * 1000)
    return Change(
        source="whmcs",
        object=record.object,
        record_id=record.record_id,
        kind="full",
        event_id=f"{origin}:{record.object}:{record.record_id}:{version}",
        version=version,
        occurred_at=read_at,
        origin=origin,
        owner_id=record.owner_id,
        parent_id=record.parent_id,
        read_at=read_at,
        data=record.data,
    )


def client(body: Mapping[str, Any], customer_number_field_id: int) -> Record:
    """GetClientsDetails. The record is nested under `client`; old installs also spread it over the root."""
    raw = body.get("client") or body
    client_id = identifier(raw.get("id") or raw.get("userid") or raw.get("client_id"))
    fields = {
        identifier(each.get("id")): text(each.get("value")) for each in as_list(raw.get("customfields"), "customfield")
    }
    data: dict[str, Any] = {"id": client_id, **picked(raw, CLIENT)}
    data["country"] = text(raw.get("countrycode") or raw.get("country"))
    data["customer_number"] = fields.get(str(customer_number_field_id), "")
    return Record("client", client_id, client_id, data)


def invoice(detail: Mapping[str, Any], currency: str) -> Record:
    """GetInvoice, which knows items and payments but no currency; the currency is the client's."""
    invoice_id, owner = identifier(detail.get("invoiceid") or detail.get("id")), identifier(detail.get("userid"))
    data: dict[str, Any] = {"id": invoice_id, "userid": owner, **picked(detail, INVOICE)}
    data |= {name: moment(detail.get(name)) for name in ("date", "duedate", "datepaid")}
    data["last_capture_attempt"] = moment(detail.get("lastcaptureattempt"))
    data["ccgateway"] = "1" if is_true(detail.get("ccgateway")) else "0"
    data["currencycode"] = currency
    data["balance"] = text(detail.get("balance") or "0.00")
    data["items"] = [_item(item) for item in as_list(detail.get("items"), "item")]
    data["transactions"] = [_transaction(each) for each in as_list(detail.get("transactions"), "transaction")]
    return Record("invoice", invoice_id, owner, data)


def with_currency(record: Record, currency: str) -> Record:
    """An invoice whose currency became known later."""
    return structs.replace(record, data={**record.data, "currencycode": currency})


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    taxed = "1" if is_true(item.get("taxed")) else "0"
    ids = {"id": identifier(item.get("id")), "relid": identifier(item.get("relid"))}
    return {**ids, **picked(item, ("type", "description", "amount")), "taxed": taxed}


def _transaction(each: Mapping[str, Any]) -> dict[str, Any]:
    kept = picked(each, ("gateway", "description", "amountin", "fees", "amountout", "transid"))
    ids = {name: identifier(each.get(name)) for name in ("id", "refundid")}
    return {**ids, **kept, "date": moment(each.get("date"))}


def service(row: Mapping[str, Any]) -> Record:
    """One row of GetClientsProducts."""
    service_id, owner = identifier(row.get("id")), identifier(row.get("clientid"))
    data: dict[str, Any] = {"id": service_id, "clientid": owner, **picked(row, SERVICE)}
    data |= {name: identifier(row.get(name)) for name in ("orderid", "pid")}
    data |= {name: moment(row.get(name)) for name in ("regdate", "nextduedate")}
    return Record("service", service_id, owner, data)


def addon(row: Mapping[str, Any]) -> Record:
    """One row of GetClientsAddons: hangs on its service."""
    addon_id, owner = identifier(row.get("id")), identifier(row.get("userid"))
    data: dict[str, Any] = {"id": addon_id, **picked(row, ("name", "billingcycle", "status"))}
    data["recurringamount"] = text(row.get("recurring"))
    data |= {name: moment(row.get(name)) for name in ("regdate", "nextduedate")}
    return Record("addon", addon_id, owner, data, identifier(row.get("serviceid")))


def cancel_request(row: Mapping[str, Any]) -> Record:
    """One row of GetCancelledPackages. A service has one at a time and the record bears the service's id, because who
    makes a request is not told its own. The customer's reason is left behind."""
    service_id = identifier(row.get("relid"))
    return cancellation(service_id, text(row.get("type")), moment(row.get("date")))


def cancellation(service_id: str, kind: str, at: str | None) -> Record:
    """A request to cancel a service: `type` in WHMCS's words, `date` in its server's local time."""
    return Record("cancel_request", service_id, None, {"type": kind, "date": at}, service_id)


def upgrade(service_id: str, whmcs_client_id: str, data: Mapping[str, str | None]) -> Record:
    """A change of product that the portal asked for. WHMCS lists them nowhere, so what it answered is all there is."""
    return Record("upgrade", service_id, whmcs_client_id, dict(data), service_id)


def pay_method(row: Mapping[str, Any], whmcs_client_id: str) -> Record:
    """One row of GetPayMethods: type, brand, last four, expiry. The gateway's token is left behind."""
    method_id = identifier(row.get("id"))
    data = {"id": method_id, "clientid": whmcs_client_id, **picked(row, PAY_METHOD)}
    return Record("pay_method", method_id, whmcs_client_id, data)


def gateway(row: Mapping[str, Any]) -> Record:
    """One row of GetPaymentMethods."""
    data = picked(row, ("module", "displayname"))
    return Record("gateway", data["module"], None, data)
