"""What counts as a service: the one definition, by billing cycle, product and state.

WHMCS calls everything that it bills a service. To customers a service is what goes on and recurs: a plan or an add-on.
A fee (activation, installation) is a charge, also one that is paid in instalments, and so is anything billed once. The
product decides, found by its number in WHMCS; a product that the catalog does not know is a service if it recurs.

Projectors apply `is_charge`, so read_model.subscriptions holds services and read_model.charges the rest. Whoever asks
what an account has uses the expressions below; their parameter $1 is the account. An add-on is no line of its own. A
status that nobody knows blocks, because the service may run, and unlocks nothing.

Reads: read_model.subscriptions.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from msgspec import Meta

from app.intake.billing_cycles import FREE, ONETIME, UNKNOWN, BillingCycle

ItemClass = Literal["service", "add_on", "installation", "activation", "other"]
"""Product2.Item_Class__c; `other` for a product of no known class."""
ClassWord = Annotated[str, Meta(extra_json_schema={"extra": {"enum": list(get_args(ItemClass))}})]
"""A class in a document. Documents of the release before may lack it, so it is not checked when read."""
PLAN: ItemClass = "service"
ADD_ON: ItemClass = "add_on"
UNCLASSED: ItemClass = "other"
FEES: tuple[ItemClass, ...] = ("installation", "activation")
CLASSES: Mapping[str, ItemClass] = {"service": PLAN, "add-on": ADD_ON, **{fee: fee for fee in FEES}}
"""Product2.Item_Class__c, folded → class."""

ACTIVE = "active"
RUNNING = ("pending", "active", "suspended")
"""Statuses of a service that has not ended."""
CHANGEABLE = ("active", "suspended")
"""Statuses in which a service can be cancelled."""
ENDED = ("terminated", "cancelled", "completed", "fraud")

_NOT_ENDED = f"status NOT IN ({', '.join(repr(each) for each in ENDED)})"
_LINE = f"FROM read_model.subscriptions WHERE account_id = $1 AND item_class IS DISTINCT FROM '{ADD_ON}'"
HOLDS_INTERNET = f"EXISTS (SELECT {_LINE} AND category = 'internet' AND {_NOT_ENDED})"
"""Whether the account has an Internet line, running or not known to have ended: there is no second one."""
ACTIVE_SIMS = f"(SELECT count(*) {_LINE} AND category = 'sim' AND status = '{ACTIVE}')"
"""The number of the account's active SIM lines: a family plan needs one."""
HOLDS_ANY = f"EXISTS (SELECT FROM read_model.subscriptions WHERE account_id = $1 AND {_NOT_ENDED})"
"""Whether the account has any service that may still be billed."""


def is_charge(cycle: BillingCycle, item_class: ItemClass, sold_as: BillingCycle) -> bool:
    """Return whether WHMCS's service is a charge and not a service.

    `cycle` is the service's own; one that is free or unknown says nothing, so the product's counts (`sold_as`).
    """
    billed = sold_as if cycle in (FREE, UNKNOWN) else cycle
    return item_class in FEES or billed == ONETIME


def provided_as(category: str, item_class: str | None) -> str:
    """Return the category by which a provider runs a service; empty for an add-on, which has no line or account."""
    return "" if item_class == ADD_ON else category
