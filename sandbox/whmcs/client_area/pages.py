"""The client area's pages: plain HTML, a little CSS, no script."""

from collections.abc import Iterable
from html import escape

from sandbox.whmcs.actions.client_reads import shown
from sandbox.whmcs.billing import Totals
from sandbox.whmcs.state import Invoice, PayMethod
from sandbox.whmcs.state_services import Product, Service

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f4f5f7;color:#222}
header{background:#1d4f76;color:#fff;padding:1rem 2rem}header a{color:#cfe3f3;margin-right:1rem}
main{max-width:46rem;margin:2rem auto;background:#fff;padding:1.5rem 2rem;border-radius:6px;box-shadow:0 1px 3px #0002}
table{width:100%;border-collapse:collapse}th,td{text-align:left;padding:.4rem .5rem;border-bottom:1px solid #e3e5e8}
td.money,th.money{text-align:right}.status{padding:.1rem .6rem;border-radius:1rem;background:#e3e5e8}
.Paid,.Active{background:#cdeccf}.Unpaid,.Overdue{background:#f8d9c4}
input{padding:.4rem;margin:.2rem .5rem .2rem 0}
button{padding:.5rem 1.2rem;border:0;border-radius:4px;background:#1d4f76;color:#fff}
.note{padding:.6rem 1rem;border-radius:4px;background:#fff3cd}
"""


def page(title: str, *parts: str) -> str:
    """Return a whole page."""
    links = '<a href="/clientarea.php">Home</a> <a href="/index.php/account/paymentmethods">Payment methods</a>'
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'><title>{escape(title)}</title>"
    return (
        f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>"
        f"<header><strong>Sandbox Telecom billing</strong><br>{links}</header>"
        f"<main><h1>{escape(title)}</h1>{''.join(parts)}</main></body></html>"
    )


def note(text: str) -> str:
    """Return a message above the content."""
    return f'<p class="note" role="status">{escape(text)}</p>' if text else ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; cells are ready HTML."""
    top = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def badge(status: str) -> str:
    """Return a status badge."""
    return f'<span class="status {escape(status)}">{escape(status)}</span>'


def invoice_page(invoice: Invoice, sums: Totals, methods: list[PayMethod], message: str) -> str:
    """One invoice, and the form to pay it while it is unpaid."""
    rows = [(escape(item.description), shown(item.amount)) for item in invoice.items]
    rows += [("Subtotal", shown(sums.subtotal)), (f"Tax {invoice.taxrate:.0f} %", shown(sums.tax))]
    if invoice.credit:
        rows.append(("Credit", shown(-invoice.credit)))
    rows += [("<strong>Total</strong>", f"<strong>{shown(sums.total)}</strong>"), ("Balance", shown(sums.balance))]
    facts = f"<p>{badge(invoice.status)} Issued {invoice.date}, due {invoice.duedate}</p>"
    form = _payment_form(invoice, methods) if invoice.status == "Unpaid" else ""
    return page(f"Invoice #{invoice.id}", note(message), facts, table(("Description", "Amount"), rows), form)


def _payment_form(invoice: Invoice, methods: list[PayMethod]) -> str:
    on_file = f"<p>Card on file: {escape(_card(methods[0]))}</p>" if methods else ""
    required = "" if methods else " required"
    label = "Another card" if methods else "Card number"
    return (
        f'<form method="post" action="/viewinvoice.php?id={invoice.id}" id="pay"><h2>Pay this invoice</h2>{on_file}'
        f'<input type="hidden" name="pay" value="1">'
        f'<label>{label} <input name="card_number" inputmode="numeric" autocomplete="off"{required}></label>'
        f"<button>Pay now</button></form>"
    )


def mass_payment_page(chosen: Iterable[tuple[Invoice, Totals]], query: str) -> str:
    """Return several invoices, and the form that combines them into one."""
    rows = [(f"#{invoice.id}", invoice.duedate, shown(sums.balance)) for invoice, sums in chosen]
    form = (
        f'<form method="post" action="/clientarea.php?{escape(query)}" id="masspay">'
        f'<input type="hidden" name="geninvoice" value="true"><button>Make payment</button></form>'
    )
    return page("Mass payment", table(("Invoice", "Due", "Balance"), rows), form)


def methods_page(methods: list[PayMethod], message: str) -> str:
    """Return the payment methods on file, and the form to add a card."""
    rows = [(f"#{each.id}", escape(_card(each)), escape(each.expiry_date)) for each in methods]
    listed = table(("Id", "Method", "Expires"), rows) if rows else "<p>No payment method is on file yet.</p>"
    form = (
        '<form method="post" action="/index.php/account/paymentmethods" id="add-card"><h2>Add a card</h2>'
        '<label>Card number <input name="card_number" inputmode="numeric" autocomplete="off" required></label>'
        '<label>Expiry <input name="expiry" placeholder="MM/YY" size="6" required></label><button>Add card</button>'
        "<p><small>4242 4242 4242 4242 works; a card that ends in 0002 is declined when it is charged.</small></p>"
        "</form>"
    )
    return page("Payment methods", note(message), listed, form)


def _card(method: PayMethod) -> str:
    return f"{method.card_type} ending in {method.card_last_four}" if method.card_last_four else method.description


def home_page(name: str, invoices: Iterable[Invoice], services: Iterable[tuple[Service, Product | None]]) -> str:
    """Return the latest invoices and all services."""
    bills = [
        (f'<a href="/viewinvoice.php?id={each.id}">#{each.id}</a>', each.date, each.duedate, badge(each.status))
        for each in invoices
    ]
    plans = [
        (f"#{each.id}", escape(product.name if product else "?"), escape(each.domain), badge(each.status))
        for each, product in services
    ]
    return page(
        f"Welcome, {name}",
        "<h2>Invoices</h2>",
        table(("Invoice", "Issued", "Due", "Status"), bills),
        "<h2>Services</h2>",
        table(("Id", "Product", "Domain", "Status"), plans),
    )
