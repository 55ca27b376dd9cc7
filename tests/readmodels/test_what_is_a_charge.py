"""A charge by cycle and class alone, and what a provider runs: every combination, without an engine."""

import itertools
from typing import get_args

from app.intake.billing_cycles import BillingCycle
from app.readmodels.services import ItemClass, is_charge, provided_as

CYCLES, CLASSES = get_args(BillingCycle), get_args(ItemClass)


def test_fees_are_charges_whatever_the_cycle() -> None:
    for cycle, sold_as, fee in itertools.product(CYCLES, CYCLES, ("installation", "activation")):
        assert is_charge(cycle, fee, sold_as)


def test_anything_else_is_one_exactly_if_it_is_billed_once() -> None:
    for cycle, sold_as, item_class in itertools.product(CYCLES, CYCLES, ("service", "add_on", "other")):
        told = cycle not in ("free", "unknown")
        once = cycle == "onetime" if told else sold_as == "onetime"
        assert is_charge(cycle, item_class, sold_as) is once, (cycle, sold_as, item_class)


def test_only_an_add_on_is_not_provided_by_itself() -> None:
    assert {item_class: provided_as("sim", item_class) for item_class in (*CLASSES, None)} == {
        "service": "sim",
        "add_on": "",
        "installation": "sim",
        "activation": "sim",
        "other": "sim",
        None: "sim",
    }
