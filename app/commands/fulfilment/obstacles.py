"""Contents of an order that cannot be fulfilled: checked before any effect, and again before the step they concern.

An unknown or missing value is never replaced by the likeliest one: a line of the wrong kind, or a bill of the wrong
amount, is harder to undo than an order that waits for staff.
"""

from collections.abc import Iterator

from app.commands.fulfilment.work import Fail, is_plan
from app.intake.billing_cycles import UNKNOWN, cycle_of
from app.intake.parse import money
from app.intake.words import folded
from app.integrations.salesforce.activation import FulfilmentLine, LiveOrder
from app.integrations.salesforce.orders import ESIM, PHYSICAL, Porting
from app.readmodels.catalog import CATEGORIES, OTHER
from app.readmodels.services import CLASSES

SIM_TYPES = frozenset({folded(ESIM), folded(PHYSICAL)})
SIM_KINDS = {"dataonly": "E2", "datasmsvoice": "E0", "voiceonly": "E0"}
"""SIM_Plan_Type__c, folded → Freebit's word."""
GENDERS = {"male": "M", "female": "W", "corporate/other": "C"}
"""Porting_Gender__c, folded → Freebit's word."""


def obstacle(order: LiveOrder) -> Fail | None:
    """Return the first obstacle of the order, if there is one."""
    return next(_obstacles(order), None)


def _obstacles(order: LiveOrder) -> Iterator[Fail]:
    for line in order.lines:
        yield from _unclear(line)
    plans = [line for line in order.lines if folded(line.category) == "sim" and is_plan(line)]
    for plan in plans:
        if folded(plan.sim_plan_type) not in SIM_KINDS:
            shown = _shown("SIM_Plan_Type__c", plan.sim_plan_type)
            yield Fail("SIM_PLAN_TYPE_UNKNOWN", f"The product {plan.sku} has {shown}: data only, or with voice?")
    if plans and folded(order.sim_type) not in SIM_TYPES:
        yield Fail("SIM_TYPE_UNKNOWN", f"The order has {_shown('SIM_Type__c', order.sim_type)}: eSIM, or a card?")
    if plans and order.porting:
        yield from _unclear_transfer(order.porting)


def _unclear(line: FulfilmentLine) -> Iterator[Fail]:
    if line.quantity is None or line.quantity < 1:
        yield Fail("QUANTITY_NOT_WHOLE", f"The quantity of {line.sku} is not a whole number.")
    if line.unit_price is None:
        yield Fail("PRICE_MISSING", f"The order has no price for {line.sku}.")
    if any((stated or 0) < 0 for stated in (line.unit_price, money(line.billed_price), money(line.billed_setup_fee))):
        yield Fail("PRICE_MISSING", f"The price of {line.sku} is below zero. Enter what it costs; 0 gives it away.")
    for name, value, is_known in (
        ("Product2Categories1__c", line.category, folded(line.category) in {*CATEGORIES, OTHER}),
        ("Item_Class__c", line.item_class, folded(line.item_class) in CLASSES),
        ("Billing_Cycle__c", line.billing_cycle, cycle_of(line.billing_cycle) != UNKNOWN),
    ):
        if not is_known:
            yield Fail(
                "PRODUCT_UNCLEAR", f"The product {line.sku} has {_shown(name, value)}, which is unknown to the portal."
            )


def _unclear_transfer(porting: Porting) -> Iterator[Fail]:
    if folded(porting.gender) not in GENDERS:
        shown = _shown("Porting_Gender__c", porting.gender)
        yield Fail("PORTING_GENDER_UNKNOWN", f"The number transfer has {shown}: Male, Female or Corporate/Other?")


def _shown(field: str, value: str | None) -> str:
    shown = " ".join((value or "").split())[:40]
    return f"{field} “{shown}”" if shown else f"no {field}"
