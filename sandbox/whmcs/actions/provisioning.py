"""ModuleCreate, ModuleSuspend, ModuleUnsuspend, ModuleTerminate, and UpgradeProduct."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sandbox.whmcs import cycles, prices
from sandbox.whmcs.actions.call import Action, Call
from sandbox.whmcs.actions.client_reads import shown
from sandbox.whmcs.actions.errors import Refused
from sandbox.whmcs.billing import add_credit, new_invoice, take_effect
from sandbox.whmcs.install import CURRENCIES, GATEWAYS, WHOLE, Install
from sandbox.whmcs.state import ZERO, Item
from sandbox.whmcs.state_services import Order, Product, Service, Upgrade

UNPAID_UPGRADE = "Unable to accept upgrade order. Previous upgrade invoice for service is still unpaid."


def _module(command: str, status: str, allowed: tuple[str, ...]) -> Action:
    def run(call: Call) -> dict[str, Any]:
        service = _service(call)
        if service.status not in allowed:
            raise Refused(f"The service is {service.status}; {command} is not possible")
        service.status = status
        service.suspensionreason = call.params.text("suspendreason") if command == "Suspend" else ""
        if command == "Terminate":
            service.terminationdate = call.today.isoformat()
        call.log(f"Module {command} Successful - Service ID: {service.id}", service.clientid)
        call.fire(f"AfterModule{command}", "service", service.id, service.clientid)
        return {}

    return run


def _service(call: Call) -> Service:
    service_id = call.params.number("serviceid", "accountid")
    if not service_id:
        raise Refused("Service ID is required")
    service = call.install.service(service_id, "Service ID not found")
    if not call.install.products[service.pid].module:
        raise Refused("Service not assigned to a module")
    return service


def upgrade_product(call: Call) -> dict[str, Any]:
    """UpgradeProduct, `type` product. `calconly` says what it would cost."""
    params, install = call.params, call.install
    service = install.service(params.number("serviceid"))
    pending = [each for each in install.upgrades.values() if each.serviceid == service.id and _unpaid(install, each)]
    calculating = params.flag("calconly")
    if pending and not calculating:
        raise Refused(UNPAID_UPGRADE)
    if params.text("paymentmethod") not in GATEWAYS:
        raise Refused(f"Invalid Payment Method. Valid options include {','.join(GATEWAYS)}")
    product = install.products.get(params.number("newproductid"))
    if params.text("type") != "product" or product is None:
        raise Refused("Invalid Upgrade Type")
    cycle = cycles.shown(params.text("newproductbillingcycle")) or service.billingcycle
    currency = install.clients[service.clientid].currency
    new_price = prices.amount(product, currency, cycle)
    if new_price is None:
        raise Refused("Invalid Billing Cycle Requested")
    quote = _quote(call.today, service, new_price, cycle, currency)
    answer = {
        "oldproductid": service.pid,
        "oldproductname": install.products[service.pid].name,
        "newproductid": product.pid,
        "newproductname": product.name,
        "daysuntilrenewal": quote.days,
        "totaldays": quote.total,
        "newproductbillingcycle": cycles.asked(cycle),
        "price": shown(quote.price, currency),
        "upgradeinprogress": int(bool(pending)),
    }
    return answer if calculating else answer | _order(call, service, product, cycle, quote.price)


def _unpaid(install: Install, upgrade: Upgrade) -> bool:
    invoice = install.invoices.get(upgrade.invoiceid)
    return upgrade.status == "Pending" and invoice is not None and invoice.status == "Unpaid"


@dataclass(frozen=True)
class _Quote:
    days: int
    total: int
    price: Decimal


def _quote(today: date, service: Service, new_price: Decimal, cycle: str, currency: str) -> _Quote:
    """Return the difference for the days that are left of the present cycle, at the product's own price."""
    renewal = cycles.parse_date(service.nextduedate) or today
    total, new_total = _days(renewal, service.billingcycle), _days(renewal, cycle)
    days = max(0, (renewal - today).days)
    price = new_price * days / new_total - service.recurringamount * days / total
    unit = Decimal("1") if CURRENCIES[currency][3] == WHOLE else Decimal("0.01")
    return _Quote(days, total, price.quantize(unit, ROUND_HALF_UP).quantize(Decimal("0.01")))


def _days(renewal: date, cycle: str) -> int:
    return (renewal - cycles.months_later(renewal, -(cycles.MONTHS.get(cycle, 1) or 1))).days


def _order(call: Call, service: Service, product: Product, cycle: str, price: Decimal) -> dict[str, Any]:
    install, gateway = call.install, call.params.text("paymentmethod")
    order = Order(
        install.new_id("order"), 3_000_000_000 + service.id, service.clientid, call.now, gateway, max(price, ZERO)
    )
    install.orders[order.id] = order
    upgrade = Upgrade(install.new_id("upgrade"), service.id, order.id, 0, product.pid, cycle)
    install.upgrades[upgrade.id] = upgrade
    if price > ZERO:
        last = cycles.parse_date(service.nextduedate) or call.today
        old = install.products[service.pid].name
        text = f"Upgrade/Downgrade: {old} => {product.name} ({call.today:%d/%m/%Y} - {last:%d/%m/%Y})"
        items = [Item(install.new_id("item"), text, price, "Upgrade", upgrade.id)]
        client = install.clients[service.clientid]
        invoice = new_invoice(install, call.clock, client, items, due=call.today, gateway=gateway)
        upgrade.invoiceid = order.invoiceid = invoice.id
        call.fire("InvoiceCreation", "invoice", invoice.id, client.id)
        call.fire("InvoiceCreated", "invoice", invoice.id, client.id)
    else:
        take_effect(install, call.clock, upgrade.id)
        if price < ZERO:
            add_credit(install, call.clock, service.clientid, -price, f"Downgrade to {product.name}", upgrade.id)
    install.changed()
    ids = {"id": upgrade.id, "orderid": order.id, "order_number": order.ordernum}
    return {**ids, "invoiceid": upgrade.invoiceid or None}


_COMMANDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Create", "Active", ("Pending", "Suspended", "Terminated", "Cancelled")),
    ("Suspend", "Suspended", ("Active",)),
    ("Unsuspend", "Active", ("Suspended",)),
    ("Terminate", "Terminated", ("Active", "Suspended")),
)
ACTIONS: dict[str, Action] = {
    **{f"Module{command}": _module(command, status, allowed) for command, status, allowed in _COMMANDS},
    "UpgradeProduct": upgrade_product,
}
