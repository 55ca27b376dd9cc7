"""The WHMCS installation at the beginning: clients, cards, services and their latest invoices up to today."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sandbox.clock import TOKYO, Clock
from sandbox.seed.history import PastOrder, history
from sandbox.seed.people import Person
from sandbox.seed.pricing import pricing
from sandbox.seed.products import HOSTING, ONETIME, SIM, VPN, Product
from sandbox.whmcs.actions.clients import password_hash
from sandbox.whmcs.billing import totals
from sandbox.whmcs.cycles import months_later
from sandbox.whmcs.install import CARD_GATEWAY, CUSTOMER_NUMBER_FIELD, Install
from sandbox.whmcs.state import Client, Invoice, Item, PayMethod, Transaction, User
from sandbox.whmcs.state_services import Order, Promotion, Service
from sandbox.whmcs.state_services import Product as WhmcsProduct

FIRST_USER, FIRST_SERVICE, FIRST_INVOICE = 6_000, 10_000, 40_000
SHOWN_CYCLES = 3
DUE_DAYS = 14
PROMOTIONS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("WELCOME10", "Percentage", "10.00", {"recurring": True}),
    ("VPN500", "Fixed Amount", "500.00", {}),
    ("SUMMER2024", "Percentage", "25.00", {"startdate": "2024-06-01", "expirationdate": "2024-08-31"}),
    ("ONLYONCE", "Fixed Amount", "100.00", {"maxuses": 1, "uses": 1}),
    ("NEWCOMER", "Percentage", "20.00", {"newsignups": True, "onceperclient": True}),
    ("LOYAL", "Fixed Amount", "300.00", {"existingclient": True, "recurring": True, "recurfor": 5}),
    ("FLAT1000", "Price Override", "1000.00", {"cycles": "Monthly", "applyonce": True}),
    ("NOSETUP", "Free Setup", "0.00", {}),
)
"""Two that can be used, the second for VPN only; one that is over, one that is used up; and others with conditions."""
CARDS = (("Visa", "4242"), ("MasterCard", "4444"), ("JCB", "0505"), ("American Express", "8431"))


def seed(install: Install, clock: Clock, people: Sequence[Person], products: Sequence[Product]) -> None:
    """Fill an empty installation; nothing is spooled."""
    groups = list(dict.fromkeys(product.category for product in products))
    for product in products:
        install.products[product.whmcs_pid] = _product(product, groups.index(product.category) + 1)
    vpn = tuple(product.whmcs_pid for product in products if product.category == VPN)
    for number, (code, kind, value, more) in enumerate(PROMOTIONS, start=1):
        scope = vpn if code.startswith("VPN") else ()
        install.promotions[number] = Promotion(number, code, kind, Decimal(value), appliesto=scope, **more)
    hashes = {password: password_hash(password) for password in {person.password for person in people}}
    for person in people:
        if person.has_whmcs:
            _client(install, clock, person, hashes[person.password])
    for past in history(people, products):
        _past_order(install, clock, past)
    tables = (
        ("client", install.clients),
        ("user", install.users),
        ("service", install.services),
        ("invoice", install.invoices),
        ("transaction", install.transactions),
        ("pay_method", install.pay_methods),
        ("order", install.orders),
    )
    for series, table in tables:
        install.next_ids[series] = max(install.next_ids[series], max(table, default=0) + 1)


def _product(product: Product, gid: int) -> WhmcsProduct:
    return WhmcsProduct(
        pid=product.whmcs_pid,
        gid=gid,
        groupname=product.category,
        name=product.name,
        paytype="onetime" if product.billing_cycle == ONETIME else "recurring",
        price=Decimal(product.price).quantize(Decimal("0.01")),
        description=product.description,
        module="cpanel" if product.category == HOSTING else "autorelease",
        type="hostingaccount" if product.category == HOSTING else "other",
        pricing=pricing(product),
    )


def _client(install: Install, clock: Clock, person: Person, hashed: str) -> None:
    client_id, user_id = person.whmcs_client_id or 0, FIRST_USER + person.number
    made = f"2025-{1 + person.number % 12:02d}-{1 + person.number % 28:02d}"
    install.users[user_id] = User(
        user_id, person.first_name, person.last_name, person.email, hashed, f"{made} 09:00:00"
    )
    install.clients[client_id] = Client(
        id=client_id,
        owner_user_id=user_id,
        firstname=person.first_name,
        lastname=person.last_name,
        email=person.email,
        address1=person.address1,
        city=person.city,
        state=person.state,
        postcode=person.postcode,
        country=person.country,
        phonenumber=person.phone,
        datecreated=made,
        defaultgateway=gateway_of(person),
        customfields={CUSTOMER_NUMBER_FIELD: person.customer_number},
    )
    if person.has_card:
        brand, last_four = CARDS[person.number % len(CARDS)]
        expiry = f"{1 + person.number % 12:02d}/{(clock.today().year + 2) % 100:02d}"
        token = f"cus_seed{person.number:05d}"
        install.pay_methods[person.number] = PayMethod(
            person.number, client_id, brand, last_four, expiry, f"{made} 09:05:00", remote_token=token
        )


def gateway_of(person: Person) -> str:
    """Return the card gateway for a person with a card, else the bank transfer."""
    return CARD_GATEWAY if person.has_card else "mailin"


def _past_order(install: Install, clock: Clock, past: PastOrder) -> None:
    person, product, order_id = past.person, past.product, past.whmcs_order_id
    placed, client_id = past.placed.astimezone(TOKYO).replace(tzinfo=None), person.whmcs_client_id or 0
    price, gateway = install.products[product.whmcs_pid].price, gateway_of(person)
    service = Service(
        id=FIRST_SERVICE + order_id,
        clientid=client_id,
        orderid=order_id,
        pid=product.whmcs_pid,
        regdate=placed.date().isoformat(),
        billingcycle="Monthly",
        firstpaymentamount=price,
        recurringamount=price,
        paymentmethod=gateway,
        nextduedate="",
        nextinvoicedate="",
        status=_status(person),
        suspensionreason="Overdue on Payment" if _status(person) == "Suspended" else "",
        domain=domain_of(past),
        username=username_of(past) if product.category == HOSTING else "",
        password="Sample-hosting-pw" if product.category == HOSTING else "",
    )
    install.services[service.id] = service
    install.orders[order_id] = Order(
        order_id, 2_000_000_000 + order_id, client_id, str(placed), gateway, price, "Active", service_ids=[service.id]
    )
    starts = _cycle_starts(placed.date(), clock.today())
    service.nextinvoicedate = service.nextduedate = months_later(starts[-1], 1, placed.day).isoformat()
    for age, start in enumerate(reversed(starts[-SHOWN_CYCLES:])):
        _invoice(install, person, service, product, start, paid=not _owed(person, age))


def _status(person: Person) -> str:
    if person.number % 23 == 0:
        return "Cancelled"
    return "Suspended" if person.number % 17 == 0 else "Active"


def _owed(person: Person, age: int) -> bool:
    """Return whether an invoice is unpaid: some customers owe the newest, a few the one before as well."""
    return (age == 0 and person.number % 4 == 0) or (age <= 1 and person.number % 9 == 0)


def _cycle_starts(first: date, today: date) -> list[date]:
    """Return the first days of all monthly cycles until today; at least one."""
    starts = [first]
    while (following := months_later(starts[0], len(starts), first.day)) <= today:
        starts.append(following)
    return starts


def _invoice(install: Install, person: Person, service: Service, product: Product, start: date, *, paid: bool) -> None:
    number = FIRST_INVOICE + len(install.invoices)
    last = months_later(start, 1) - timedelta(days=1)
    text = f"{product.name} ({start:%d/%m/%Y} - {last:%d/%m/%Y})"
    item = Item(install.new_id("item"), text, service.recurringamount, "Hosting", service.id)
    issued, settled = start.isoformat(), f"{start + timedelta(days=2)} 10:00:00"
    due, gateway = (start + timedelta(days=DUE_DAYS)).isoformat(), gateway_of(person)
    invoice = Invoice(
        number,
        service.clientid,
        issued,
        due,
        "Unpaid",
        gateway,
        f"{issued} 09:00:00",
        f"{issued} 09:00:00",
        items=[item],
    )
    install.invoices[number] = invoice
    if not paid:
        return
    total = totals(install, invoice).total
    invoice.status, invoice.datepaid, invoice.updated_at = "Paid", settled, settled
    paid_id = install.new_id("transaction")
    install.transactions[paid_id] = Transaction(
        paid_id, service.clientid, number, gateway, settled, "Invoice Payment", total, f"seed_{number}"
    )


def domain_of(past: PastOrder) -> str:
    """Return what WHMCS shows as a service's domain: the phone number of a SIM, the site of a hosting account."""
    if past.product.category == SIM:
        return f"0801{past.whmcs_order_id:07d}"
    return f"customer{past.person.number:03d}.example.com" if past.product.category == HOSTING else ""


def username_of(past: PastOrder) -> str:
    """Return the hosting account's name; its first eight characters are unique."""
    return f"c{past.whmcs_order_id:06d}"
