"""Actions on orders: AddOrder, AcceptOrder, CancelOrder, PendingOrder, GetOrders."""

import secrets
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sandbox.whmcs import cycles, forms, prices
from sandbox.whmcs.actions import promotions
from sandbox.whmcs.actions.call import Action, Call, escaped, money
from sandbox.whmcs.actions.client_reads import shown
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.billing import advance, new_invoice, service_items, totals
from sandbox.whmcs.install import CURRENCIES, GATEWAYS, Install, page_of
from sandbox.whmcs.state import NO_DATE, Client
from sandbox.whmcs.state_services import Order, Product, Service

ARRAYS = ("pid", "qty", "domain", "billingcycle", "customfields", "configoptions", "priceoverride", "hostname")
MOST_OF_ONE = 50
NOT_PENDING = "Order ID not found or Status not Pending"


def add_order(call: Call) -> dict[str, Any]:
    """AddOrder: order and services stay Pending until accepted. Nothing about it is idempotent."""
    params, install = call.params, call.install
    client = install.client(params.number("clientid"))
    if client.status == "Closed":
        raise Refused("Unable to add order when client status is Closed")
    gateway = params.text("paymentmethod")
    if gateway not in GATEWAYS:
        raise Refused(f"Invalid Payment Method. Valid options include {','.join(GATEWAYS)}")
    arrays = {name: params.array(name) for name in ARRAYS}
    lines = [
        (key, product)
        for key, pid in sorted(arrays["pid"].items(), key=lambda item: int(item[0]) if item[0].isdecimal() else 0)
        if (product := install.products.get(int(pid) if str(pid).isdecimal() else 0))
    ]
    if not lines:
        raise Refused("No items added to cart so order cannot proceed")
    drafts = [(product, _line(arrays, key, product, client.currency)) for key, product in lines]
    ordernum = int(secrets.randbelow(9 * 10**9) + 10**9)
    order = Order(install.new_id("order"), ordernum, client.id, call.now, gateway, Decimal("0.00"))
    order.notes, order.promocode, order.ipaddress = params.text("notes"), params.text("promocode"), call.address
    ordered = {product.pid for product, _ in drafts}
    promotion = promotions.valid(install, client, order.promocode, call.today.isoformat(), ordered)
    if promotion is not None:
        promotion.uses += 1
    priced_lines = [(product, line.cycle, line.price) for product, line in drafts]
    prices = promotions.discounted(promotion, priced_lines, client.currency)
    for (product, line), (first, later) in zip(drafts, prices, strict=True):
        for _ in range(line.quantity):
            promoted = promotion.id if promotion is not None and first != line.price else 0
            priced = replace(line, price=first + line.setup_fee, later_price=later, promoid=promoted)
            _add_service(call, order, product, priced)
    install.orders[order.id] = order
    if not params.flag("noinvoice"):
        _invoice(call, order, client)
    install.changed()
    call.log(f"New Order Placed - Order ID: {order.id}", client.id)
    ids = ",".join(str(each) for each in order.service_ids)
    answer = {"orderid": order.id, "productids": ids, "serviceids": ids, "addonids": "", "domainids": ""}
    return answer | {"invoiceid": order.invoiceid}


@dataclass(frozen=True)
class _Line:
    quantity: int
    domain: str
    cycle: str
    price: Decimal
    fields: dict[int, str]
    setup_fee: Decimal
    later_price: Decimal = Decimal("0.00")
    promoid: int = 0


def _line(arrays: dict[str, dict[str, Any]], key: str, product: Product, currency: str) -> _Line:
    """Read one line. A cycle that is not offered becomes the first that is, and no override of a price includes the
    set-up fee: nothing in the vendor's manual promises otherwise."""
    quantity = str(arrays["qty"].get(key, "1"))
    word = str(arrays["billingcycle"].get(key, "")) or ("onetime" if product.paytype == "onetime" else "monthly")
    cycle = cycles.shown(word)
    if cycle is None:
        raise Refused(f"Invalid Billing Cycle {word}")
    cycle = prices.first_offered(product, currency, cycle)
    override = str(arrays["priceoverride"].get(key, ""))
    if options := str(arrays["configoptions"].get(key, "")):
        forms.unserialized(options, "configoptions")
    text = str(arrays["customfields"].get(key, ""))
    fields = forms.unserialized(text, "customfields") if text else {}
    return _Line(
        min(MOST_OF_ONE, int(quantity)) if quantity.isdecimal() and int(quantity) else 1,
        str(arrays["domain"].get(key, "")),
        cycle,
        Decimal(override)
        if override.replace(".", "", 1).isdecimal()
        else prices.amount(product, currency, cycle) or Decimal("0.00"),
        {int(number): str(value) for number, value in fields.items() if str(number).isdigit()},
        prices.setup_fee(product, currency, cycle),
    )


def _add_service(call: Call, order: Order, product: Product, line: _Line) -> None:
    today = call.today.isoformat()
    recurring = line.later_price if cycles.MONTHS[line.cycle] else Decimal("0.00")
    service = Service(
        id=call.install.new_id("service"),
        clientid=order.userid,
        orderid=order.id,
        pid=product.pid,
        regdate=today,
        billingcycle=line.cycle,
        firstpaymentamount=line.price,
        recurringamount=recurring,
        paymentmethod=order.paymentmethod,
        nextduedate=today if recurring else NO_DATE,
        nextinvoicedate=today,
        domain=line.domain,
        promoid=line.promoid,
        customfields=line.fields,
    )
    call.install.services[service.id] = service
    order.service_ids.append(service.id)
    order.amount += service.firstpaymentamount


