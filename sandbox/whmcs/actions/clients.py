"""Actions that write clients: AddClient, UpdateClient, CloseClient; and ValidateLogin."""

import hashlib
import re
import secrets
from typing import Any

from sandbox.whmcs.actions.call import Action, Call
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.actions.params import Params
from sandbox.whmcs.install import CARD_GATEWAY, GATEWAYS, Install
from sandbox.whmcs.state import Client, User

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
PROFILE = (*REQUIRED, "country", "companyname", "address2", "tax_id", "language", "notes")
STATUSES = ("Active", "Inactive", "Closed")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def add_client(call: Call) -> dict[str, Any]:
    """AddClient."""
    install, params = call.install, call.params
    owner = _owner(call)
    if not params.flag("skipvalidation"):
        _validate(params)
    email = params.text("email").strip()
    if install.client_by_email(email):
        raise Refused("The email address entered is not available for use.")
    custom = _custom_fields(params)
    if owner is None:
        if any(user.email.lower() == email.lower() for user in install.users.values()):
            raise Refused("A user already exists with that email address")
        owner = add_user(install, params, call.now)
    fields: dict[str, Any] = {name: params.text(name).strip() for name in PROFILE}
    client = Client(
        id=install.new_id("client"),
        owner_user_id=owner.id,
        datecreated=call.today.isoformat(),
        customfields=custom,
        **fields,
    )
    install.clients[client.id] = client
    call.log(f"Created Client {client.firstname} {client.lastname} - Client ID: {client.id}", client.id)
    call.fire("ClientAdd", "client", client.id, client.id)
    return {"clientid": client.id, "owner_id": owner.id}


def add_user(install: Install, params: Params, now: str) -> User:
    """Add the login of a new client."""
    user = User(
        install.new_id("user"),
        params.text("firstname"),
        params.text("lastname"),
        params.text("email").strip(),
        password_hash(params.text("password2")),
        now,
    )
    install.users[user.id] = user
    return user


def update_client(call: Call) -> dict[str, Any]:
    """UpdateClient."""
    install, params = call.install, call.params
    client = install.clients.get(params.number("clientid")) or install.client_by_email(params.text("clientemail"))
    if client is None:
        raise Refused("Client ID Not Found")
    email = params.text("email").strip()
    if email:
        holder = install.client_by_email(email)
        if holder is not None and holder.id != client.id:
            raise Refused("Duplicate Email Address")
        if not _EMAIL.fullmatch(email):
            raise Refused("The email address entered is not valid")
    custom = _custom_fields(params)
    status = params.text("status")
    if status and status not in STATUSES:
        raise Refused("Invalid Status")
    _apply(client, params)
    client.customfields |= custom
    call.log(f"Client Profile Modified - Client ID: {client.id}", client.id)
    call.fire("ClientEdit", "client", client.id, client.id)
    return {"clientid": str(client.id)}


def _apply(client: Client, params: Params) -> None:
    """Apply the profile's parameters; an empty value counts as not given."""
    for name in PROFILE:
        if value := params.text(name).strip():
            setattr(client, name, value)
    client.status = params.text("status") or client.status
    client.defaultgateway = params.text("paymentmethod") or client.defaultgateway
    if params.given("taxexempt"):
        client.taxexempt = params.flag("taxexempt")


def close_client(call: Call) -> dict[str, Any]:
    """CloseClient: its invoices are cancelled, its services end."""
    client = call.install.client(call.params.number("clientid"))
    client.status = "Closed"
    for invoice in call.install.invoices.values():
        if invoice.userid == client.id and invoice.status == "Unpaid":
            invoice.status, invoice.date_cancelled = "Cancelled", call.now
    for service in call.install.services.values():
        if service.clientid == client.id and service.status in ("Active", "Pending", "Suspended"):
            service.status = "Terminated" if service.status == "Active" else "Cancelled"
    call.fire("ClientClose", "client", client.id, client.id)
    return {"clientid": str(client.id)}


def validate_login(call: Call) -> dict[str, Any]:
    """ValidateLogin: return the owner of a login. WHMCS's own session is included only without a second factor."""
    email, password = call.params.text("email"), call.params.text("password2")
    user = next((each for each in call.install.users.values() if each.email.lower() == email.lower()), None)
    if user is None or not secrets.compare_digest(user.password_hash, password_hash(password)):
        raise Refused("Email or Password Invalid")
    call.log(f"User Login - User ID: {user.id}")
    call.install.changed()
    dialect = call.install.dialect
    if user.second_factor:
        return {"userid": user.id, "twoFactorEnabled": dialect.two_factor_on}
    return {"userid": user.id, "passwordhash": secrets.token_hex(20), "twoFactorEnabled": dialect.two_factor_off}


def password_hash(password: str) -> str:
    """Hash a password. Weak on purpose: the stand-in's passwords are public."""
    return hashlib.sha256(password.encode()).hexdigest()


def default_gateway(client: Client) -> str:
    """Return the gateway that a client's invoices are paid with."""
    return client.defaultgateway if client.defaultgateway in GATEWAYS else CARD_GATEWAY


def _owner(call: Call) -> User | None:
    if not call.params.text("owner_user_id"):
        return None
    owner = call.install.users.get(call.params.number("owner_user_id"))
    if owner is None:
        raise Refused("Invalid Owner User ID")
    return owner


def _validate(params: Params) -> None:
    for name, words in REQUIRED.items():
        if not params.text(name).strip():
            raise Refused(f"You did not enter your {words}")
    if not _EMAIL.fullmatch(params.text("email").strip()):
        raise Refused("The email address you entered was not valid")
    if not re.fullmatch(r"[A-Z]{2}", params.text("country")):
        raise Refused("Valid country required")
    if not params.text("owner_user_id") and not params.text("password2"):
        raise Refused("You did not enter your password")


def _custom_fields(params: Params) -> dict[int, str]:
    return {int(key): str(value) for key, value in params.serialized("customfields").items() if str(key).isdigit()}


ACTIONS: dict[str, Action] = {
    "AddClient": add_client,
    "UpdateClient": update_client,
    "CloseClient": close_client,
    "ValidateLogin": validate_login,
}
