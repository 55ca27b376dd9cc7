"""WHMCS's daily run: invoices, late fees, captures, reminders, cancellations, suspensions, terminations, in that order.

It follows the installation's settings, and counts what it did in the automation log.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sandbox.clock import Clock
from sandbox.whmcs import cron
from sandbox.whmcs.automation import DAILY_HOUR
from sandbox.whmcs.billing import charge_card, pay_methods, totals
from sandbox.whmcs.cycles import parse_date
from sandbox.whmcs.endings import end_overdue
from sandbox.whmcs.install import CARD_GATEWAY, Install
from sandbox.whmcs.state import Invoice, Item

LATE_FEE = "LateFee"
REMINDERS = {
    "unpaid": ("SendInvoiceReminderDays", -1, "Invoice Payment Reminder"),
    "overdue.first": ("SendFirstOverdueInvoiceReminder", 1, "First Invoice Overdue Notice"),
    "overdue.second": ("SendSecondOverdueInvoiceReminder", 1, "Second Invoice Overdue Notice"),
    "overdue.third": ("SendThirdOverdueInvoiceReminder", 1, "Third Invoice Overdue Notice"),
}
"""Counter → setting of its days, before (-1) or after the due date, name of the mail."""
MOST_DAYS = 1_000


def run(install: Install, clock: Clock) -> dict[str, Any]:
    """Do everything that is switched on; return the counters."""
    automation = install.automation
    made = {
        ("CreateInvoices", "invoice.created"): len(cron.generate(install, clock)),
        ("AddLateFees", "invoice.latefees"): _add_late_fees(install, clock),
        **_capture(install, clock),
        **_remind(install, clock),
        ("CancellationRequests", "cancellations"): len(cron.cancel(install, clock)),
        ("AutoSuspensions", "suspended"): end_overdue(install, clock, "AutoSuspension", "Suspended"),
        ("AutoTerminations", "terminations"): end_overdue(install, clock, "AutoTermination", "Terminated"),
    }
    for (task, counter), number in made.items():
        automation.count(clock, task, counter, number)
    note_run(install, clock)
    return {f"{task}.{counter}": number for (task, counter), number in made.items()}


def note_run(install: Install, clock: Clock) -> None:
    """Remember that the daily run happened now."""
    install.automation.last_run = str(clock.local())
    install.changed()


def _unpaid(install: Install, due: date) -> Iterator[Invoice]:
    """Unpaid invoices that were due on a day or before it."""
    for invoice in list(install.invoices.values()):
        day = parse_date(invoice.duedate)
        if invoice.status == "Unpaid" and day is not None and day <= due:
            yield invoice


def _add_late_fees(install: Install, clock: Clock) -> int:
    automation, count = install.automation, 0
    amount = Decimal(automation.configuration["InvoiceLateFeeAmount"] or "0")
    if not amount:
        return 0
    for invoice in _unpaid(install, clock.today() - automation.days("AddLateFeeDays")):
        if any(item.type == LATE_FEE for item in invoice.items) or install.clients[invoice.userid].latefeeoveride:
            continue
        percent = automation.configuration["LateFeeType"] == "Percentage"
        fee = (totals(install, invoice).subtotal * amount / 100).quantize(Decimal("0.01")) if percent else amount
        invoice.items.append(Item(install.new_id("item"), "Late Fee", fee, LATE_FEE))
        install.fire(clock, "AddInvoiceLateFee", "invoice", invoice.id, invoice.userid)
        count += 1
    return count


def _capture(install: Install, clock: Clock) -> dict[tuple[str, str], int]:
    """Charge the cards of due invoices, once a day; nothing switches this off for all clients."""
    automation = install.automation
    counted = {True: 0, False: 0}
    for invoice in _unpaid(install, clock.today() + automation.days("CCProcessDaysBefore")):
        charges = invoice.paymentmethod == CARD_GATEWAY and not install.clients[invoice.userid].disableautocc
        cards = pay_methods(install, invoice.userid) if charges else []
        tried_on = parse_date(invoice.last_capture_attempt)
        if not cards or tried_on == clock.today() or (tried_on and automation.is_on("CCAttemptOnlyOnce")):
            continue
        counted[charge_card(install, clock, invoice, cards[0], f"cron_{invoice.id}") is None] += 1
    return {
        ("ProcessCreditCardPayments", "captured"): counted[True],
        ("ProcessCreditCardPayments", "failures"): counted[False],
    }


def _remind(install: Install, clock: Clock) -> dict[tuple[str, str], int]:
    """Remind of unpaid invoices on the days of the settings; 0 days is never."""
    automation, counted = install.automation, dict.fromkeys(REMINDERS, 0)
    for counter, (setting, direction, mail) in REMINDERS.items():
        days = automation.days(setting)
        due_on = clock.today() - direction * days
        for invoice in _unpaid(install, due_on) if automation.is_on("SendReminder") and days else ():
            if parse_date(invoice.duedate) != due_on or install.clients[invoice.userid].overideduenotices:
                continue
            install.log(clock, f"Email Sent ({mail}) - Invoice ID: {invoice.id}", invoice.userid)
            counted[counter] += 1
    return {("InvoiceReminders", counter): number for counter, number in counted.items()}


def run_until(install: Install, clock: Clock, offset_seconds: float) -> int:
    """Move the clock on, and run at every nine o'clock on the way; return how often."""
    until = clock.local() + timedelta(seconds=offset_seconds - clock.offset_seconds)
    nine = datetime.combine(clock.today(), time(DAILY_HOUR))
    nine += timedelta(days=nine <= clock.local())
    ran = 0
    while nine <= until and ran < MOST_DAYS:
        clock.offset_seconds += (nine - clock.local()).total_seconds()
        run(install, clock)
        nine, ran = nine + timedelta(days=1), ran + 1
    clock.offset_seconds = offset_seconds
    return ran