def _invoice(call: Call, order: Order, client: Client) -> None:
    items = []
    for service in _services(call.install, order):
        items += service_items(call.install, service, call.today)
        advance(service)
    invoice = new_invoice(call.install, call.clock, client, items, due=call.today, gateway=order.paymentmethod)
    order.invoiceid = invoice.id
    call.fire("InvoiceCreation", "invoice", invoice.id, client.id)
    call.fire("InvoiceCreated", "invoice", invoice.id, client.id)


def accept_order(call: Call) -> dict[str, Any]:
    """AcceptOrder: the hook AcceptOrder fires before the change, then one hook per service that became active."""
    order = _pending(call)
    call.fire("AcceptOrder", "order", order.id, order.userid)
    order.status = "Active"
    for service in _services(call.install, order):
        if service.status != "Pending":
            continue
        if service.regdate == service.nextinvoicedate:
            service.regdate = service.nextinvoicedate = call.today.isoformat()
            service.nextduedate = service.regdate if service.recurringamount else NO_DATE
        service.status = "Active"
        with_module = bool(call.install.products[service.pid].module) and call.params.flag("autosetup")
        call.fire("AfterModuleCreate" if with_module else "ServiceEdit", "service", service.id, service.clientid)
    call.log(f"Order Accepted - Order ID: {order.id}", order.userid)
    return {}


def cancel_order(call: Call) -> dict[str, Any]:
    """CancelOrder: fires before the change."""
    order = _pending(call)
    call.fire("CancelOrder", "order", order.id, order.userid)
    order.status = "Cancelled"
    for service in _services(call.install, order):
        service.status = "Cancelled"
    invoice = call.install.invoices.get(order.invoiceid)
    if invoice is not None and invoice.status == "Unpaid":
        invoice.status, invoice.date_cancelled = "Cancelled", call.now
    return {}


def pending_order(call: Call) -> dict[str, Any]:
    """PendingOrder: the order and its services go back to Pending."""
    order = call.install.orders.get(call.params.number("orderid"))
    if order is None:
        raise Refused("Order ID Not Found")
    call.fire("PendingOrder", "order", order.id, order.userid)
    order.status = "Pending"
    for service in _services(call.install, order):
        service.status = "Pending"
    return {}


def _pending(call: Call) -> Order:
    order = call.install.orders.get(call.params.number("orderid"))
    if order is None or order.status != "Pending":
        raise Refused(NOT_PENDING)
    return order


def _services(install: Install, order: Order) -> list[Service]:
    return [install.services[each] for each in order.service_ids if each in install.services]


def get_orders(call: Call) -> dict[str, Any]:
    """GetOrders: newest first; without any the key is absent."""
    params, install = call.params, call.install
    wanted, owner, status = params.number("id"), params.number("userid"), params.text("status")
    found = [
        order
        for order in reversed(install.orders.values())
        if wanted in (0, order.id) and owner in (0, order.userid) and status in ("", order.status)
    ]
    start, limit = params.window()
    total, rows = page_of(found, start, limit)
    answer: dict[str, Any] = {"totalresults": total, "startnumber": start, "numreturned": len(rows)}
    return answer | ({"orders": {"order": [_row(install, order) for order in rows]}} if rows else {})


def _row(install: Install, order: Order) -> dict[str, Any]:
    client, invoice = install.clients[order.userid], install.invoices.get(order.invoiceid)
    status = "" if invoice is None else "Paid" if totals(install, invoice).balance <= 0 else "Unpaid"
    return {
        "id": order.id,
        "ordernum": order.ordernum,
        "userid": order.userid,
        "contactid": 0,
        "requestor_id": client.owner_user_id,
        "admin_requestor_id": 0,
        "date": order.date,
        "nameservers": "",
        "transfersecret": "",
        "renewals": "",
        "promocode": order.promocode,
        "orderdata": "",
        "amount": money(order.amount),
        "paymentmethod": order.paymentmethod,
        "paymentmethodname": GATEWAYS.get(order.paymentmethod, order.paymentmethod),
        "invoiceid": order.invoiceid,
        "status": order.status,
        "ipaddress": order.ipaddress,
        "fraudmodule": "",
        "notes": escaped(order.notes),
        "paymentstatus": status,
        "name": escaped(f"{client.firstname} {client.lastname}"),
        "currencyprefix": CURRENCIES[client.currency][1],
        "currencysuffix": CURRENCIES[client.currency][2],
        "lineitems": {"lineitem": [_item(install, service) for service in _services(install, order)]},
    }


def _item(install: Install, service: Service) -> dict[str, Any]:
    product = install.products[service.pid]
    return {
        "type": "product",
        "relid": service.id,
        "producttype": "Hosting Account" if product.module == "cpanel" else "Other Product/Service",
        "product": f"{product.groupname} - {product.name}",
        "domain": service.domain,
        "billingcycle": service.billingcycle,
        "amount": shown(service.firstpaymentamount, install.clients[service.clientid].currency),
        "status": service.status,
    }


ACTIONS: dict[str, Action] = {
    "AddOrder": add_order,
    "AcceptOrder": accept_order,
    "CancelOrder": cancel_order,
    "PendingOrder": pending_order,
    "GetOrders": get_orders,
}
