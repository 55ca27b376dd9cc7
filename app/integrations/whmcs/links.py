"""Where single sign-on links lead inside WHMCS's client area, in the vendor's words."""

REDIRECT = "sso:custom_redirect"
"""There is no destination for one invoice, nor a dependable one for payment methods: both go by path."""
INVOICE_PATH = "viewinvoice.php?id={invoice_id}"
PAYMENT_METHODS_PATH = "index.php/account/paymentmethods"
"""Unverified on a real install; the documented destination `clientarea:billing_info` is the alternative."""
LIFETIME_SECONDS = 60
