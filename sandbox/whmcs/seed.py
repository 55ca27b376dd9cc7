"""The install at the beginning: clients of those who bought before, with services, invoices and cards."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.seed.people import Person
from sandbox.seed.products import Product
from sandbox.whmcs.client_area import add_method
from sandbox.whmcs.install import CUSTOMER_NUMBER_FIELD, Client, Payment, Service, local
from sandbox.whmcs.install import Product as Billed
from sandbox.whmcs.invoices import issue
from sandbox.whmcs.orders import following

FIRST_CLIENT = 1000
OWNED = ("SIM-DATA-10GB", "VPN-USA-SF", "INTERNET-SILVER-HOME-1G", "HOSTING-BASIC", "SIM-VOICE-25GB")


def seed(world: Any, people: Sequence[Person], products: Sequence[Product]) -> None:
    """Fill an empty install; nothing is announced."""
    for product in products:
        recurring = product.billing_cycle == "Monthly"
        world.whmcs.products[product.whmcs_pid] = Billed(
            product.whmcs_pid, product.name, product.category, Decimal(product.price), recurring
        )
    by_sku = {product.sku: product for product in products}
    for person in people:
        if person.has_whmcs:
            _client(world, person, by_sku)


def _client(world: Any, person: Person, by_sku: dict[str, Product]) -> None:
    client_id = FIRST_CLIENT + person.number
    fields = {
        "firstname": person.first_name,
        "lastname": person.last_name,
        "email": person.email,
        "companyname": "",
        "address1": person.address1,
        "address2": "",
        "city": person.city,
        "state": person.state,
        "postcode": person.postcode,
        "country": person.country,
        "phonenumber": person.phone,
    }
    custom = {CUSTOMER_NUMBER_FIELD: person.customer_number}
    world.whmcs.clients[client_id] = Client(client_id, fields, person.password, custom)
    if person.has_card:
        add_method(world, client_id, f"424242424242{person.number:04}", "11/29", silent=True)
    for index in range(person.number % 3):
        _service(world, client_id, by_sku[OWNED[(person.number + index) % len(OWNED)]], paid=index == 0)


def _service(world: Any, client_id: int, product: Product, *, paid: bool) -> None:
    begun = world.clock.now() - timedelta(days=40)
    registered, price = local(begun, seconds=False), Decimal(product.price)
    service = Service(
        next(world.whmcs.next_id),
        client_id,
        0,
        product.whmcs_pid,
        product.name,
        product.category,
        "",
        "Monthly",
        price,
        price,
        registered,
        following(following(registered, "Monthly"), "Monthly"),
        status="Active",
        invoiced=True,
    )
    world.whmcs.services[service.id] = service
    invoice = issue(world, client_id, [("Hosting", service.id, product.name, price)], silent=True)
    if paid:
        number = next(world.whmcs.next_id)
        invoice.payments.append(Payment(number, "stripe", begun, invoice.total, f"ch_seed_{service.id}"))
        invoice.status, invoice.paid_at = "Paid", local(begun)
