"""Actions on clients, users and payment methods."""

import re
from typing import Any

from sandbox.whmcs.errors import ApiError
from sandbox.whmcs.forms import unserialized
from sandbox.whmcs.hooks import fire
from sandbox.whmcs.install import CUSTOMER_NUMBER_FIELD, GATEWAYS, Client, Install, PayMethod, money

REQUIRED = {
    "firstname": "first name",
    "lastname": "last name",
    "email": "email address",
    "address1": "address line 1",
    "city": "city",
    "state": "state",
    "postcode": "postcode",
    "phonenumber": "phone number",
}
PROFILE = (*REQUIRED, "companyname", "address2", "country")


def found(world: Any, params: dict[str, Any], name: str = "clientid") -> Client:
    """The client that a parameter names."""
    install: Install = world.whmcs
    raw = str(params.get(name, ""))
    client = install.clients.get(int(raw)) if raw.isdigit() else None
    if client is None:
        raise ApiError("Client ID Not Found")
    return client


def add_client(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """AddClient."""
    install: Install = world.whmcs
    for name, words in REQUIRED.items():
        if not params.get(name):
            raise ApiError(f"You did not enter your {words}")
    if not re.fullmatch(r"[A-Z]{2}", params.get("country", "")):
        raise ApiError("Valid country required")
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", params["email"]):
        raise ApiError("The email address you entered was not valid")
    if install.by_email(params["email"]):
        raise ApiError("A user already exists with that email address")
    client_id = next(install.next_client)
    fields = {name: str(params.get(name, "")) for name in PROFILE}
    custom = unserialized(str(params.get("customfields", "")))
    install.clients[client_id] = Client(client_id, fields, str(params.get("password2", "")), custom)
    fire(world, "ClientAdd", "client", client_id, client_id)
    return {"clientid": client_id}


def update_client(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """UpdateClient."""
    client = found(world, params)
    client.fields |= {name: str(params[name]) for name in PROFILE if name in params}
    client.status = str(params.get("status", client.status))
    client.custom |= unserialized(str(params.get("customfields", "")))
    fire(world, "ClientEdit", "client", client.id, client.id)
    return {"clientid": str(client.id)}


def get_client(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetClientsDetails; the record is nested, and spread over the root as old versions did."""
    install: Install = world.whmcs
    if not params.get("clientid") and not params.get("email"):
        raise ApiError("Either clientid Or email Is Required")
    client = install.by_email(params["email"]) if params.get("email") else None
    if params.get("clientid"):
        client = install.clients.get(int(params["clientid"]))
    if client is None:
        raise ApiError("Client Not Found")
    shown = details(client)
    return {**shown, "client": shown}


def details(client: Client) -> dict[str, Any]:
    """A client as WHMCS shows it, with its several names for the same id."""
    ids = {"id": client.id, "userid": client.id, "client_id": client.id, "owner_user_id": client.id}
    return {
        **ids,
        **client.fields,
        "fullname": f"{client.fields['firstname']} {client.fields['lastname']}",
        "fullstate": client.fields["state"],
        "countrycode": client.fields["country"],
        "currency": 1,
        "currency_code": "JPY",
        "status": client.status,
        "credit": money(client.credit),
        "defaultgateway": "",
        "groupid": 0,
        "allowSingleSignOn": int(client.allow_sso),
        "lastlogin": "No Login Logged",
        "customfields": [{"id": number, "value": value} for number, value in client.custom.items()],
        "customfields1": client.custom.get(CUSTOMER_NUMBER_FIELD, ""),
        "email_preferences": {"general": "1", "invoice": "1", "support": "1", "product": "1", "domain": "1"},
    }


def get_clients(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetClients."""
    wanted = str(params.get("search", "")).lower()
    rows = [each for each in world.whmcs.clients.values() if each.fields["email"].lower().startswith(wanted)]
    start, limit = int(params.get("limitstart") or 0), int(params.get("limitnum") or 25)
    shown = [
        {
            "id": str(each.id),
            **{name: each.fields[name] for name in ("firstname", "lastname", "email")},
            "status": each.status,
        }
        for each in rows[start : start + limit]
    ]
    counts = {"totalresults": str(len(rows)), "startnumber": start, "numreturned": len(shown)}
    return {**counts, "clients": {"client": shown}}


def validate_login(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """ValidateLogin."""
    client = world.whmcs.by_email(str(params.get("email", "")))
    if client is None or client.password != params.get("password2"):
        raise ApiError("Email or Password Invalid")
    return {"userid": client.id, "passwordhash": "0" * 40, "twoFactorEnabled": "false"}


def get_pay_methods(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetPayMethods: a flat list, with a token that no caller should keep, and a localised date."""
    if not params.get("clientid"):
        raise ApiError("Client ID Is Required")
    try:
        client = found(world, params)
    except ApiError as error:
        raise ApiError("Client Not Found") from error
    shown = [_method(method) for method in world.whmcs.methods_of(client.id)]
    return {"clientid": str(client.id), "paymethods": shown}


def _method(method: PayMethod) -> dict[str, Any]:
    return {
        "id": method.id,
        "type": "RemoteCreditCard",
        "description": f"{method.brand}-{method.last_four}",
        "gateway_name": "stripe",
        "contact_type": "Client",
        "contact_id": method.client_id,
        "card_last_four": method.last_four,
        "expiry_date": method.expiry,
        "card_type": method.brand,
        "remote_token": f'{{"customer":"cus_{method.id}"}}',
        "last_updated": method.updated_at.strftime("%d/%m/%Y %H:%M"),
    }


def add_pay_method(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """AddPayMethod: this install's gateways tokenise in the browser, so cards cannot be sent here."""
    found(world, params)
    raise ApiError("No Local Credit Card Payment Gateways Enabled")


def get_gateways(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetPaymentMethods."""
    shown = [{"module": module, "displayname": name} for module, name in GATEWAYS.items()]
    return {"totalresults": len(shown), "paymentmethods": {"paymentmethod": shown}}


ACTIONS = {
    "addclient": add_client,
    "updateclient": update_client,
    "getclientsdetails": get_client,
    "getclients": get_clients,
    "validatelogin": validate_login,
    "getpaymethods": get_pay_methods,
    "addpaymethod": add_pay_method,
    "getpaymentmethods": get_gateways,
}
