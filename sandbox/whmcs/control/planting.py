"""Records that staff or an import put into the tables: logins, products, services, invoices, many requests at once."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.clock import Clock
from sandbox.whmcs import billing, cycles, prices
from sandbox.whmcs.actions.clients import default_gateway, password_hash
from sandbox.whmcs.control.staff import change
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Item, User
from sandbox.whmcs.state_services import CancelRequest, Product, Promotion, Service

Body = dict[str, Any]
MOST_AT_ONCE = 50_000


def user(install: Install, clock: Clock, body: Body) -> User:
    """`email`, `password`, `firstname`, `lastname`, `second_factor`; `owns` and `clients` are ids of clients."""
    email = str(body.get("email", ""))
    if "@" not in email or any(each.email.lower() == email.lower() for each in install.users.values()):
        raise ValueError("email must be an address that no user has.")
    owned = [_existing(install.clients, each, "client") for each in body.get("owns", [])]
    member = [_existing(install.clients, each, "client") for each in body.get("clients", [])]
    names = str(body.get("firstname", "Sub")), str(body.get("lastname", "User"))
    hashed = password_hash(str(body.get("password", "")))
    made = User(install.new_id("user"), *names, email, hashed, str(clock.local()), bool(body.get("second_factor")))
    install.users[made.id] = made
    for each in owned:
        each.owner_user_id = made.id
    if member:
        install.memberships[made.id] = {each.id for each in member}
    return made


def product(install: Install, clock: Clock, body: Body) -> Product:
    """`name`, `groupname`, `price`, `paytype` (recurring), `pid` and further plain fields of a product."""
    pid = int(body.pop("pid", max(install.products, default=0) + 1))
    if pid in install.products:
        raise ValueError(f"There is a product {pid} already.")
    group = str(body.pop("groupname", "Other"))
    gid = next((each.gid for each in install.products.values() if each.groupname == group), 90)
    made = Product(pid, gid, group, str(body.pop("name", "Unnamed")), "recurring", Decimal(0))
    change(install, clock, "", made, body)
    install.products[pid] = made
    return made


def service(install: Install, clock: Clock, body: Body) -> Service:
    """Create a service: `clientid`, `pid`, and further plain fields. Active and billed monthly by default."""
    client = _existing(install.clients, body.pop("clientid", 0), "client")
    sold = _existing(install.products, body.pop("pid", 0), "product")
    today = clock.today()
    once = sold.paytype == "onetime"
    cycle = prices.first_offered(sold, client.currency, str(body.get("billingcycle", "Monthly")))
    price = prices.amount(sold, client.currency, cycle) or Decimal(0)
    due = "0000-00-00" if once else cycles.months_later(today, cycles.MONTHS[cycle] or 1).isoformat()
    made = Service(
        id=install.new_id("service"),
        clientid=client.id,
        orderid=0,
        pid=sold.pid,
        regdate=today.isoformat(),
        billingcycle=cycle,
        firstpaymentamount=price,
        recurringamount=Decimal(0) if once else price,
        paymentmethod=default_gateway(client),
        nextduedate=due,
        nextinvoicedate=due,
        status="Active",
    )
    change(install, clock, "", made, body)
    install.services[made.id] = made
    install.fire(clock, "ServiceEdit", "service", made.id, client.id)
    return made


def promotion(install: Install, clock: Clock, body: Body) -> Promotion:
    """Create a promotion: `code`, `type` (Percentage), `value`, `appliesto` and `requires` as lists of product ids,
    and further plain fields."""
    appliesto, requires = (tuple(int(each) for each in body.pop(name, ())) for name in ("appliesto", "requires"))
    number = max(install.promotions, default=0) + 1
    kind, value = str(body.pop("type", "Percentage")), Decimal(str(body.pop("value", "10")))
    code = str(body.pop("code", f"CODE{number}"))
    made = Promotion(number, code, kind, value, appliesto=appliesto, requires=requires)
    change(install, clock, "", made, body)
    install.promotions[number] = made
    return made


def invoice(install: Install, clock: Clock, body: Body) -> Any:
    """`userid`, `amount`, `description`, `status` (any word that WHMCS knows), and further plain fields."""
    client = _existing(install.clients, body.pop("userid", 0), "client")
    amount = Decimal(str(body.pop("amount", "1000"))).quantize(Decimal("0.01"))
    line = Item(install.new_id("item"), str(body.pop("description", "By hand")), amount)
    status = str(body.pop("status", "Unpaid"))
    made = billing.new_invoice(
        install, clock, client, [line], due=clock.today(), gateway=default_gateway(client), status=status
    )
    change(install, clock, "", made, body)
    install.fire(clock, "InvoiceCreation", "invoice", made.id, client.id)
    return made


def cancel_requests(install: Install, clock: Clock, body: Body) -> list[CancelRequest]:
    """Create `count` (1) requests for `relid`, or for services that do not exist: `type`, `reason`, `date`."""
    count = int(body.get("count", 1))
    if not 1 <= count <= MOST_AT_ONCE:
        raise ValueError(f"count must be from 1 to {MOST_AT_ONCE}.")
    kind, reason = str(body.get("type", "End of Billing Period")), str(body.get("reason", "Moved away"))
    made = []
    for _ in range(count):
        number = install.new_id("cancel_request")
        relid = int(body.get("relid", 900_000 + number))
        made.append(CancelRequest(number, str(body.get("date", clock.local())), relid, reason, kind))
    install.cancel_requests |= {each.id: each for each in made}
    install.changed()
    return made


def _existing(table: dict[int, Any], key: Any, word: str) -> Any:
    found = table.get(int(str(key))) if str(key).isdecimal() else None
    if found is None:
        raise ValueError(f"There is no {word} {key}.")
    return found


ONE: dict[str, Callable[[Install, Clock, Body], Any]] = {
    "users": user,
    "products": product,
    "services": service,
    "promotions": promotion,
    "invoices": invoice,
}
"""Table → what makes one record of it."""
