"""Several invoices paid at once: `/clientarea.php?action=masspay`, which makes one bill that collects the others."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.clock import Clock
from sandbox.whmcs import forms
from sandbox.whmcs.actions.clients import default_gateway
from sandbox.whmcs.billing import COLLECTED, new_invoice, totals
from sandbox.whmcs.client_area import pages
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Client, Invoice, Item


def is_collective(invoice: Invoice) -> bool:
    """Return whether an invoice only collects other invoices. The client area does not list such an invoice."""
    return bool(invoice.items) and all(item.type == COLLECTED for item in invoice.items)


def mass_payment(install: Install, clock: Clock, client: Client, request: Request, form: dict[str, str]) -> Response:
    """Show the chosen invoices, or all unpaid ones. A POST creates the collective invoice and redirects to it."""
    chosen = _chosen(install, client, request)
    if not chosen:
        return RedirectResponse("/clientarea.php?action=invoices", 302)
    if request.method == "POST" and form.get("geninvoice"):
        items = [_line(install, each) for each in chosen]
        made = new_invoice(install, clock, client, items, due=clock.today(), gateway=default_gateway(client))
        install.fire(clock, "InvoiceCreation", "invoice", made.id, client.id)
        return RedirectResponse(f"/viewinvoice.php?id={made.id}", 303)
    sums = [(each, totals(install, each)) for each in chosen]
    return HTMLResponse(pages.mass_payment_page(sums, str(request.url.query)))


def _chosen(install: Install, client: Client, request: Request) -> Sequence[Invoice]:
    query = forms.parse(request.query_params.multi_items())
    named = query.get("invoiceids")
    wanted = {str(each) for each in named.values()} if isinstance(named, dict) else set()
    return [
        each
        for each in install.invoices.values()
        if each.userid == client.id
        and each.status == "Unpaid"
        and not is_collective(each)
        and (str(each.id) in wanted or query.get("all"))
    ]


def _line(install: Install, invoice: Invoice) -> Item:
    text, balance = f"Invoice #{invoice.id}", totals(install, invoice).balance
    return Item(install.new_id("item"), text, balance, COLLECTED, invoice.id, taxed=False)
