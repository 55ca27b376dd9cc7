"""Past orders of the sample customers, the same in Salesforce's and WHMCS's seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.salesforce.org.seed import BEGINNING
from sandbox.seed.people import Person
from sandbox.seed.products import SERVICE, Product


@dataclass(frozen=True)
class PastOrder:
    """One finished order of one service."""

    person: Person
    product: Product
    placed: datetime
    whmcs_order_id: int


def history(people: Sequence[Person], products: Sequence[Product]) -> Iterator[PastOrder]:
    """One or two for every customer who is a WHMCS client. The rule is the one in the Salesforce seed."""
    services = [product for product in products if product.item_class == SERVICE]
    for person in people:
        for turn in range(1 + person.number % 2 if person.has_whmcs else 0):
            product = services[(person.number * 7 + turn * 3) % len(services)]
            placed = BEGINNING + timedelta(days=person.number % 150 + 20 * turn, hours=person.number % 9)
            yield PastOrder(person, product, placed, person.number * 10 + turn)
