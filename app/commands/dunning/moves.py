"""How a row moves on: after the day of a repetition, after a new method was tried, after a day of grace. Pure.

Each function returns the row as it is to be stored, and what the customer is told of it.
"""

from datetime import date, datetime, timedelta
from typing import Any

from msgspec import Struct, structs

from app.commands.dunning.charge import DeclinedMethod
from app.commands.dunning.decide import InvoiceFacts
from app.commands.dunning.journal import DunningRow, Told
from app.commands.dunning.look import Looked
from app.commands.dunning.policy import DunningPolicy
from app.commands.dunning.schedule import Calendar, forecast, slot_day, suspension_day

PAUSE = timedelta(hours=1)

Moved = tuple[DunningRow, list[Told]]


class InvoiceTerms(Struct, frozen=True):
    """By what the invoice is treated. `suspends`: something may be suspended for it, and suspending is the portal's."""

    policy: DunningPolicy
    calendar: Calendar
    suspends: bool


def begun(looked: Looked, terms: InvoiceTerms, at: datetime) -> DunningRow:
    """Return the row of an invoice that enters dunning, or begins again; nothing has been tried yet."""
    was, invoice = looked.row, looked.facts.invoice
    assert invoice is not None
    due_on = invoice.due_on or terms.calendar.day_of(at)
    first_on = max(slot_day(terms.policy, 1, due_on, None), terms.calendar.day_of(at))
    row = DunningRow(
        whmcs_invoice_id=int(looked.subject.invoice_id),
        account_id=str(looked.subject.account_id),
        whmcs_client_id=int(looked.subject.client_id),
        state="trying",
        max_attempts=len(terms.policy.retry_days),
        due_on=due_on,
        next_step_at=terms.calendar.opening(first_on),
        methods_seen=list(looked.facts.methods),
        subscription_ids=list(invoice.subscription_ids),
        round=was.round + 1 if was else 0,
        version=was.version if was else 0,
        adopted_by=was.adopted_by if was else None,
        started_at=at,
    )
    return _dated(row, looked.facts, terms, None)


def after_slot(
    row: DunningRow,
    slot: int,
    facts: InvoiceFacts,
    declines: tuple[DeclinedMethod, ...],
    terms: InvoiceTerms,
    at: datetime,
) -> Moved:
    """Move on after the day of a repetition, or after the charge on the due date, which is slot 0."""
    today, policy = terms.calendar.day_of(at), terms.policy
    told = [*_failed("payment_failed", slot, declines)]
    row = _declined(row, facts, declines)
    row = structs.replace(row, slot=slot, attempts=row.attempts + bool(declines and slot))
    if slot < len(policy.retry_days):
        next_on = slot_day(policy, slot + 1, row.due_on, today if slot else None)
        row = structs.replace(row, next_step_at=terms.calendar.opening(max(next_on, today + timedelta(days=1))))
        row = _dated(row, facts, terms, today if slot else None)
    else:
        suspend_on = suspension_day(terms.calendar, policy, today) if terms.suspends else None
        grace = {"state": "grace", "grace_seen": 0, "grace_seen_on": today, "suspend_on": suspend_on}
        row = structs.replace(row, next_step_at=None, next_attempt_at=None, **grace)
        told += [Told("suspension_announced", 0)] if suspend_on else []
    if not _left(row, facts) and facts.invoice and facts.invoice.chargeable:
        told.append(Told("new_card_needed", 0))
    return row, _detailed(told, row, terms.calendar)


def after_new_method(
    row: DunningRow, facts: InvoiceFacts, declines: tuple[DeclinedMethod, ...], terms: InvoiceTerms, at: datetime
) -> Moved:
    """Move on after a new payment method was declined: the schedule stays as it was."""
    row = _declined(row, facts, declines)
    next_attempt_at = row.next_step_at if row.state == "trying" and _left(row, facts) else None
    row = structs.replace(row, next_attempt_at=next_attempt_at)
    return row, _detailed([*_failed("new_method_failed", None, declines)], row, terms.calendar)


def paused(row: DunningRow, at: datetime) -> DunningRow:
    """Let a row stand still; it is looked at again in an hour."""
    return looked_at_again(row, at + PAUSE)


def looked_at_again(row: DunningRow, at: datetime) -> DunningRow:
    """Put the next look at a row off, and never bring forward what is planned for later."""
    if row.state != "trying":
        return row
    return structs.replace(row, next_step_at=max(filter(None, (row.next_step_at, at))))


def after_day(row: DunningRow, terms: InvoiceTerms, today: date, *, counted: bool) -> Moved:
    """Move on after a day of grace; one that does not count moves the suspension, and never to an earlier day."""
    seen = row.grace_seen + counted
    planned = suspension_day(terms.calendar, terms.policy, today if counted else today + timedelta(days=1), seen)
    told = [] if row.suspend_on or planned is None else [Told("suspension_announced", 0)]
    suspend_on = max(filter(None, (planned, row.suspend_on)), default=None)
    row = structs.replace(row, grace_seen=seen, suspend_on=suspend_on)
    if counted:
        row = structs.replace(row, grace_seen_on=today)
    return row, _detailed(told, row, terms.calendar)


def _dated(row: DunningRow, facts: InvoiceFacts, terms: InvoiceTerms, passed_on: date | None) -> DunningRow:
    """Return the row with the dates that the customer sees while charges are repeated."""
    planned = forecast(terms.calendar, terms.policy, row.slot + 1, row.due_on, passed_on) if terms.suspends else None
    return structs.replace(row, next_attempt_at=row.next_step_at if _left(row, facts) else None, suspend_on=planned)


def _left(row: DunningRow, facts: InvoiceFacts) -> bool:
    """Return whether anything is on file that may be charged."""
    chargeable = facts.invoice is not None and facts.invoice.chargeable and not facts.client.charges_off
    return chargeable and any(each not in row.methods_refused for each in facts.methods)


def _declined(row: DunningRow, facts: InvoiceFacts, declines: tuple[DeclinedMethod, ...]) -> DunningRow:
    refused = [each.method for each in declines if each.kind == "hard" and each.method]
    last = {"last_decline_kind": declines[-1].kind, "last_decline_code": declines[-1].code} if declines else {}
    return structs.replace(
        row,
        methods_seen=sorted({*row.methods_seen, *facts.methods}),
        methods_refused=sorted({*row.methods_refused, *refused}),
        **last,
    )


def _failed(step: str, number: int | None, declines: tuple[DeclinedMethod, ...]) -> list[Told]:
    if not declines:
        return []
    last = {"decline_kind": declines[-1].kind, "decline_code": declines[-1].code}
    return [Told(step, number, {**last, "tried_after": declines[0].tried_after})]


def _detailed(told: list[Told], row: DunningRow, calendar: Calendar) -> list[Told]:
    """Add what the customer reads with every step: the next attempt, and the day of suspension."""
    days: dict[str, Any] = {
        "next_attempt_on": calendar.day_of(row.next_attempt_at).isoformat() if row.next_attempt_at else None,
        "suspend_on": row.suspend_on.isoformat() if row.suspend_on else None,
    }
    return [structs.replace(each, detail={**days, **each.detail}) for each in told]
