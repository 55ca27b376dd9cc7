"""Actions on the catalogue and on services, except upgrades and provisioning."""

from decimal import Decimal
from typing import Any

from sandbox.whmcs import cycles, prices
from sandbox.whmcs.actions.call import Action, Call, escaped, money
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.install import CURRENCIES, GATEWAYS, SERVICE_FIELDS, Install, page_of
from sandbox.whmcs.state_services import Addon, CancelRequest, Product, Service

STATUSES = ("Pending", "Active", "Completed", "Suspended", "Terminated", "Cancelled", "Fraud")
TEXTS = {
    "domain": "domain",
    "notes": "notes",
    "regdate": "regdate",
    "nextduedate": "nextduedate",
    "terminationdate": "terminationdate",
    "serviceusername": "username",
    "servicepassword": "password",
    "suspendreason": "suspensionreason",
}
CANCEL_TYPES = ("Immediate", "End of Billing Period")


def get_products(call: Call) -> dict[str, Any]:
    """GetProducts: no paging; a cycle that is not offered costs -1.00."""
    wanted = {int(each) for each in call.params.text("pid").split(",") if each.strip().isdecimal()}
    group, module = call.params.number("gid"), call.params.text("module")
    rows = [
        _product(each)
        for each in call.install.products.values()
        if (not wanted or each.pid in wanted) and group in (0, each.gid) and module in ("", each.module)
    ]
    return {"totalresults": len(rows), "products": {"product": rows}} if rows else {"totalresults": 0}


def _product(product: Product) -> dict[str, Any]:
    slug = product.name.lower().replace(" ", "-")
    pricing = {
        code: {"prefix": prefix, "suffix": suffix, **_texts(prices.row(product, code))}
        for code, (_, prefix, suffix, _) in CURRENCIES.items()
    }
    return {
        "pid": product.pid,
        "gid": product.gid,
        "type": product.type,
        "name": escaped(product.name),
        "slug": slug,
        "product_url": f"https://localhost/store/{slug}",
        "description": escaped(product.description),
        "module": product.module,
        "paytype": product.paytype,
        "allowqty": 0,
        "quantity_available": 0,
        "pricing": pricing,
        "customfields": {"customfield": []},
        "configoptions": {"configoption": []},
    }


def _texts(row: dict[str, Decimal]) -> dict[str, str]:
    return {name: money(amount) for name, amount in row.items()}


def get_clients_products(call: Call) -> dict[str, Any]:
    """GetClientsProducts: every scalar a string, passwords in clear, no status filter."""
    params, install = call.params, call.install
    client, service, pid = params.number("clientid"), params.number("serviceid"), params.number("pid")
    domain, username = params.text("domain"), params.text("username2")
    found = [
        each
        for each in install.services.values()
        if client in (0, each.clientid)
        and service in (0, each.id)
        and pid in (0, each.pid)
        and domain in ("", each.domain)
        and username in ("", each.username)
    ]
    start, limit = params.window()
    total, rows = page_of(found, start, limit)
    return {
        **{name: params.text(name) or None for name in ("clientid", "serviceid", "pid", "domain")},
        "totalresults": total,
        "startnumber": start,
        "numreturned": len(rows),
        "products": {"product": [_service(install, each) for each in rows]},
    }


def _service(install: Install, service: Service) -> dict[str, Any]:
    product, order = install.products.get(service.pid), install.orders.get(service.orderid)
    name, group = (escaped(product.name), escaped(product.groupname)) if product else ("", "")
    row: dict[str, Any] = {
        "id": service.id,
        "qty": service.qty,
        "clientid": service.clientid,
        "orderid": service.orderid,
        "ordernumber": order.ordernum if order else "",
        "pid": service.pid,
        "regdate": service.regdate,
        "name": name,
        "translated_name": name,
        "groupname": group,
        "translated_groupname": group,
        "domain": service.domain,
        "dedicatedip": "",
        "serverid": 0,
        "suspensionreason": escaped(service.suspensionreason),
        "firstpaymentamount": money(service.firstpaymentamount),
        "recurringamount": money(service.recurringamount),
        "paymentmethod": service.paymentmethod,
        "paymentmethodname": GATEWAYS.get(service.paymentmethod, service.paymentmethod),
        "billingcycle": service.billingcycle,
        "nextduedate": service.nextduedate,
        "status": service.status,
        "username": service.username,
        "password": service.password,
        "subscriptionid": "",
        "promoid": service.promoid,
        "overideautosuspend": "on" if service.overideautosuspend else "",
        "overidesuspenduntil": service.overidesuspenduntil,
        "notes": service.notes,
        "diskusage": 0,
        "disklimit": 0,
        "bwusage": 0,
        "bwlimit": 0,
        "lastupdate": "0000-00-00 00:00:00",
    }
    fields = [
        {"id": str(number), "name": label, "translated_name": label, "value": service.customfields.get(number, "")}
        for number, label in SERVICE_FIELDS.items()
    ]
    texts = {key: str(value) for key, value in row.items()}
    return texts | {"customfields": {"customfield": fields}, "configoptions": {"configoption": []}}


