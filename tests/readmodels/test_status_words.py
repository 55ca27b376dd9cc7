"""Each status a customer may filter by is one that rows can have, and the other way round."""

from typing import get_args

from app.readmodels import invoices, subscriptions


def test_subscriptions_can_be_filtered_by_every_status_of_whmcs() -> None:
    assert set(subscriptions.STATUS_TEXTS) - {"unknown"} == set(get_args(subscriptions.ServiceStatus))


def test_an_invoice_is_what_whmcs_says_or_overdue_or_unknown() -> None:
    assert {*invoices.STATUSES.values(), "overdue", "unknown"} == set(get_args(invoices.InvoiceStatus))
