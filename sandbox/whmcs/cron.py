"""WHMCS's daily run, as far as the stand-in does it: end services whose cancellation is due, bill active ones whose
cycle has no invoice yet."""

from collections.abc import Collection
from datetime import date

from sandbox.clock import Clock
from sandbox.whmcs.actions.clients import default_gateway
from sandbox.whmcs.billing import advance, apply_credit, new_invoice, service_items, totals
from sandbox.whmcs.cycles import parse_date
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import ZERO, Invoice, Item
from sandbox.whmcs.state_services import Service


def cancel(install: Install, clock: Clock) -> list[Service]:
    """Carry out requests to cancel: immediate ones now, the others once the paid period is over."""
    ended = []
    for request in install.cancel_requests.values():
        service = install.services.get(request.relid)
        if service is None or service.status not in ("Active", "Suspended", "Pending"):
            continue
        due = parse_date(service.nextduedate)
        if request.type == "Immediate" or due is None or due <= clock.today():
            service.status, service.terminationdate = "Cancelled", clock.today().isoformat()
            install.log(clock, f"Automatic Cancellation Process - Service ID: {service.id}", service.clientid)
            install.fire(clock, "AfterModuleTerminate", "service", service.id, service.clientid)
            ended.append(service)
    return ended


def generate(install: Install, clock: Clock, *, client_id: int = 0, service_ids: Collection[int] = ()) -> list[Invoice]:
    """One invoice a client and cycle start, with the lines of all its services; one-time products are billed once."""
    made = []
    for (owner, start), services in sorted(_due(install, clock.today(), client_id, service_ids).items()):
        client = install.clients[owner]
        items: list[Item] = []
        for service in services:
            items += service_items(install, service, start)
            advance(service)
        invoice = new_invoice(
            install, clock, client, items, due=max(start, clock.today()), gateway=default_gateway(client)
        )
        install.log(clock, f"Created Invoice - Invoice ID: {invoice.id}", owner)
        install.fire(clock, "InvoiceCreation", "invoice", invoice.id, owner)
        install.fire(clock, "InvoiceCreated", "invoice", invoice.id, owner)
        if client.credit > ZERO and not install.automation.is_on("NoAutoApplyCredit"):
            apply_credit(install, clock, invoice, min(client.credit, totals(install, invoice).balance))
        made.append(invoice)
    if made and any(_due(install, clock.today(), client_id, service_ids)):
        made += generate(install, clock, client_id=client_id, service_ids=service_ids)
    return made


def _due(
    install: Install, today: date, client_id: int, service_ids: Collection[int]
) -> dict[tuple[int, date], list[Service]]:
    """Services that lack the invoice of a cycle that has begun, by client and the cycle's first day; those that
    somebody asked to cancel are billed no more."""
    due: dict[tuple[int, date], list[Service]] = {}
    leaving = {request.relid for request in install.cancel_requests.values()}
    for service in install.services.values():
        start = parse_date(service.nextinvoicedate)
        if service.status != "Active" or service.id in leaving or start is None or start > today:
            continue
        if client_id in (0, service.clientid) and (not service_ids or service.id in service_ids):
            due.setdefault((service.clientid, start), []).append(service)
    return due
