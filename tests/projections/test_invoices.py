"""An invoice's sums agree with its lines and payments, whatever WHMCS says; each kind of line and money is named."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from app.events import Record
from app.intake import unreadable
from app.money import rounded
from app.projections.invoices import projector
from app.projections.projector import Group
from app.readmodels.invoices import STATUSES, Invoice
from app.settings import Settings
from tests.fixtures.changes import INVOICE
from tests.projections.test_timeline import TRANSACTION

AT = datetime(2026, 2, 1, tzinfo=UTC)
CENTS = st.decimals(-10_000_000, 10_000_000, places=2).map(str)
SOME = st.decimals(0, 10_000_000, places=2).map(str)
TYPES = st.sampled_from(["Hosting", "Setup", "PromoHosting", "Invoice", "DomainRegister", "LateFee", "", "New in 2030"])
LINES = st.fixed_dictionaries(
    {
        "id": st.just("1"),
        "type": TYPES,
        "relid": st.sampled_from(["0", "55"]),
        "description": st.text(max_size=5),
        "amount": CENTS,
        "taxed": st.sampled_from(["0", "1"]),
    }
)
MONEY = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["1", "2", "3"]),
        "refundid": st.sampled_from(["", "0", "1", "2"]),
        "gateway": st.just("stripe"),
        "transid": st.just("t"),
        "date": st.none(),
        "amountin": SOME,
        "amountout": SOME,
    }
)
ANYTHING = st.fixed_dictionaries(
    {
        **dict.fromkeys(("subtotal", "tax", "tax2", "credit", "total", "balance"), CENTS),
        "items": st.lists(LINES, max_size=4),
        "transactions": st.lists(MONEY, max_size=4),
        "currencycode": st.sampled_from(["JPY", "USD", "KWD"]),
    }
)


def shown(settings: Settings, **data: Any) -> tuple[Invoice, dict[str, Any]]:
    """Return the document and the row of an invoice."""
    record = Record(
        source="whmcs",
        object="invoice",
        record_id="77",
        version=1,
        occurred_at=AT,
        verified_at=AT,
        data={**INVOICE, **data},
        owner_id="1001",
    )
    group = Group(account_id=UUID(int=1), item_id="77", records=[record], context={})
    [row] = projector(settings).project(group).rows
    return msgspec.json.decode(row["document"], type=Invoice), dict(row)


def amount(money: Any) -> Decimal:
    return Decimal(money.amount)


@hypothesis.given(data=ANYTHING)
@hypothesis.settings(max_examples=300, deadline=None)
def test_the_sums_agree_with_the_lines_whatever_whmcs_says(settings: Settings, data: dict[str, Any]) -> None:
    invoice, row = shown(settings, **data)
    lines = sum((amount(item.amount) for item in invoice.items), Decimal())
    within = amount(invoice.tax) if invoice.prices_include_tax else Decimal()
    assert lines == amount(invoice.subtotal) + within
    assert amount(invoice.total) == amount(invoice.subtotal) + amount(invoice.tax) - amount(invoice.credit)
    assert amount(invoice.balance) == amount(invoice.total) - amount(invoice.paid) + amount(invoice.refunded)
    assert amount(invoice.tax) == sum((amount(line.amount) for line in invoice.tax_lines), Decimal())
    assert amount(invoice.paid) == sum((amount(each.amount) for each in invoice.payments), Decimal())
    assert amount(invoice.refunded) == sum((amount(each.amount) for each in invoice.refunds), Decimal())
    assert amount(invoice.total) == rounded(data["total"], data["currencycode"]), (
        "the total is WHMCS's own: it is what is asked for"
    )
    names = ("subtotal", "tax", "credit", "total", "paid", "refunded", "balance")
    assert all(row[name] == amount(getattr(invoice, name)) for name in names)


def test_a_plain_invoice_gets_no_adjustment(settings: Settings) -> None:
    invoice, _ = shown(settings)
    assert [item.kind for item in invoice.items] == ["service"]
    assert invoice.items[0].subscription_id == "55"
    assert (invoice.subtotal.amount, invoice.tax.amount, invoice.total.amount) == ("1480", "148", "1628")
    assert [(line.rate_percent, line.amount.amount) for line in invoice.tax_lines] == [("10.000", "148")]


def test_prices_that_include_tax_are_known_by_their_sums(settings: Settings) -> None:
    line = {**INVOICE["items"][0], "amount": "1628.00"}
    invoice, _ = shown(settings, items=[line])
    assert invoice.prices_include_tax
    assert [item.amount.amount for item in invoice.items] == ["1628"]
    assert invoice.subtotal.amount == "1480"


def test_two_taxes_are_two_lines(settings: Settings) -> None:
    invoice, _ = shown(settings, tax="80.00", tax2="30.00", taxrate="8.000", taxrate2="3.000", total="1590.00")
    lines = [(line.rate_percent, line.amount.amount) for line in invoice.tax_lines]
    assert lines == [("8.000", "80"), ("3.000", "30")]
    assert invoice.tax.amount == "110"


def test_lines_that_do_not_come_to_the_total_say_so(settings: Settings) -> None:
    invoice, _ = shown(settings, total="1728.00")
    assert [(item.kind, item.description, item.amount.amount) for item in invoice.items][1:] == [
        ("adjustment", "Adjustment", "100")
    ]


def test_a_refund_is_distinguished_from_its_payment(settings: Settings) -> None:
    paid = {"id": "5", "refundid": "0", "gateway": "stripe", "transid": "ch_1", "date": "2026-01-10 10:00:00"}
    back = {**paid, "id": "6", "refundid": "5", "transid": "re_1", "date": "2026-01-12 10:00:00"}
    money = [{**paid, "amountin": "1628.00", "amountout": "0.00"}, {**back, "amountin": "0.00", "amountout": "628.00"}]
    invoice, _ = shown(settings, status="Refunded", transactions=money, balance="628.00")
    [payment], [refund] = invoice.payments, invoice.refunds
    assert (payment.payment_id, payment.amount.amount, payment.refunded.amount) == ("5", "1628", "628")
    assert payment.paid_at == datetime(2026, 1, 10, 1, tzinfo=UTC), "WHMCS's clock is in Tokyo"
    assert (refund.payment_id, refund.amount.amount, refund.reference) == ("5", "628", "re_1")
    assert (invoice.paid.amount, invoice.refunded.amount, invoice.balance.amount) == ("1628", "628", "628")


def test_a_collective_invoice_is_recognised(settings: Settings) -> None:
    lines = [{**INVOICE["items"][0], "type": "Invoice", "relid": number} for number in ("71", "72")]
    invoice, row = shown(settings, items=lines, tax="0.00", total="2960.00")
    assert invoice.collective
    assert row["collective"]
    assert [item.invoice_id for item in invoice.items] == ["71", "72"]
    assert not shown(settings)[1]["collective"]


ISSUED = {theirs: ours for theirs, ours in STATUSES.items() if ours != "draft"}


@pytest.mark.parametrize("word", ["Draft", "draft", " DRAFT "])
def test_a_draft_is_shown_to_nobody(settings: Settings, word: str) -> None:
    with pytest.raises(ValueError, match="not enough values"):
        shown(settings, status=word)


@pytest.mark.parametrize(("theirs", "ours"), [*ISSUED.items(), ("Held By Aliens", "unknown")])
def test_every_status_of_whmcs_has_a_word_and_is_kept_as_it_was(settings: Settings, theirs: str, ours: str) -> None:
    invoice, row = shown(settings, status=theirs)
    assert (invoice.status, row["status"], row["upstream_status"]) == (ours, ours, theirs)


def test_amounts_are_in_the_currency_of_the_client(settings: Settings) -> None:
    for currency, text in (("JPY", "1628"), ("USD", "1628.00"), ("KWD", "1628.000")):
        invoice, row = shown(settings, currencycode=currency)
        assert (invoice.total.amount, invoice.total.currency, row["currency"]) == (text, currency, currency)


def test_a_failed_charge_shows_its_time(settings: Settings) -> None:
    invoice, _ = shown(settings, last_capture_attempt="2026-01-20 09:00:00")
    assert invoice.charge_attempted_at == datetime(2026, 1, 20, tzinfo=UTC)
    assert shown(settings)[0].charge_attempted_at is None


@pytest.mark.parametrize(
    ("data", "unknown"),
    [
        ({"total": "a lot"}, {"subtotal", "total", "balance"}),
        ({"total": None}, {"subtotal", "total", "balance"}),
        ({"tax": "10 %%"}, {"subtotal", "tax"}),
        ({"credit": "??"}, {"subtotal", "credit"}),
        ({"transactions": [{**TRANSACTION, "amountin": "x"}]}, {"paid", "balance"}),
        ({"transactions": [{**TRANSACTION, "amountout": "x"}]}, {"refunded", "balance"}),
        ({"items": [{**INVOICE["items"][0], "amount": "x"}]}, set()),
    ],
)
def test_an_amount_that_cannot_be_read_is_null_with_all_that_needs_it_and_the_invoice_is_shown(
    settings: Settings, data: dict[str, Any], unknown: set[str]
) -> None:
    invoice, row = shown(settings, **data)
    names = ("subtotal", "tax", "credit", "total", "paid", "refunded", "balance")
    assert {name for name in names if getattr(invoice, name) is None} == unknown
    assert {name for name in names if row[name] is None} == unknown
    assert not [item for item in invoice.items if item.kind == "adjustment"], "what is unknown is made up by no line"


@pytest.mark.parametrize("word", ["-0001-11-30", "0000-00-00 00:00", "soon", "2026-02-31"])
def test_a_date_that_cannot_be_read_is_null(settings: Settings, word: str) -> None:
    invoice, row = shown(settings, duedate=word, datepaid=word, date=word, last_capture_attempt=word)
    assert (invoice.due_on, invoice.paid_at, invoice.issued_on, invoice.charge_attempted_at) == (None,) * 4
    assert row["due_on"] is None


def test_amounts_and_dates_of_a_localised_billing_system_are_read(settings: Settings) -> None:
    invoice, _ = shown(settings, total="1,628.00", duedate="30/11/2026")
    assert invoice.total is not None
    assert (invoice.total.amount, str(invoice.due_on)) == ("1628", "2026-11-30")


@pytest.mark.parametrize(
    ("status", "due"),
    [
        ("Unpaid", "1628"),
        ("unpaid ", "1628"),
        ("Overdue", "1628"),
        ("Paid", "0"),
        ("Cancelled", "0"),
        ("Refunded", "0"),
        ("Collections", "0"),
        ("Payment Pending", "0"),
        ("Written Off", "0"),
        ("", "0"),
    ],
)
def test_only_what_can_be_paid_is_due(settings: Settings, status: str, due: str) -> None:
    invoice, row = shown(settings, status=status)
    assert invoice.amount_due is not None
    assert (invoice.amount_due.amount, invoice.balance.amount) == (due, "1628")
    assert msgspec.json.decode(row["summary"])["amount_due"] == {"amount": due, "currency": "JPY"}


def test_what_was_paid_too_much_is_not_due(settings: Settings) -> None:
    paid = {"id": "5", "refundid": "0", "amountin": "2000", "amountout": "0"}
    invoice, _ = shown(settings, transactions=[paid])
    assert invoice.amount_due is not None
    assert (invoice.balance.amount, invoice.amount_due.amount) == ("-372", "0")


def test_a_third_decimal_is_kept_where_the_currency_has_one(settings: Settings) -> None:
    line = {**INVOICE["items"][0], "amount": "1.505"}
    invoice, row = shown(settings, currencycode="KWD", items=[line], tax="0", total="1.505")
    assert (invoice.total.amount, invoice.items[0].amount.amount) == ("1.505", "1.505")
    assert row["total"] == Decimal("1.505")


def test_a_status_that_nobody_knows_is_counted(settings: Settings) -> None:
    unreadable.taken()
    shown(settings, status="Written Off")
    assert [(each.object, each.field, each.record_id) for each in unreadable.taken()] == [("invoice", "status", "77")]
