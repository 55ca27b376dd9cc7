"""The dunning of an invoice, and of the services that it bills, from the portal's own record of it.

The record says what the portal did and does next; the invoice says whether anything is still to be paid. Nothing is
shown unless both agree, so a payment ends it in the commit that shows the payment.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from app.events import Record
from app.projections.parts.fields import plain
from app.projections.parts.invoice_lines import sums
from app.projections.projector import Group
from app.readmodels.billing import dunning_sentences
from app.readmodels.billing.dunning import (
    OF_SERVICE,
    RECORD,
    Dunning,
    DunningFacts,
    DunningState,
    decline_of,
    most_urgent,
)
from app.readmodels.invoices import PAYABLE, status_of
from app.words.sentence import Sentence

STATES: Mapping[str, DunningState] = {
    "trying": "retrying",
    "grace": "grace",
    "suspended": "suspended",
    "paused": "paused",
}


def facts_of(record: Record) -> DunningFacts | None:
    """Read a mirrored record of dunning; None where another release wrote it in a shape that this one cannot read."""
    try:
        return msgspec.convert(record.data, DunningFacts)
    except msgspec.ValidationError:
        return None


def facts_of_invoice(group: Group) -> DunningFacts | None:
    """Return what is recorded of an invoice's dunning, in any state."""
    return next((facts for each in group.of(RECORD) if (facts := facts_of(each))), None)


def of_invoice(invoice: Record, group: Group) -> Dunning | None:
    """Return the dunning of an invoice; None if there is none, or nothing is to be paid."""
    facts = facts_of_invoice(group)
    if facts is None or facts.status not in STATES or not _is_owed(invoice.data):
        return None
    return _shown(facts, dunning_sentences.of_invoice(facts, number_of(invoice)))


def of_service(group: Group) -> Dunning | None:
    """Return the most urgent dunning of the invoices that bill a service; None if there is none.

    An invoice that suspended other services of the customer, but not this one, is not shown here.
    """
    found = []
    for each in group.of(OF_SERVICE):
        facts = facts_of(each)
        invoice = group.context.get(("invoice", facts.invoice_id)) if facts else None
        if facts is None or invoice is None or facts.status not in STATES or not _is_owed(invoice.data):
            continue
        if facts.status == "suspended" and not is_suspended(facts):
            continue
        found.append(_shown(facts, dunning_sentences.of_service(facts, number_of(invoice), *_at_provider(group))))
    return most_urgent(found)


def _at_provider(group: Group) -> tuple[str, bool]:
    """Return the provider of a service and whether it has suspended it; of others' services WHMCS's word is enough."""
    states = group.of("provider_state")
    if not states:
        return "", True
    return plain(states[0].data.get("type")), plain(states[0].data.get("actual_status")) == "suspended"


def is_suspended(facts: DunningFacts) -> bool:
    """Return whether dunning suspended this service and has not switched it on again."""
    return facts.service_suspended_at is not None and facts.service_resumed_at is None


def number_of(invoice: Record) -> str:
    """Return the number that is printed on an invoice."""
    return plain(invoice.data.get("invoicenum")) or invoice.record_id


def _is_owed(data: Mapping[str, Any]) -> bool:
    """Return whether the invoice can be paid, and anything of it is open. An unreadable balance counts as open."""
    balance = sums(data).balance
    return status_of(plain(data.get("status"))) in PAYABLE and (balance is None or balance > 0)


def _shown(facts: DunningFacts, text: Sentence) -> Dunning:
    return Dunning(
        invoice_id=facts.invoice_id,
        state=STATES[facts.status],
        text=text,
        next_steps=dunning_sentences.next_steps(facts),
        attempt=facts.attempts,
        max_attempts=facts.max_attempts,
        next_attempt_at=facts.next_attempt_at,
        suspends_on=facts.suspend_on,
        suspended_at=facts.suspended_at,
        paused_until=facts.paused_until,
        decline=decline_of(facts.decline_code) if facts.decline_code else None,
    )
