"""WHMCS's daily run: invoices, late fees, captures, reminders, cancellations, suspensions, terminations, in that order.

It follows the installation's settings, and counts what it did in the automation log.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.clock import Clock
from sandbox.whmcs import cron
from sandbox.whmcs.billing import charge_card, pay_methods, totals
from sandbox.whmcs.cycles import parse_date
from sandbox.whmcs.install import CARD_GATEWAY, Install
from sandbox.whmcs.state import Invoice, Item
from sandbox.whmcs.state_services import Service

LATE_FEE = "LateFee"
HOOKS = {"Suspended": "Suspend", "Terminated": "Terminate"}
NOT_RECURRING = ("One Time", "Free Account")


def run(install: Install, clock: Clock) -> dict[str, Any]:
    """Do everything that is switched on; return the counters."""
    automation = install.automation
    made = {
        ("CreateInvoices", "invoice.created"): len(cron.generate(install, clock)),
        ("AddLateFees", "invoice.latefees"): _add_late_fees(install, clock),
        **_capture(install, clock),
        ("InvoiceReminders", "overdue.first"): _remind(install, clock),
        ("CancellationRequests", "cancellations"): len(cron.cancel(install, clock)),
        ("AutoSuspensions", "suspended"): _end(install, clock, "AutoSuspension", "Suspended"),
        ("AutoTerminations", "terminations"): _end(install, clock, "AutoTermination", "Terminated"),
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
        if any(item.type == LATE_FEE for item in invoice.items):
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
        cards = pay_methods(install, invoice.userid) if invoice.paymentmethod == CARD_GATEWAY else []
        tried_on = parse_date(invoice.last_capture_attempt)
        if not cards or tried_on == clock.today() or (tried_on and automation.is_on("CCAttemptOnlyOnce")):
            continue
        counted[charge_card(install, clock, invoice, cards[0], f"cron_{invoice.id}") is None] += 1
    return {
        ("ProcessCreditCardPayments", "captured"): counted[True],
        ("ProcessCreditCardPayments", "failures"): counted[False],
    }


def _remind(install: Install, clock: Clock) -> int:
    automation, count = install.automation, 0
    if not automation.is_on("SendReminder"):
        return 0
    overdue_on = clock.today() - automation.days("SendFirstOverdueInvoiceReminder")
    for invoice in _unpaid(install, overdue_on):
        if parse_date(invoice.duedate) == overdue_on:
            install.log(clock, f"Email Sent (First Invoice Overdue Notice) - Invoice ID: {invoice.id}", invoice.userid)
            count += 1
    return count


def _end(install: Install, clock: Clock, setting: str, status: str) -> int:
    """Suspend or terminate services whose next due date is too long ago."""
    automation, count = install.automation, 0
    if not automation.is_on(setting):
        return 0
    last_due = clock.today() - automation.days(f"{setting}Days")
    for service in install.services.values():
        due = parse_date(service.nextduedate)
        if due is None or due > last_due or service.billingcycle in NOT_RECURRING or not _may_end(service, status):
            continue
        service.status = status
        if status == "Suspended":
            service.suspensionreason = "Overdue on Payment"
        else:
            service.terminationdate = clock.today().isoformat()
        install.fire(clock, f"AfterModule{HOOKS[status]}", "service", service.id, service.clientid)
        count += 1
    return count


def _may_end(service: Service, status: str) -> bool:
    return service.status == "Active" or (status == "Terminated" and service.status == "Suspended")
