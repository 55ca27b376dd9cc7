"""Actions on stored instruments and gateways: GetPayMethods, AddPayMethod, DeletePayMethod, GetPaymentMethods."""

import secrets
from datetime import datetime
from typing import Any

from sandbox.clock import Clock
from sandbox.whmcs.actions.call import Action, Call, escaped
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.billing import pay_methods
from sandbox.whmcs.install import CARD_GATEWAY, Install
from sandbox.whmcs.state import PayMethod

TYPES = {"CreditCard": ("CreditCard", "RemoteCreditCard"), "BankAccount": ("BankAccount", "RemoteBankAccount")}
BRANDS = {
    "4": "Visa",
    "5": "MasterCard",
    "2": "MasterCard",
    "37": "American Express",
    "34": "American Express",
    "35": "JCB",
}


def get_pay_methods(call: Call) -> dict[str, Any]:
    """GetPayMethods: a flat list, the gateway's token in clear."""
    params = call.params
    if not params.text("clientid"):
        raise Refused("Client ID Is Required")
    client = call.install.client(params.number("clientid"), "Client Not Found")
    kind, wanted = params.text("type"), params.number("paymethodid")
    if kind and kind not in TYPES:
        raise Refused("Invalid Pay Method Type. Should be 'BankAccount' or 'CreditCard'")
    rows = [
        _row(each)
        for each in pay_methods(call.install, client.id)
        if wanted in (0, each.id) and (not kind or each.type in TYPES[kind])
    ]
    return {"clientid": str(client.id), "paymethods": rows}


def _row(method: PayMethod) -> dict[str, Any]:
    row = {
        "id": method.id,
        "type": method.type,
        "description": escaped(method.description),
        "gateway_name": method.gateway_name,
        "contact_type": "Client",
        "contact_id": method.clientid,
        "remote_token": method.remote_token,
        "last_updated": _localised(method.last_updated),
    }
    if "Bank" in method.type:
        return row | {"bank_name": method.bank_name}
    return row | {
        "card_last_four": method.card_last_four,
        "expiry_date": method.expiry_date,
        "start_date": "",
        "issue_number": "",
        "card_type": method.card_type,
    }


def _localised(stamp: str) -> str:
    return datetime.fromisoformat(stamp).strftime("%d/%m/%Y %H:%M")


def store_card(install: Install, clock: Clock, client_id: int, number: str, expiry: str, *, silent: bool) -> PayMethod:
    """Tokenise a card: brand, last four and expiry stay, the number does not. `silent` fires no hook."""
    method = PayMethod(
        install.new_id("pay_method"),
        client_id,
        brand(number),
        number[-4:],
        expiry,
        str(clock.local()),
        remote_token=f"cus_{secrets.token_hex(7)}",
    )
    install.pay_methods[method.id] = method
    install.changed()
    if not silent:
        install.fire(clock, "CCUpdate", "pay_method", "", client_id)
    return method


def brand(number: str) -> str:
    """Return the brand of a card by its first digits."""
    return BRANDS.get(number[:2]) or BRANDS.get(number[:1], "Card")


def add_pay_method(call: Call) -> dict[str, Any]:
    """AddPayMethod: this installation tokenises in the browser, so card numbers by API are refused."""
    call.install.client(call.params.number("clientid"), "Invalid Client ID")
    kind, gateway = call.params.text("type") or "CreditCard", call.params.text("gateway_module_name")
    if kind == "CreditCard":
        raise Refused("No Local Credit Card Payment Gateways Enabled")
    if kind == "RemoteCreditCard" and not gateway:
        raise Refused("Gateway is Required for RemoteCreditCard type")
    if gateway and gateway != CARD_GATEWAY:
        raise Refused(f"Invalid Gateway Module Name. Must be one of: {CARD_GATEWAY}")
    raise Refused("Unsupported Gateway Type for Storage")


def update_pay_method(call: Call) -> dict[str, Any]:
    """UpdatePayMethod, as far as it sets the default. No hook fires, and no answer shows it."""
    method = _owned(call)
    if not call.params.flag("set_as_default"):
        raise Refused("No Details Provided for Update")
    for each in pay_methods(call.install, method.clientid):
        each.is_default = each is method
    call.install.changed()
    return {"clientid": method.clientid, "paymethodid": method.id}


def _owned(call: Call) -> PayMethod:
    params = call.params
    client = call.install.client(params.number("clientid"), "Invalid Client ID")
    if not params.text("paymethodid"):
        raise Refused("Pay Method ID is Required")
    method = call.install.pay_methods.get(params.number("paymethodid"))
    if method is None:
        raise Refused("Invalid Pay Method ID")
    if method.clientid != client.id:
        raise Refused("Pay Method does not belong to passed Client ID")
    return method


def delete_pay_method(call: Call) -> dict[str, Any]:
    """DeletePayMethod. No hook fires."""
    method = _owned(call)
    del call.install.pay_methods[method.id]
    call.install.changed()
    return {"paymethodid": method.id}


def get_payment_methods(call: Call) -> dict[str, Any]:
    """GetPaymentMethods: the gateways."""
    rows = [{"module": module, "displayname": name} for module, name in call.install.gateways.items()]
    return {"totalresults": len(rows), "paymentmethods": {"paymentmethod": rows}}


ACTIONS: dict[str, Action] = {
    "GetPayMethods": get_pay_methods,
    "AddPayMethod": add_pay_method,
    "UpdatePayMethod": update_pay_method,
    "DeletePayMethod": delete_pay_method,
    "GetPaymentMethods": get_payment_methods,
}
