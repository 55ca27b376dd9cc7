"""How WHMCS's daily run suspends and terminates services that are overdue, and how a payment ends a suspension.

It decides by the service's next due date, not by an invoice. Exempt are services of a client group with
`susptermexempt`, and those that staff exempted until a day.
"""

from datetime import date

from sandbox.clock import Clock
from sandbox.whmcs.cycles import parse_date
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Invoice
from sandbox.whmcs.state_services import Service

OVERDUE = "Overdue on Payment"
HOOKS = {"Suspended": "Suspend", "Terminated": "Terminate"}
NOT_RECURRING = ("One Time", "Free Account")


def end_overdue(install: Install, clock: Clock, setting: str, status: str) -> int:
    """Suspend or terminate services whose next due date is too long ago; return how many."""
    automation, count = install.automation, 0
    if not automation.is_on(setting):
        return 0
    last_due = clock.today() - automation.days(f"{setting}Days")
    for service in install.services.values():
        due = parse_date(service.nextduedate)
        if due is None or due > last_due or service.billingcycle in NOT_RECURRING or not _may_end(service, status):
            continue
        if _is_exempt(install, service, clock.today()):
            continue
        service.status = status
        if status == "Suspended":
            service.suspensionreason = OVERDUE
        else:
            service.terminationdate = clock.today().isoformat()
        install.fire(clock, f"AfterModule{HOOKS[status]}", "service", service.id, service.clientid)
        count += 1
    return count


def _may_end(service: Service, status: str) -> bool:
    return service.status == "Active" or (status == "Terminated" and service.status == "Suspended")


def _is_exempt(install: Install, service: Service, today: date) -> bool:
    group = install.client_groups.get(install.clients[service.clientid].groupid)
    if group is not None and group.susptermexempt:
        return True
    until = parse_date(service.overidesuspenduntil)
    if service.overideautosuspend and (until is None or today < until):
        return True
    return install.dialect.pending_stops_suspension and any(
        invoice.status == "Payment Pending" and _bills(invoice, service) for invoice in install.invoices.values()
    )


def _bills(invoice: Invoice, service: Service) -> bool:
    return any(item.type == "Hosting" and item.relid == service.id for item in invoice.items)


def resume_paid(install: Install, clock: Clock, service: Service) -> None:
    """End the suspension of a service whose invoice was paid, where that is on. One of staff's own reasons stays."""
    if not install.automation.is_on("AutoUnsuspend") or service.status != "Suspended":
        return
    if service.suspensionreason not in ("", OVERDUE):
        return
    service.status, service.suspensionreason = "Active", ""
    install.fire(clock, "AfterModuleUnsuspend", "service", service.id, service.clientid)
