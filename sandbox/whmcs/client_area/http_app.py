"""The client area: single sign-on redemption, an invoice with its payment form, payment methods, an overview."""

import re
import secrets
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.clock import Clock
from sandbox.ports import World
from sandbox.whmcs.actions.instruments import store_card
from sandbox.whmcs.billing import charge_card, pay_methods, totals
from sandbox.whmcs.client_area import pages, returning
from sandbox.whmcs.client_area.mass_payment import is_collective, mass_payment
from sandbox.whmcs.install import Install
from sandbox.whmcs.state import Client, Invoice

COOKIE = "WHMCSsandbox"
SHOWN_INVOICES = 20
SPENT = "This link has been used already or has expired. Please open it again from the portal."
_CARD = re.compile(r"\d{12,19}")
_EXPIRY = re.compile(r"(0[1-9]|1[0-2])/?(\d\d)")

Form = dict[str, str]
Page = Callable[[Install, Clock, Client, Request, Form], Response]


async def form_of(request: Request) -> Form:
    """Return the fields of a posted form, the last of each name."""
    body = (await request.body()).decode("utf-8", "replace")
    return {name: values[-1].strip() for name, values in parse_qs(body, keep_blank_values=True).items()}


def redeem(world: World, request: Request) -> Response:
    """`/oauth/singlesignon.php`: a token opens a session once and leads to where it was made for."""
    install = world.whmcs
    token = install.tokens.pop(request.query_params.get("access_token", ""), None)
    install.changed()
    client = install.clients.get(token.clientid) if token else None
    if token is None or token.expires_at <= world.clock.now().timestamp():
        return HTMLResponse(pages.page("Link no longer valid", pages.note(SPENT)), 403)
    if client is None or client.status == "Closed":
        return HTMLResponse(pages.page("Account closed", pages.note("This account is closed.")), 403)
    session = secrets.token_urlsafe(24)
    install.sessions[session] = client.id
    response = RedirectResponse(f"/{token.path}", 302)
    response.set_cookie(COOKIE, session, httponly=True, samesite="lax", secure=request.url.scheme == "https")
    return response


def with_session(page: Page) -> Callable[[World, Request, Form], Response]:
    """Serve a page to the client whose session the cookie names. Everybody else is sent to the portal."""

    def handle(world: World, request: Request, form: Form) -> Response:
        client_id = world.whmcs.sessions.get(request.cookies.get(COOKIE, ""), 0)
        client = world.whmcs.clients.get(client_id)
        if client is None:
            text = "Please open this page from the portal."
            return HTMLResponse(pages.page("Please sign in", pages.note(text)), 403)
        back = returning.kept(world.whmcs, request.cookies[COOKIE], request.query_params)
        shown = page(world.whmcs, world.clock, client, request, form)
        return returning.lead_back(world.whmcs, request, shown, back) if back else shown

    return handle


def invoice(install: Install, clock: Clock, client: Client, request: Request, form: Form) -> Response:
    """`/viewinvoice.php?id=N`; a POST pays it."""
    text = request.query_params.get("id", "")
    found = install.invoices.get(int(text)) if text.isdecimal() else None
    if found is None or found.userid != client.id:
        return HTMLResponse(pages.page("Not found", pages.note("There is no such invoice.")), 404)
    message = _pay(install, clock, found, form) if request.method == "POST" and form.get("pay") else ""
    methods = pay_methods(install, client.id)
    return HTMLResponse(pages.invoice_page(found, totals(install, found), methods, message))


def _pay(install: Install, clock: Clock, invoice: Invoice, form: Form) -> str:
    """Charge the given card or the one on file. Return the message for the customer."""
    if invoice.status != "Unpaid":
        return "This invoice is not open any more."
    number = form.get("card_number", "").replace(" ", "").replace("-", "")
    methods = pay_methods(install, invoice.userid)
    if number and not _CARD.fullmatch(number):
        return "This is not a card number."
    if not number and not methods:
        return "There is no card on file. Please give a card number."
    charged = number[-4:] or methods[0]
    declined = charge_card(install, clock, invoice, charged, f"ch_{secrets.token_hex(8)}")
    return "The card was declined. Nothing was charged." if declined else "Thank you, your payment was received."


def payment_methods(install: Install, clock: Clock, client: Client, request: Request, form: Form) -> Response:
    """`/index.php/account/paymentmethods`; a POST adds a card, of which the number is forgotten at once."""
    message = ""
    if request.method == "POST":
        number, expiry = form.get("card_number", "").replace(" ", ""), _EXPIRY.fullmatch(form.get("expiry", ""))
        if not _CARD.fullmatch(number) or expiry is None:
            message = "Please give a card number and its expiry as MM/YY."
        else:
            card = store_card(install, clock, client.id, number, f"{expiry[1]}/{expiry[2]}", silent=False)
            message = f"The {card.card_type} ending in {card.card_last_four} was added."
    return HTMLResponse(pages.methods_page(pay_methods(install, client.id), message))


def home(install: Install, clock: Clock, client: Client, request: Request, form: Form) -> Response:
    """`/clientarea.php`, with its page for paying several invoices."""
    if request.query_params.get("action") == "masspay":
        return mass_payment(install, clock, client, request, form)
    own = (each for each in reversed(install.invoices.values()) if each.userid == client.id)
    bills = [each for each in own if not is_collective(each)][:SHOWN_INVOICES]
    services = [
        (each, install.products.get(each.pid)) for each in install.services.values() if each.clientid == client.id
    ]
    return HTMLResponse(pages.home_page(client.firstname, bills, services))
