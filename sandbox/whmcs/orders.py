"""Actions on orders, services and products."""

from calendar import monthrange
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.whmcs.clients import found
from sandbox.whmcs.errors import ApiError
from sandbox.whmcs.forms import listed
from sandbox.whmcs.hooks import fire
from sandbox.whmcs.install import GATEWAYS, Install, Order, Product, Service, local, money
from sandbox.whmcs.invoices import issue

CYCLES = {"monthly": "Monthly", "quarterly": "Quarterly", "annually": "Annually", "onetime": "One Time"}
MONTHS = {"Monthly": 1, "Quarterly": 3, "Annually": 12}


def add_order(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """AddOrder: parallel arrays; the order stays pending until it is accepted."""
    install: Install = world.whmcs
    client = found(world, params)
    if client.status == "Closed":
        raise ApiError("Unable to add order when client status is Closed")
    if params.get("paymentmethod") not in GATEWAYS:
        raise ApiError(f"Invalid Payment Method. Valid options include {', '.join(GATEWAYS)}")
    if "pid" in params and not isinstance(params["pid"], dict):
        raise ApiError("Expecting parameter 'pid' to be an array")
    products = [install.products[int(pid)] for pid in listed(params.get("pid")) if int(pid) in install.products]
    if not products:
        raise ApiError("No items added to cart so order cannot proceed")
    order_id = next(install.next_id)
    services = [_service(world, client.id, order_id, index, product, params) for index, product in enumerate(products)]
    amount = sum((service.first_amount for service in services), Decimal(0))
    order = Order(
        order_id,
        9_000_000_000 + order_id,
        client.id,
        local(world.clock.now()),
        str(params.get("notes", "")),
        str(params["paymentmethod"]),
        [service.id for service in services],
        amount,
    )
    install.orders[order_id] = order
    if not params.get("noinvoice"):
        lines = [("Hosting", each.id, each.name, each.first_amount) for each in services]
        order.invoice_id = issue(world, client.id, lines).id
        for service in services:
            service.invoiced = True
    ids = ",".join(str(number) for number in order.service_ids)
    return {"orderid": order_id, "serviceids": ids, "addonids": "", "domainids": "", "invoiceid": order.invoice_id}


def _service(
    world: Any, client_id: int, order_id: int, index: int, product: Product, params: dict[str, Any]
) -> Service:
    cycles, domains = listed(params.get("billingcycle")), listed(params.get("domain"))
    asked = cycles[index] if index < len(cycles) else "monthly"
    cycle = CYCLES.get(asked.lower(), "Monthly") if product.recurring else "One Time"
    today = local(world.clock.now(), seconds=False)
    service = Service(
        next(world.whmcs.next_id),
        client_id,
        order_id,
        product.pid,
        product.name,
        product.group,
        domains[index] if index < len(domains) else "",
        cycle,
        product.price,
        product.price if product.recurring else Decimal(0),
        today,
        following(today, cycle),
    )
    world.whmcs.services[service.id] = service
    return service


def following(day: str, cycle: str) -> str:
    """The due date after this one: calendar months, never days."""
    if cycle not in MONTHS:
        return "0000-00-00"
    start = date.fromisoformat(day)
    month = start.month - 1 + MONTHS[cycle]
    year, month = start.year + month // 12, month % 12 + 1
    return date(year, month, min(start.day, monthrange(year, month)[1])).isoformat()


def _pending(world: Any, params: dict[str, Any]) -> Order:
    raw = str(params.get("orderid", ""))
    order: Order | None = world.whmcs.orders.get(int(raw)) if raw.isdigit() else None
    if order is None or order.status != "Pending":
        raise ApiError("Order ID not found or Status not Pending")
    return order


def accept_order(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """AcceptOrder: the services become active; each fires its own hook."""
    order = _pending(world, params)
    fire(world, "AcceptOrder", "order", order.id, order.client_id)
    order.status = "Active"
    for service_id in order.service_ids:
        service = world.whmcs.services[service_id]
        service.status = "Active"
        fire(world, "AfterModuleCreate", "service", service.id, service.client_id)
    return {}


def cancel_order(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """CancelOrder."""
    order = _pending(world, params)
    order.status = "Cancelled"
    for service_id in order.service_ids:
        world.whmcs.services[service_id].status = "Cancelled"
    fire(world, "CancelOrder", "order", order.id, order.client_id)
    return {}


def get_orders(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetOrders, newest first."""
    install: Install = world.whmcs
    rows = [o for o in install.orders.values() if str(params.get("userid", o.client_id)) == str(o.client_id)]
    rows = [o for o in rows if str(params.get("id", o.id)) == str(o.id)]
    rows.sort(key=lambda order: order.id, reverse=True)
    start, limit = int(params.get("limitstart") or 0), int(params.get("limitnum") or 25)
    shown = [_order(install, order) for order in rows[start : start + limit]]
    counts = {"totalresults": str(len(rows)), "startnumber": start, "numreturned": len(shown)}
    return {**counts, "orders": {"order": shown}} if shown else {**counts, "orders": ""}


def _order(install: Install, order: Order) -> dict[str, Any]:
    services = [install.services[number] for number in order.service_ids]
    lines = [
        {
            "type": "product",
            "relid": str(service.id),
            "producttype": "Other Product/Service",
            "product": f"{service.group} - {service.name}",
            "domain": service.domain,
            "billingcycle": service.cycle,
            "amount": money(service.first_amount),
            "status": service.status,
        }
        for service in services
    ]
    return {
        "id": str(order.id),
        "ordernum": order.number,
        "userid": str(order.client_id),
        "date": order.date,
        "amount": money(order.amount),
        "paymentmethod": order.payment_method,
        "invoiceid": str(order.invoice_id),
        "status": order.status,
        "notes": order.notes,
        "paymentstatus": "",
        "lineitems": {"lineitem": lines},
    }


def get_services(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetClientsProducts: everything as strings, with the service's password in clear."""
    rows = list(world.whmcs.services.values())
    for name, attribute in (("clientid", "client_id"), ("serviceid", "id"), ("pid", "pid")):
        if params.get(name):
            rows = [row for row in rows if str(getattr(row, attribute)) == str(params[name])]
    start, limit = int(params.get("limitstart") or 0), int(params.get("limitnum") or 25)
    shown = [_shown(row) for row in rows[start : start + limit]]
    counts = {"totalresults": len(rows), "startnumber": start, "numreturned": len(shown)}
    return {**counts, "products": {"product": shown} if shown else ""}


def _shown(service: Service) -> dict[str, Any]:
    return {
        "id": str(service.id),
        "clientid": str(service.client_id),
        "orderid": str(service.order_id),
        "pid": str(service.pid),
        "regdate": service.registered,
        "name": service.name,
        "groupname": service.group,
        "domain": service.domain,
        "firstpaymentamount": money(service.first_amount),
        "recurringamount": money(service.amount),
        "paymentmethod": "stripe",
        "paymentmethodname": GATEWAYS["stripe"],
        "billingcycle": service.cycle,
        "nextduedate": service.next_due,
        "status": service.status,
        "username": f"user{service.id}",
        "password": "clear-text-service-password",
        "suspensionreason": "",
        "lastupdate": "0000-00-00 00:00:00",
        "customfields": {"customfield": []},
        "configoptions": {"configoption": []},
    }


def get_products(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetProducts; a cycle that is not offered costs -1.00."""
    wanted = set(str(params.get("pid", "")).split(",")) - {""}
    shown = [
        {
            "pid": str(product.pid),
            "gid": "1",
            "type": "other",
            "name": product.name,
            "paytype": "recurring" if product.recurring else "onetime",
            "pricing": {"JPY": {"prefix": "¥", "suffix": "", "monthly": money(product.price), "quarterly": "-1.00"}},
        }
        for product in world.whmcs.products.values()
        if not wanted or str(product.pid) in wanted
    ]
    return {"totalresults": len(shown), "products": {"product": shown}}


def _service_of(world: Any, params: dict[str, Any]) -> Service:
    raw = str(params.get("serviceid") or params.get("accountid") or "")
    service: Service | None = world.whmcs.services.get(int(raw)) if raw.isdigit() else None
    if service is None:
        raise ApiError("Service ID Not Found")
    return service


def update_service(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """UpdateClientProduct: the database alone."""
    service = _service_of(world, params)
    service.status = str(params.get("status", service.status))
    if params.get("recurringamount"):
        service.amount = Decimal(str(params["recurringamount"]))
    fire(world, "ServiceEdit", "service", service.id, service.client_id)
    return {"serviceid": str(service.id)}


def module(status: str, event: str) -> Any:
    """Module actions end in a status and a hook."""

    def act(world: Any, params: dict[str, Any]) -> dict[str, Any]:
        service = _service_of(world, params)
        service.status = status
        fire(world, event, "service", service.id, service.client_id)
        return {}

    return act


def add_cancel_request(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """AddCancelRequest; a second one is refused."""
    service = _service_of(world, params)
    if any(request["relid"] == str(service.id) for request in world.whmcs.cancel_requests):
        raise ApiError("Existing Cancellation Request Exists")
    moment: datetime = world.clock.now()
    kind = params.get("type", "Immediate")
    request = {"id": str(next(world.whmcs.next_id)), "date": local(moment), "relid": str(service.id), "type": kind}
    world.whmcs.cancel_requests.append({**request, "reason": params.get("reason", "")})
    fire(world, "CancellationRequest", "service", service.id, service.client_id)
    return {"serviceid": str(service.id), "userid": str(service.client_id)}


def get_cancelled(world: Any, params: dict[str, Any]) -> dict[str, Any]:
    """GetCancelledPackages."""
    rows = world.whmcs.cancel_requests
    return {"totalresults": len(rows), "packages": {"package": rows}}


ACTIONS = {
    "addorder": add_order,
    "acceptorder": accept_order,
    "cancelorder": cancel_order,
    "getorders": get_orders,
    "getclientsproducts": get_services,
    "getproducts": get_products,
    "updateclientproduct": update_service,
    "addcancelrequest": add_cancel_request,
    "getcancelledpackages": get_cancelled,
    "modulecreate": module("Active", "AfterModuleCreate"),
    "modulesuspend": module("Suspended", "AfterModuleSuspend"),
    "moduleunsuspend": module("Active", "AfterModuleUnsuspend"),
    "moduleterminate": module("Terminated", "AfterModuleTerminate"),
}
