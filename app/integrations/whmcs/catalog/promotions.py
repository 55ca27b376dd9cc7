"""Promotion codes, and the orders that their conditions look at.

WHMCS has no action that validates a code; it silently drops one that does not apply.
"""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from msgspec import Struct

from app.errors import UpstreamMalformed
from app.intake.billing_cycles import BillingCycle, cycle_of
from app.intake.fields import Fields
from app.intake.words import folded
from app.integrations.error_translation import translates_errors
from app.integrations.whmcs import lists
from app.integrations.whmcs.client import WhmcsClient
from app.integrations.whmcs.faults import WHMCS
from app.integrations.whmcs.wire import csv, text, yes_or_no

PERCENTAGE, FIXED, PRICE_OVERRIDE, FREE_SETUP = "Percentage", "Fixed Amount", "Price Override", "Free Setup"
KINDS = {folded(kind): kind for kind in (PERCENTAGE, FIXED, PRICE_OVERRIDE, FREE_SETUP)}
ACTIVE = "active"
ENDED = frozenset({"cancelled", "fraud"})
"""Statuses of orders that came to nothing. Any other word, of which an installation may have its own, is open."""
_ITEM = re.compile(r"0*([0-9]{1,18})|([AD])(\S{1,80})", re.I)


class Promotion(Struct, frozen=True, kw_only=True):
    """A discount with all the conditions that WHMCS tells. A condition is None where it cannot be read.

    Attributes:
        kind: one of `KINDS`, or WHMCS's own word if it is another.
        value: percent, money off, or the price itself, by kind.
        recurs_for: the number of renewals after the first bill, if `recurring`; 0 for all.
        product_ids: the products that it applies to, empty for every product. Add-ons and domains of WHMCS are `A12`
            and `D.com`; `?` is one that cannot be read.
        required_ids: products of which one is needed, in the same form.
        required_may_be_owned: a service that the client already has will do.
        cycles: the cycles that it applies to, empty for every cycle.
        starts_on: first day, in the installation's time zone; `expires_on` is the last one.
        max_uses: 0 for no limit.
        new_customers_only: the client may have no active order; `existing_customers_only`: must have one.
        once_per_order: only one product of an order is discounted, and not each.
        survives_plan_change: WHMCS's `lifetimepromo`.
        for_upgrades: meant for changes of plan, by rules that WHMCS keeps serialised.
    """

    code: str
    kind: str
    value: Decimal
    recurring: bool
    recurs_for: int = 0
    product_ids: frozenset[str] = frozenset()
    required_ids: frozenset[str] = frozenset()
    required_may_be_owned: bool | None = False
    cycles: frozenset[BillingCycle] = frozenset()
    starts_on: date | None = None
    expires_on: date | None = None
    max_uses: int = 0
    uses: int = 0
    new_customers_only: bool | None = False
    existing_customers_only: bool | None = False
    once_per_customer: bool | None = False
    once_per_order: bool | None = False
    survives_plan_change: bool | None = False
    for_upgrades: bool | None = False

    @property
    def depends_on_orders(self) -> bool:
        """Whether the client's former orders decide: a condition that cannot be read may."""
        conditions = (self.new_customers_only, self.existing_customers_only, self.once_per_customer)
        return any(each is not False for each in conditions)


class OrderHistory(Struct, frozen=True, kw_only=True):
    """A client's orders in WHMCS, as promotions look at them; codes are folded.

    Without `complete` there may be more orders than these.
    """

    active: int
    pending: int
    codes_active: frozenset[str]
    codes_pending: frozenset[str]
    codes_ended: frozenset[str]
    complete: bool


@translates_errors(WHMCS)
async def promotion(client: WhmcsClient, code: str) -> Promotion | None:
    """Find the promotion with this code, ignoring case.

    Raises:
        UpstreamMalformed: it exists, and its value or period cannot be read.
    """
    action = "GetPromotions"
    rows = lists.all_of(action, await client.call(action, {"code": code}), "promotions", "promotion")
    found = lists.read(action, rows, _promotion, object_name="promotion")
    of_code = next((each for each in found if each.code.casefold() == code.casefold()), None)
    if of_code is None and not (found.complete and not found.unread):
        raise UpstreamMalformed(WHMCS, action, "a promotion that cannot be read may be the one looked for")
    return of_code


@translates_errors(WHMCS)
async def order_history(client: WhmcsClient, whmcs_client_id: str) -> OrderHistory:
    """Read the client's orders."""
    found = await lists.rows_of(client.call, "GetOrders", {"userid": whmcs_client_id}, "orders", "order")
    orders = [(folded(text(row.get("status"))), folded(text(row.get("promocode")))) for row in map(_object, found.rows)]
    is_open = [status != ACTIVE and status not in ENDED for status, _ in orders]
    return OrderHistory(
        active=sum(status == ACTIVE for status, _ in orders),
        pending=sum(is_open),
        codes_active=frozenset(code for status, code in orders if status == ACTIVE and code),
        codes_pending=frozenset(code for (_, code), pends in zip(orders, is_open, strict=True) if pends and code),
        codes_ended=frozenset(code for status, code in orders if status in ENDED and code),
        complete=found.complete and all(isinstance(row, Mapping) for row in found.rows),
    )


def _object(row: Any) -> Mapping[str, Any]:
    return row if isinstance(row, Mapping) else {}


def _promotion(row: Mapping[str, Any]) -> Promotion:
    """Parse a promotion strictly: neither the discount nor its end may be guessed."""
    fields = Fields(WHMCS, "promotion", text(row.get("id")), row)
    value, recurring = fields.money("value"), fields.read("recurring", yes_or_no)
    if value is None or not text(row.get("code")) or (recurring is None and not fields.says_nothing("recurring")):
        raise ValueError("a promotion without code, value or term")
    return Promotion(
        code=text(row["code"]),
        kind=KINDS.get(folded(text(row.get("type"))), text(row.get("type"))),
        value=value,
        recurring=bool(recurring),
        recurs_for=_count(fields, "recurfor"),
        product_ids=_items(row.get("appliesto")),
        required_ids=_items(row.get("requires")),
        required_may_be_owned=fields.read("requiresexisting", yes_or_no),
        cycles=frozenset(cycle_of(each) for each in csv(text(row.get("cycles")))),
        starts_on=_day(fields, "startdate"),
        expires_on=_day(fields, "expirationdate"),
        max_uses=_count(fields, "maxuses"),
        uses=_count(fields, "uses"),
        new_customers_only=fields.read("newsignups", yes_or_no),
        existing_customers_only=fields.read("existingclient", yes_or_no),
        once_per_customer=fields.read("onceperclient", yes_or_no),
        once_per_order=fields.read("applyonce", yes_or_no),
        survives_plan_change=fields.read("lifetimepromo", yes_or_no),
        for_upgrades=fields.read("upgrades", yes_or_no),
    )


def _items(value: Any) -> frozenset[str]:
    """Parse product ids, and the add-ons and domains that WHMCS lists among them."""
    return frozenset(_item(each) for each in csv(text(value)))


def _item(token: str) -> str:
    found = _ITEM.fullmatch(token)
    if found is None:
        return "?"
    return found[1] or f"{found[2].upper()}{found[3]}"


def _day(fields: Fields, name: str) -> date | None:
    found = fields.day(name)
    if found is None and not fields.says_nothing(name):
        raise ValueError("a day that cannot be read")
    return found


def _count(fields: Fields, name: str) -> int:
    found = fields.whole_number(name)
    if found is None and not fields.says_nothing(name):
        raise ValueError("a number that cannot be read")
    return found or 0
