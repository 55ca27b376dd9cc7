"""Billing in the timeline: invoices issued, overdue, declined, paid, refunded and cancelled.

Times are WHMCS's own. Events without a date there, such as a cancellation or an earlier charge attempt, are known from
the stages that were seen.

Reads: whmcs invoice, its invoice_stages, invoice_upgrades and dunning; the client's addons.
Writes: read_model.timeline_invoices.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from app.events import Record
from app.money import Money, money
from app.projections.parts import dunning_events
from app.projections.parts.dunning import facts_of_invoice
from app.projections.parts.fields import amount, day, local_instant, objects, plain
from app.projections.parts.invoice_lines import currency_of, is_collective, is_draft
from app.projections.parts.line_services import CONTEXT, READS, billed, translations
from app.projections.parts.timeline_events import EventSubject, TimelineEvent, beginning_of, rows, time_of_day_event
from app.projections.projector import Group, Projected, Projector
from app.readmodels import timeline as readmodel
from app.readmodels.billing.dunning import RECORD
from app.readmodels.timeline import CHARGE_REFUSED
from app.settings import Settings
from app.words.sentence import Sentence, say

OWED = frozenset({"Unpaid", "Collections"})
SETTLED = frozenset({"Paid", "Refunded"})
NEXT_METHOD = timedelta(minutes=2)
"""Most time between a declined charge and one with the next payment method."""


def projector(settings: Settings) -> Projector:
    """Build the projector of the timeline of invoices. WHMCS's times are in the zone of its server."""
    zone = ZoneInfo(settings.whmcs_time_zone)

    def project(group: Group) -> Projected:
        found = group.of("invoice")
        if not found or not _is_shown(found[0].data):
            return Projected()
        return Projected(rows=rows(group, _subject(group, found[0]), list(_events(found[0], group, zone))))

    return Projector(
        name="timeline_invoices",
        version=4,
        source="whmcs",
        scope="record",
        root="invoice",
        reads=("invoice", "invoice_stage", RECORD, *READS),
        owner_context=CONTEXT,
        table=readmodel.table("timeline_invoices"),
        project=project,
    )


def _is_shown(data: dict[str, Any]) -> bool:
    """Return whether customers see the invoice: it is neither a draft nor only a collection of other invoices."""
    return not is_draft(data) and not is_collective(objects(data.get("items")))


def _subject(group: Group, invoice: Record) -> EventSubject:
    billed_ids = billed(invoice.data, translations(group, invoice))
    return EventSubject(area="billing", invoice_id=invoice.record_id, billed_ids=billed_ids)


def _events(invoice: Record, group: Group, zone: ZoneInfo) -> Iterator[TimelineEvent]:
    data, currency, stages = invoice.data, currency_of(invoice.data), group.of("invoice_stage")
    number, total = plain(data.get("invoicenum")) or invoice.record_id, amount(data.get("total"), currency)
    due = day(data.get("duedate"))
    yield TimelineEvent(
        kind="invoice_issued",
        at=time_of_day_event(day(data.get("date")), stages, zone),
        text=_issued(number, money(total, currency) if total is not None else None, due),
        notifies=True,
    )
    yield from _overdue(data, number, zone)
    declined = list({each.dedup_key: each for each in _charges(data, number, stages, zone)}.values())
    yield from dunning_events.told(facts_of_invoice(group), declined, number)
    yield from _money(data, number, zone)
    for stage in stages:
        if stage.data.get("status") == "Cancelled" == plain(data.get("status")):
            text = say("timeline.invoice_cancelled", number=number)
            yield TimelineEvent(kind="invoice_cancelled", at=stage.occurred_at, text=text, notifies=True)


def _issued(number: str, total: Money | None, due: date | None) -> Sentence:
    if total and due:
        return say("timeline.invoice_issued_over_by", number=number, amount=total, due_on=due)
    if total:
        return say("timeline.invoice_issued_over", number=number, amount=total)
    return (
        say("timeline.invoice_issued_by", number=number, due_on=due)
        if due
        else say("timeline.invoice_issued", number=number)
    )


def _overdue(data: dict[str, Any], number: str, zone: ZoneInfo) -> Iterator[TimelineEvent]:
    """Yield the overdue event on the day after the due date, possibly in the future, unless paid by then."""
    due = day(data.get("duedate"))
    at = beginning_of(due + timedelta(days=1) if due and due < date.max else None, zone)
    paid_at = local_instant(data.get("datepaid"), zone)
    late = plain(data.get("status")) in OWED or (at is not None and paid_at is not None and paid_at > at)
    if at and due and amount(data.get("total"), currency_of(data)) != Decimal() and late:
        yield TimelineEvent(
            kind="invoice_overdue",
            at=at,
            text=say("timeline.invoice_overdue", number=number, due_on=due),
            notifies=True,
        )


def _charges(data: dict[str, Any], number: str, stages: list[Record], zone: ZoneInfo) -> Iterator[TimelineEvent]:
    """Yield the declined charge attempts, which left the invoice unpaid.

    Where another payment method was accepted right afterwards, there is nothing to tell.
    """
    paid_at = local_instant(data.get("datepaid"), zone) if plain(data.get("status")) in SETTLED else None
    for state in (*(stage.data for stage in stages), data):
        attempt = plain(state.get("last_capture_attempt"))
        if attempt and plain(state.get("status")) in ("Unpaid", "Collections"):
            at = local_instant(attempt, zone)
            if at and paid_at and timedelta() <= paid_at - at <= NEXT_METHOD:
                continue
            yield TimelineEvent(
                kind="charge_failed",
                at=at,
                text=say("timeline.charge_failed", number=number),
                dedup_key=attempt,
                notifies=True,
                reason=CHARGE_REFUSED,
            )


def _money(data: dict[str, Any], number: str, zone: ZoneInfo) -> Iterator[TimelineEvent]:
    currency, transactions = currency_of(data), objects(data.get("transactions"))
    received = [(each, into) for each in transactions if (into := amount(each.get("amountin"), currency))]
    paid = plain(data.get("status")) in SETTLED
    if paid:
        text = say("timeline.invoice_paid", number=number)
        yield TimelineEvent(kind="invoice_paid", at=local_instant(data.get("datepaid"), zone), text=text, notifies=True)
    if len(received) > 1 or not paid:
        for each, into in received:
            text = say("timeline.payment_received", amount=money(into, currency), number=number)
            at = local_instant(each.get("date"), zone)
            yield TimelineEvent(kind="payment_received", at=at, text=text, dedup_key=plain(each.get("id")))
    for each in transactions:
        if back := amount(each.get("amountout"), currency):
            text = say("timeline.refunded", amount=money(back, currency), number=number)
            at = local_instant(each.get("date"), zone)
            yield TimelineEvent(
                kind="invoice_refunded", at=at, text=text, dedup_key=plain(each.get("id")), notifies=True
            )
