"""Charges: what WHMCS bills like a service and is none. Fees, in instalments too, and whatever is billed once."""

from datetime import date

from msgspec import Struct

from app.intake.billing_cycles import CycleWord
from app.money import Money
from app.readmodels.catalog import CategoryWord
from app.readmodels.services import ADD_ON, ClassWord
from app.readmodels.subscriptions import StatusWord
from app.readmodels.table import Table

TABLE = Table(
    "charges",
    "charge_id",
    {
        "account_id": "uuid",
        "charge_id": "text",
        "product_id": "text",
        "product_name": "text",
        "category": "text",
        "item_class": "text",
        "status": "text",
        "upstream_status": "text",
        "billing_cycle": "text",
        "amount": "numeric",
        "currency": "text",
        "registered_on": "date",
        "next_due_on": "date",
        "whmcs_order_id": "text",
        "sort_id": "bigint",
        "version": "bigint",
        "as_of": "timestamptz",
        "summary": "bytea",
    },
)


SUBSCRIPTION_OF = f"""(
SELECT s.subscription_id FROM read_model.subscriptions s
WHERE s.account_id = charges.account_id AND s.whmcs_order_id = charges.whmcs_order_id AND s.category = charges.category
      AND s.item_class IS DISTINCT FROM '{ADD_ON}'
ORDER BY s.sort_id LIMIT 1)"""
"""The service that a row of `charges` belongs to: the plan of its category in the same WHMCS order; null for none."""


class Charge(Struct, frozen=True, kw_only=True):
    """A fee of the customer's, or a product that is billed once.

    `amount` is billed once or, of instalments, each cycle; null if it cannot be read. `next_due_on` is the day on which
    the next instalment is billed.
    """

    charge_id: str
    """The id of the charge."""
    name: str
    category: CategoryWord
    item_class: ClassWord
    status: StatusWord
    """The state of the charge; `unknown` where the billing system's word is none of these."""
    billing_cycle: CycleWord
    amount: Money | None
    registered_on: date | None
    next_due_on: date | None
