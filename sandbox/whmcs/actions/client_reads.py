"""Actions that read clients and users: GetClients, GetClientsDetails, GetUsers."""

from collections.abc import Callable
from typing import Any

from sandbox.whmcs.actions.call import Action, Call, escaped, money
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.billing import totals
from sandbox.whmcs.install import CURRENCIES, CUSTOM_FIELDS, WHOLE, Install, page_of
from sandbox.whmcs.memberships import clients_of, users_of
from sandbox.whmcs.state import Client, User

ESCAPED = ("firstname", "lastname", "companyname", "address1", "address2", "city", "state", "notes")
ORDERS: dict[str, Callable[[Client], Any]] = {
    name: lambda client, name=name: getattr(client, name)  # type: ignore[misc]
    for name in ("id", "firstname", "lastname", "companyname", "email", "datecreated", "status")
}


def get_clients(call: Call) -> dict[str, Any]:
    """GetClients."""
    params = call.params
    wanted, status = params.text("search").lower(), params.text("status")
    found = [
        client
        for client in call.install.clients.values()
        if status in ("", client.status) and (not wanted or _starts(client, wanted))
    ]
    key = ORDERS.get(params.text("orderby"), ORDERS["lastname"])
    found.sort(key=key, reverse=params.text("sorting").upper() == "DESC")
    start, limit = params.window()
    total, rows = page_of(found, start, limit)
    return {
        "totalresults": total,
        "startnumber": start,
        "numreturned": len(rows),
        "clients": {"client": [_row(client) for client in rows]},
    }


def _starts(client: Client, wanted: str) -> bool:
    names = (client.email, client.firstname, client.lastname, f"{client.firstname} {client.lastname}")
    return any(name.lower().startswith(wanted) for name in (*names, client.companyname))


def _row(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "firstname": escaped(client.firstname),
        "lastname": escaped(client.lastname),
        "companyname": escaped(client.companyname),
        "email": client.email,
        "datecreated": client.datecreated,
        "groupid": client.groupid,
        "status": client.status,
    }


def get_clients_details(call: Call) -> dict[str, Any]:
    """GetClientsDetails: nested under `client`, and still mirrored over the root."""
    params = call.params
    if not params.text("clientid") and not params.text("email"):
        raise Refused("Either clientid Or email Is Required")
    client = call.install.clients.get(params.number("clientid"))
    if client is None and params.text("email"):
        client = call.install.client_by_email(params.text("email"))
    if client is None:
        raise Refused("Client Not Found")
    details = _details(call.install, client)
    answer = {**{key: value for key, value in details.items() if key != "users"}, "client": details}
    return answer | ({"stats": _stats(call, client)} if params.flag("stats") else {})


def _details(install: Install, client: Client) -> dict[str, Any]:
    fields = [{"id": number, "value": client.customfields.get(number, "")} for number in CUSTOM_FIELDS]
    texts = {name: escaped(getattr(client, name)) for name in ESCAPED}
    return {
        **dict.fromkeys(("userid", "id", "client_id"), client.id),
        "owner_user_id": client.owner_user_id,
        "uuid": f"00000000-0000-4000-8000-{client.id:012d}",
        **texts,
        "fullname": f"{texts['firstname']} {texts['lastname']}",
        "email": client.email,
        "fullstate": texts["state"],
        "statecode": texts["state"],
        "postcode": client.postcode,
        "countrycode": client.country,
        "country": client.country,
        "countryname": "Japan" if client.country == "JP" else client.country,
        "phonecc": "81" if client.country == "JP" else "",
        "phonenumber": client.phonenumber,
        "phonenumberformatted": client.phonenumber,
        "telephoneNumber": client.phonenumber,
        "tax_id": client.tax_id,
        "email_preferences": dict.fromkeys(("general", "invoice", "support", "product", "domain", "affiliate"), "1"),
        "billingcid": client.billingcid,
        "currency": CURRENCIES[client.currency][0],
        "currency_code": client.currency,
        "defaultgateway": client.defaultgateway,
        "groupid": client.groupid,
        "status": client.status,
        "credit": money(client.credit),
        "taxexempt": client.taxexempt,
        "allowSingleSignOn": int(client.allow_single_sign_on),
        "email_verified": False,
        "language": client.language,
        "lastlogin": "No Login Logged",
        "customfields": fields,
        **{f"customfields{place}": field["value"] for place, field in enumerate(fields, start=1)},
        **({"users": {"user": _logins(install, client)}} if install.dialect.clients_list_users else {}),
    }


def _logins(install: Install, client: Client) -> list[dict[str, Any]]:
    return [
        {
            "id": user.id,
            "name": escaped(f"{user.firstname} {user.lastname}"),
            "email": user.email,
            "is_owner": _owns(install, owns),
        }
        for user, owns in users_of(install, client)
    ]


def _owns(install: Install, owns: bool) -> Any:
    return install.dialect.yes if owns else install.dialect.no


def _stats(call: Call, client: Client) -> dict[str, Any]:
    """Money is formatted for display here."""
    mine = [invoice for invoice in call.install.invoices.values() if invoice.userid == client.id]
    unpaid = [invoice for invoice in mine if invoice.status == "Unpaid"]
    due = sum(totals(call.install, invoice).balance for invoice in unpaid)
    services = [each for each in call.install.services.values() if each.clientid == client.id]
    return {
        "numdueinvoices": len(unpaid),
        "dueinvoicesbalance": shown(due),
        "incredit": client.credit > 0,
        "creditbalance": shown(client.credit),
        "numoverdueinvoices": sum(invoice.duedate < call.today.isoformat() for invoice in unpaid),
        "numunpaidinvoices": len(unpaid),
        "unpaidinvoicesamount": shown(due),
        "numpaidinvoices": sum(invoice.status == "Paid" for invoice in mine),
        "productsnumactive": sum(service.status == "Active" for service in services),
        "productsnumtotal": len(services),
        "isAffiliate": False,
    }


def shown(amount: Any, currency: str = "JPY") -> str:
    """Return an amount as people read it, in the currency's own format."""
    _, prefix, suffix, shape = CURRENCIES[currency]
    sign = "-" if amount < 0 else ""
    return f"{prefix}{sign}{abs(amount):,.{0 if shape == WHOLE else 2}f}{suffix}"


def get_users(call: Call) -> dict[str, Any]:
    """GetUsers: a flat list; which clients belong to an address."""
    wanted = call.params.text("search").lower()
    found = [
        user
        for user in call.install.users.values()
        if not wanted or any(each.lower().startswith(wanted) for each in (user.email, user.firstname, user.lastname))
    ]
    found.sort(key=lambda user: user.id, reverse=call.params.text("sorting").upper() == "DESC")
    start, limit = call.params.window()
    total, rows = page_of(found, start, limit)
    users = [_user(call.install, user) for user in rows]
    return {"totalresults": total, "startnumber": start, "numreturned": len(rows), "users": users}


def _user(install: Install, user: User) -> dict[str, Any]:
    names = {"firstname": escaped(user.firstname), "lastname": escaped(user.lastname)}
    row = {"id": user.id, **names, "email": user.email, "datecreated": user.datecreated}
    if not install.dialect.users_list_clients:
        return row
    owned = [{"id": client.id, "isOwner": _owns(install, owns)} for client, owns in clients_of(install, user.id)]
    return {**row, "clients": owned}


ACTIONS: dict[str, Action] = {
    "GetClients": get_clients,
    "GetClientsDetails": get_clients_details,
    "GetUsers": get_users,
}
