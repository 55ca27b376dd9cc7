"""The way back to the portal, as the hook file `portal-return.php` adds it to WHMCS's pages. Without its configuration,
the origins, WHMCS is as the vendor makes it: single sign-on ends on its own page."""

from collections.abc import Mapping
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox.whmcs.install import Install

PARAMETER = "portal_return"
TOP = b"<main>"


def kept(install: Install, session: str, query: Mapping[str, str]) -> str:
    """Return the address that this session leads back to, after keeping the one that the request brings."""
    given = query.get(PARAMETER, "")
    if any(given == origin or given.startswith((f"{origin}/", f"{origin}?")) for origin in install.return_origins):
        install.returns[session] = given
        install.changed()
    return install.returns.get(session, "")


def lead_back(install: Install, request: Request, page: Response, url: str) -> Response:
    """Show a link on top of a page; leave the page of an invoice that is paid."""
    text = request.query_params.get("id", "")
    invoice = install.invoices.get(int(text)) if text.isdecimal() else None
    if request.url.path.endswith("/viewinvoice.php") and invoice is not None and invoice.status == "Paid":
        return RedirectResponse(url, 303)
    if not isinstance(page, HTMLResponse):
        return page
    link = f'<p class="portal-return"><a href="{escape(url)}">Back to the customer portal</a></p>'
    return HTMLResponse(bytes(page.body).replace(TOP, TOP + link.encode(), 1), page.status_code)
