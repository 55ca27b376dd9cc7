"""Freebit's lines and WHM's accounts at the beginning: those of the services that customers have."""

from collections.abc import Sequence

from sandbox.freebit.state import Freebit, Line
from sandbox.seed.billing import domain_of, username_of
from sandbox.seed.history import history
from sandbox.seed.people import Person
from sandbox.seed.products import HOSTING, SIM, Product
from sandbox.whm.state import Account, Whm, package

GIGABYTE_MB = 1_024
DISK_GB = {"Basic": 5, "Pro": 20, "Business": 100}


def seed_freebit(freebit: Freebit, people: Sequence[Person], products: Sequence[Product]) -> None:
    """Create a line for every SIM service."""
    for past in history(people, products):
        if past.product.category == SIM:
            number, plan = domain_of(past), past.product.fields["SIM_Plan_Code__c"]
            done_at = past.placed.timestamp()
            freebit.lines[number] = Line(number, plan, "sim", done_at, product_number=f"AX{past.whmcs_order_id:013d}")


def seed_whm(whm: Whm, people: Sequence[Person], products: Sequence[Product]) -> None:
    """Create a package for every hosting plan, named as the plan is, and the accounts of customers who have one."""
    whm.packages["default"] = package(1_024, 10)
    for product in products:
        if product.category == HOSTING:
            whm.packages[product.name] = package(DISK_GB[product.name.split()[-1]] * GIGABYTE_MB, 100)
    for past in history(people, products):
        if past.product.category == HOSTING:
            user, started = username_of(past), int(past.placed.timestamp())
            whm.accounts[user] = Account(
                user, domain_of(past), past.product.name, whm.user, past.person.email, started, "Sample-hosting-pw"
            )
