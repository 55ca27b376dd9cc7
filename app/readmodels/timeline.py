"""The timeline: one history of an account over orders, billing, services and cases. Some entries are notifications.

Every area is a read model of its own with a table of this shape, fed by its own records; `read_model.timeline` is their
union. An entry's id is derived from the event, not from when it was received, so an event that is received twice, or
again in a rebuild, is the same entry.
"""

from datetime import datetime
from typing import Annotated, Literal, get_args

import msgspec

from app.intake.words import one_of
from app.readmodels.ordering.order_life import OrderStatus
from app.readmodels.table import Table
from app.words.sentence import Phrase, say
from app.words.worded import Worded

CHARGE_REFUSED = say("timeline.charge_refused")
CARD_EXPIRED = say("timeline.card_expired")

Area = Literal["orders", "billing", "services", "cases"]
EntryKind = Annotated[
    str,
    one_of(
        [
            *(f"order_{status}" for status in get_args(OrderStatus)),
            *("invoice_issued", "invoice_overdue", "invoice_paid", "invoice_refunded", "invoice_cancelled"),
            *("charge_failed", "payment_received"),
            *("service_registered", "service_active", "service_suspended", "service_ended"),
            *("change_scheduled", "change_made", "change_refused", "change_dropped"),
            *("case_opened", "case_answered", "case_closed"),
        ]
    ),
]
"""The kinds of events in an account's history."""


def table(name: str) -> Table:
    """Describe the table of one area. `at` may be in the future: such an entry is shown from then on."""
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


class Entry(Worded, frozen=True, kw_only=True):
    """An event in an account's history, with what it concerns.

    Attributes:
        kind: a stable name, e.g. `invoice_paid`.
        reason: why it happened, if the upstream says so or it can be inferred.
    """

    entry_id: str
    at: datetime
    area: Area
    kind: EntryKind
    text: str
    reason: str | None
    order_id: str | None
    invoice_id: str | None
    subscription_ids: list[str]
    case_id: str | None
    text_phrases: tuple[Phrase, ...] = ()
    reason_phrases: tuple[Phrase, ...] = ()


class StoredEntry(Entry, frozen=True, kw_only=True, omit_defaults=True):
    """An entry as its row keeps it.

    Attributes:
        billed_ids: what an invoice bills, services and charges alike; `subscription_ids` is then empty. The catalog
            decides which of them are services, so they are told apart when the entry is read.
    """

    billed_ids: list[str] = msgspec.field(default_factory=list)
