"""Destinations of single sign-on links in WHMCS's client area, in the vendor's terms."""

from collections.abc import Iterable

REDIRECT = "sso:custom_redirect"
"""There is no destination for one invoice, nor a dependable one for payment methods: all go by path."""
INVOICE_PATH = "viewinvoice.php?id={invoice_id}"
PDF_PATH = "dl.php?type=i&id={invoice_id}"
PAYMENT_METHODS_PATH = "index.php/account/paymentmethods"
"""Unverified on a real install; the documented destination `clientarea:billing_info` is the alternative."""
LIFETIME_SECONDS = 60


def several_path(invoice_ids: Iterable[str]) -> str:
    """Compose the path that pays several invoices at once; the installation must have *Enable Mass Payment* on.

    Unverified on a real installation: the page is documented, selecting invoices by address is not; `all=true` is the
    alternative.
    """
    return "clientarea.php?action=masspay&" + "&".join(f"invoiceids%5B%5D={each}" for each in invoice_ids)
