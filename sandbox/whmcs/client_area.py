"""The client area a customer's browser sees: single sign-on, an invoice that can be paid, cards that can be added."""

import html
import re
import secrets
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox import gate
from sandbox.whmcs import api
from sandbox.whmcs.hooks import fire
from sandbox.whmcs.install import Install, Invoice, PayMethod, money
from sandbox.whmcs.invoices import pay

COOKIE = "WHMCSsandbox"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #ccc;padding:.4rem;text-align:left}"
    "button{padding:.5rem 1.2rem}.paid{color:#187a3a}.due{color:#a33}"
)


def app(world: Any) -> Starlette:
    """API and client area of the install."""

    def page(path: str, name: str, show: Any) -> Route:
        async def endpoint(request: Request) -> Response:
            async def work() -> Response:
                answer: Response = await show(world, request)
                return answer

            return await gate.answer(world, "whmcs", request, f"page:{name}", work)

        return Route(path, endpoint, methods=["GET", "POST"])

    async def call(request: Request) -> Response:
        return await api.endpoint(world, request)

    return Starlette(
        routes=[
            Route("/includes/api.php", call, methods=["POST"]),
            page("/oauth/singlesignon.php", "sso", _redeem),
            page("/viewinvoice.php", "invoice", _invoice),
            page("/index.php/account/paymentmethods", "paymentmethods", _methods),
            page("/clientarea.php", "clientarea", _home),
        ]
    )


def _html(title: str, body: str, status: int = 200) -> HTMLResponse:
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
    return HTMLResponse(f"{head}<h1>{title}</h1>{body}</html>", status)


async def _redeem(world: Any, request: Request) -> Response:
    install: Install = world.whmcs
    found = install.sso_tokens.pop(request.query_params.get("access_token", ""), None)
    if found is None or found[2] < world.clock.now():
        return _html("Link expired", "<p>This link was used already or is too old. Please ask for a new one.</p>", 403)
    session = secrets.token_hex(16)
    install.browser_sessions[session] = found[0]
    response = RedirectResponse(f"/{found[1]}", 302)
    response.set_cookie(COOKIE, session, httponly=True, secure=True, samesite="lax")
    return response


def _who(world: Any, request: Request) -> int | None:
    client_id: int | None = world.whmcs.browser_sessions.get(request.cookies.get(COOKIE, ""))
    return client_id


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode()))


async def _invoice(world: Any, request: Request) -> Response:
    install: Install = world.whmcs
    client_id, number = _who(world, request), request.query_params.get("id", "")
    invoice = install.invoices.get(int(number)) if number.isdigit() else None
    if client_id is None or invoice is None or invoice.client_id != client_id:
        return _html("Please log in", "<p>This page needs you to be logged in.</p>", 403)
    form = await _form(request) if request.method == "POST" else {}
    if form.get("pay") and invoice.status == "Unpaid":
        if not install.methods_of(client_id) and not form.get("card_number"):
            return _html(f"Invoice #{invoice.id}", "<p>Please give a card.</p>", 400)
        pay(world, invoice)
    return _html(f"Invoice #{invoice.id}", _invoice_body(invoice, bool(install.methods_of(client_id))))


def _invoice_body(invoice: Invoice, has_card: bool) -> str:
    rows = "".join(f"<tr><td>{html.escape(item.description)}<td>¥{money(item.amount)}</tr>" for item in invoice.items)
    table = (
        f"<table>{rows}<tr><td>Tax<td>¥{money(invoice.tax)}</tr><tr><th>Total<th>¥{money(invoice.total)}</tr></table>"
    )
    if invoice.status != "Unpaid":
        return f"<p class=paid>{invoice.status}</p>{table}"
    card = "" if has_card else "<label>Card <input name=card_number></label> "
    button = f"<form method=post action='/viewinvoice.php?id={invoice.id}'>{card}<input type=hidden name=pay value=1>"
    pay_button = f"{button}<button>Pay ¥{money(invoice.balance)}</button></form>"
    return f"<p class=due>Unpaid, due {invoice.due}</p>{table}{pay_button}"


async def _methods(world: Any, request: Request) -> Response:
    install: Install = world.whmcs
    client_id = _who(world, request)
    if client_id is None:
        return _html("Please log in", "<p>This page needs you to be logged in.</p>", 403)
    form = await _form(request) if request.method == "POST" else {}
    if form.get("card_number"):
        digits = re.sub(r"\D", "", form["card_number"])
        if len(digits) < 12 or not re.fullmatch(r"\d{2}/\d{2}", form.get("expiry", "")):
            return _html("Payment methods", "<p>Please check the card number and its expiry (MM/YY).</p>", 400)
        add_method(world, client_id, digits, form["expiry"])
    rows = "".join(f"<tr><td>{m.brand}<td>•••• {m.last_four}<td>{m.expiry}</tr>" for m in install.methods_of(client_id))
    add = (
        "<form method=post><label>Card number <input name=card_number></label> "
        "<label>Expiry <input name=expiry placeholder=MM/YY></label> <button>Add card</button></form>"
    )
    return _html("Payment methods", f"<table>{rows}</table>{add}")


def add_method(world: Any, client_id: int, digits: str, expiry: str, *, silent: bool = False) -> PayMethod:
    """Store a card: brand and last four, nothing else."""
    brand = {"4": "Visa", "5": "MasterCard", "3": "JCB"}.get(digits[:1], "Card")
    method = PayMethod(next(world.whmcs.next_id), client_id, brand, digits[-4:], expiry, world.clock.now())
    world.whmcs.pay_methods[method.id] = method
    if not silent:
        fire(world, "CCUpdate", "pay_method", "", client_id)
    return method


async def _home(world: Any, request: Request) -> Response:
    if _who(world, request) is None:
        return _html("Please log in", "<p>This page needs you to be logged in.</p>", 403)
    return _html("Client area", "<p>Welcome back.</p>")