def update_client_product(call: Call) -> dict[str, Any]:
    """UpdateClientProduct: a database change only, no provisioning."""
    params = call.params
    service = call.install.service(params.number("serviceid"))
    status = params.text("status")
    if status and status not in STATUSES:
        raise Refused("Invalid Status")
    fields = {int(key): str(value) for key, value in params.serialized("customfields").items() if str(key).isdigit()}
    for name, stored in TEXTS.items():
        if value := params.text(name):
            setattr(service, stored, value)
    for name in params.array("unset").values():
        if str(name) in TEXTS:
            setattr(service, TEXTS[str(name)], "")
    if params.given("overideautosuspend"):
        service.overideautosuspend = params.text("overideautosuspend").lower() in ("on", "1", "true")
    service.overidesuspenduntil = params.text("overidesuspenduntil") or service.overidesuspenduntil
    service.status = status or service.status
    service.pid = params.number("pid") or service.pid
    service.paymentmethod = params.text("paymentmethod") or service.paymentmethod
    service.billingcycle = cycles.shown(params.text("billingcycle")) or service.billingcycle
    for name in ("firstpaymentamount", "recurringamount"):
        if name not in call.install.dialect.ignores:
            setattr(service, name, params.money(name, getattr(service, name)))
    service.customfields |= fields
    call.fire("ServiceEdit", "service", service.id, service.clientid)
    return {"serviceid": str(service.id)}


def get_clients_addons(call: Call) -> dict[str, Any]:
    """GetClientsAddons: no paging; without any the list is empty text."""
    params, install = call.params, call.install
    services = {int(each) for each in params.text("serviceid").split(",") if each.strip().isdecimal()}
    client = params.number("clientid")
    rows = [
        _addon(each)
        for each in install.addons.values()
        if client in (0, each.userid) and (not services or each.serviceid in services)
    ]
    asked = {name: params.text(name) or None for name in ("serviceid", "clientid")}
    return {**asked, "totalresults": len(rows), "addons": {"addon": rows} if rows else ""}


def _addon(addon: Addon) -> dict[str, Any]:
    return {
        "id": addon.id,
        "qty": 1,
        "userid": addon.userid,
        "orderid": addon.orderid,
        "serviceid": addon.serviceid,
        "addonid": 0,
        "name": escaped(addon.name),
        "setupfee": "0.00",
        "recurring": money(addon.recurring),
        "billingcycle": addon.billingcycle,
        "tax": "1",
        "status": addon.status,
        "regdate": addon.regdate,
        "nextduedate": addon.nextduedate,
        "nextinvoicedate": addon.nextduedate,
        "paymentmethod": "",
        "notes": "",
    }


def add_cancel_request(call: Call) -> dict[str, Any]:
    """AddCancelRequest: the service stays active meanwhile."""
    params, install = call.params, call.install
    service = install.service(params.number("serviceid"))
    if any(each.relid == service.id for each in install.cancel_requests.values()):
        raise Refused("Existing Cancellation Request Exists")
    kind = params.text("type") if params.text("type") in CANCEL_TYPES else CANCEL_TYPES[1]
    request = CancelRequest(install.new_id("cancel_request"), call.now, service.id, params.text("reason"), kind)
    install.cancel_requests[request.id] = request
    call.fire("CancellationRequest", "service", service.id, service.clientid)
    return {"serviceid": service.id, "userid": service.clientid}


def get_cancelled_packages(call: Call) -> dict[str, Any]:
    """GetCancelledPackages: no client filter."""
    start, limit = call.params.window()
    total, rows = page_of(call.install.cancel_requests.values(), start, limit)
    packages = [
        {
            "id": each.id,
            "date": each.date,
            "relid": each.relid,
            "reason": escaped(each.reason),
            "type": each.type,
            "created_at": each.date,
            "updated_at": each.date,
        }
        for each in rows
    ]
    return {"totalresults": total, "startnumber": start, "numreturned": len(rows), "packages": {"package": packages}}


ACTIONS: dict[str, Action] = {
    "GetProducts": get_products,
    "GetClientsProducts": get_clients_products,
    "GetClientsAddons": get_clients_addons,
    "UpdateClientProduct": update_client_product,
    "AddCancelRequest": add_cancel_request,
    "GetCancelledPackages": get_cancelled_packages,
}
