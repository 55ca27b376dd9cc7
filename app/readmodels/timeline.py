"""The timeline: one history of an account over orders, billing, services and cases; and its notifications, which are
the entries that a customer should not miss.

Every area is a slice of its own with a table of this shape, fed by its own records; `read_model.timeline` is all of
them. An entry's id is made of what happened, not of when it was heard of, so that the same news heard twice, or after a
rebuild, is the same entry.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from app.readmodels.table import Table

CHARGE_REFUSED = "The bank did not say why. Often a card has reached its limit or was replaced."
CARD_EXPIRED = "The card on file had expired."

Area = Literal["orders", "billing", "services", "cases"]


def table(name: str) -> Table:
    """The table of one area. `at` may lie ahead: what is due then is shown from then on."""
    return Table(
        name,
        "entry_id",
        {
            "account_id": "uuid",
            "entry_id": "text",
            "record_id": "text",
            "at": "timestamptz",
            "area": "text",
            "kind": "text",
            "notifies": "bool",
            "version": "bigint",
            "as_of": "timestamptz",
            "document": "bytea",
        },
        root="record_id",
    )


class Entry(Struct, frozen=True, kw_only=True):
    """Something that happened, and what it is about.

    Attributes:
        kind: a stable word, e.g. `invoice_paid`.
        reason: why, where the upstream says or the portal can tell.
    """

    entry_id: str
    at: datetime
    area: Area
    kind: str
    text: str
    reason: str | None
    order_id: str | None
    invoice_id: str | None
    subscription_ids: list[str]
    case_id: str | None
