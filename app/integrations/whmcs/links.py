"""Destinations of single sign-on links in WHMCS's client area, in the vendor's terms."""

from collections.abc import Iterable
from urllib.parse import quote

REDIRECT = "sso:custom_redirect"
"""There is no destination for one invoice, nor a dependable one for payment methods: all go by path."""
INVOICE_PATH = "viewinvoice.php?id={invoice_id}"
PDF_PATH = "dl.php?type=i&id={invoice_id}"
PAYMENT_METHODS_PATH = "index.php/account/paymentmethods"
"""Unverified on a real install; the documented destination `clientarea:billing_info` is the alternative."""
LIFETIME_SECONDS = 60


RETURN_PARAMETER = "portal_return"
"""Read by the company's hook file `portal-return.php`; WHMCS itself ignores it."""


def returning(path: str, return_url: str | None) -> str:
    """Add the address to which WHMCS's pages lead back.

    Single sign-on itself only opens a page of WHMCS: `sso_redirect_path` is relative, and WHMCS has no parameter for an
    address outside. That it keeps a query string of this path is unverified on a real installation.
    """
    if return_url is None:
        return path
    return f"{path}{'&' if '?' in path else '?'}{RETURN_PARAMETER}={quote(return_url, safe='')}"


def several_path(invoice_ids: Iterable[str]) -> str:
    """Compose the path that pays several invoices at once; the installation must have *Enable Mass Payment* on.

    Unverified on a real installation: the page is documented, selecting invoices by address is not; `all=true` is the
    alternative.
    """
    return "clientarea.php?action=masspay&" + "&".join(f"invoiceids%5B%5D={each}" for each in invoice_ids)
