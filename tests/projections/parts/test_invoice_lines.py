"""The parts of an invoice, each by itself: sums, lines, taxes, payments and refunds."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.money import Money
from app.projections.parts import invoice_lines
from app.projections.parts.invoice_lines import is_collective, is_draft, items, rate, sums, tax_lines
from app.readmodels.invoices import InvoiceItem, Payment, Refund, TaxLine

TOKYO = ZoneInfo("Asia/Tokyo")
AT = datetime(2026, 1, 10, 1, tzinfo=UTC)
"""Ten o'clock in Tokyo."""
NAMES = ("adjustment", "subtotal", "tax", "credit", "total", "paid", "refunded", "balance")


def bill(*amounts: Any, **more: Any) -> dict[str, Any]:
    """Return an invoice with lines of these amounts."""
    lines = [{"type": "Item", "amount": amount} for amount in amounts]
    return {"currencycode": "USD", "items": lines, "transactions": [], "total": "10.00", **more}


def yen(amount: int) -> Money:
    return Money(str(amount), "JPY")


def came_in(number: str, amount: str, **more: Any) -> dict[str, Any]:
    base = {"id": number, "refundid": "0", "gateway": "stripe", "transid": f"ch_{number}", "amountout": "0.00"}
    return {**base, "date": "2026-01-10 10:00:00", "amountin": amount, **more}


def went_out(number: str, amount: str, *, of: str, **more: Any) -> dict[str, Any]:
    return came_in(number, "0.00", amountout=amount, refundid=of, transid=f"re_{number}", **more)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bill("10.00"), "0 10 0 0 10 0 0 10"),
        (bill("4.00", "6.00", total=10), "0 10 0 0 10 0 0 10"),
        (bill("8.00"), "2 10 0 0 10 0 0 10"),
        (bill("8.00", tax="1.50", tax2="0.50"), "0 8 2 0 10 0 0 10"),
        (bill("13.00", credit="3.00"), "0 13 0 3 10 0 0 10"),
        (bill("12.00", tax="1.00", credit="3.00"), "0 12 1 3 10 0 0 10"),
        (bill("10.00", tax="", credit=None), "0 10 0 0 10 0 0 10"),
        (
            bill("10.00", transactions=[came_in("1", "7.00"), came_in("2", "4.00"), went_out("3", "2.00", of="1")]),
            "0 10 0 0 10 11 2 1",
        ),
        (bill("10.00", tax="x"), "0 ? ? 0 10 0 0 10"),
        (bill("10.00", credit="x"), "0 ? 0 ? 10 0 0 10"),
        (bill("10.00", total=None), "0 ? 0 0 ? 0 0 ?"),
        (bill("x"), "0 10 0 0 10 0 0 10"),
        (bill("10.00", transactions=[came_in("1", "x")]), "0 10 0 0 10 ? 0 ?"),
        (bill("10.00", transactions=[came_in("1", "7.00", amountout="x")]), "0 10 0 0 10 7 ? ?"),
        (bill("1.005", "1.005", total="2.02"), "0 2.02 0 0 2.02 0 0 2.02"),
    ],
)
def test_sums_agree_and_are_unknown_where_an_amount_that_they_need_is(data: dict[str, Any], expected: str) -> None:
    found = sums(data)
    wanted = [None if each == "?" else Decimal(each) for each in expected.split()]
    assert [getattr(found, name) for name in NAMES] == wanted
    assert not found.prices_include_tax


def test_prices_include_tax_when_the_lines_come_to_subtotal_and_tax() -> None:
    found = sums(bill("10.00", tax="1.00"))
    assert (found.prices_include_tax, found.adjustment, found.subtotal) == (True, 0, 9)


def test_what_the_lines_lack_is_a_line() -> None:
    [line, lacking] = items(bill("8.00"), Decimal("2.00"))
    assert line.kind == "item"
    assert lacking == InvoiceItem(
        description="Adjustment",
        amount=Money("2.00", "USD"),
        taxed=False,
        kind="adjustment",
        subscription_id=None,
        invoice_id=None,
    )
    assert len(items(bill("8.00"), Decimal())) == 1


@pytest.mark.parametrize(
    ("word", "kind", "subscription_id", "invoice_id"),
    [
        ("Hosting", "service", "55", None),
        ("Setup", "setup", "55", None),
        ("PromoHosting", "discount", "55", None),
        ("PromoDomain", "discount", None, None),
        ("DomainRegister", "domain", None, None),
        ("Invoice", "invoice", None, "55"),
        ("LateFee", "late_fee", None, None),
        ("", "item", None, None),
        ("New in 2030", "other", None, None),
    ],
)
def test_a_line_has_a_kind_and_names_what_it_is_for(
    word: str, kind: str, subscription_id: str | None, invoice_id: str | None
) -> None:
    line = {"type": word, "relid": "55", "description": "A line", "amount": "7.00", "taxed": "1"}
    assert items({"currencycode": "JPY", "items": [line]}, Decimal()) == [
        InvoiceItem(
            description="A line",
            amount=yen(7),
            taxed=True,
            kind=kind,
            subscription_id=subscription_id,
            invoice_id=invoice_id,
        )
    ]


@pytest.mark.parametrize(("taxed", "shown"), [("1", True), (True, True), ("0", False), (None, False)])
def test_a_line_is_taxed_or_not_however_it_is_written(taxed: Any, shown: bool) -> None:
    [line] = items({"items": [{"type": "Hosting", "relid": "", "amount": "x", "taxed": taxed}]}, Decimal())
    assert (line.taxed, line.amount, line.subscription_id) == (shown, None, None)


@pytest.mark.parametrize(
    ("words", "collective"),
    [(["Invoice"], True), (["Invoice", "Invoice"], True), (["Invoice", "Hosting"], False), (["Hosting"], False)],
)
def test_a_collective_bill_has_nothing_but_invoices(words: list[str], collective: bool) -> None:
    assert is_collective([{"type": word} for word in words]) is collective


def test_a_bill_without_lines_collects_nothing() -> None:
    assert not is_collective([])


@pytest.mark.parametrize(("status", "draft"), [("Draft", True), (" DRAFT ", True), ("Unpaid", False), (None, False)])
def test_a_draft_is_known_by_its_status(status: str | None, draft: bool) -> None:
    assert is_draft({"status": status}) is draft


def test_only_taxes_that_apply_are_lines() -> None:
    both = {"currencycode": "JPY", "taxrate": "8.000", "tax": "80.00", "taxrate2": "3.000", "tax2": "30.00"}
    assert tax_lines(both) == [
        TaxLine(rate_percent="8.000", amount=yen(80)),
        TaxLine(rate_percent="3.000", amount=yen(30)),
    ]
    assert tax_lines({**both, "tax": "0.00"}) == [TaxLine(rate_percent="3.000", amount=yen(30))]
    assert tax_lines({**both, "tax2": "x"}) == [TaxLine(rate_percent="8.000", amount=yen(80))]


@pytest.mark.parametrize(("written", "shown"), [("10.000", "10.000"), ("1e1", "10"), ("", "0"), (None, "0")])
def test_a_rate_is_shown_as_it_was_written(written: Any, shown: str) -> None:
    assert rate(written) == shown


def test_payments_are_shown_with_what_was_given_back_of_each() -> None:
    money = [
        came_in("5", "1000"),
        went_out("6", "300", of="5"),
        went_out("7", "200", of="5"),
        came_in("8", "500", amountout="50"),
        went_out("9", "10", of=""),
    ]
    found = invoice_lines.payments({"currencycode": "JPY", "transactions": money}, TOKYO)
    assert [(each.payment_id, each.amount, each.refunded) for each in found] == [
        ("5", yen(1000), yen(500)),
        ("8", yen(500), yen(50)),
    ]
    assert found[0] == Payment(
        payment_id="5", paid_at=AT, gateway="stripe", reference="ch_5", amount=yen(1000), refunded=yen(500)
    )


def test_refunds_name_the_payment_that_they_give_back_where_it_is_known() -> None:
    money = [
        came_in("5", "1000"),
        went_out("6", "300", of="5"),
        came_in("8", "500", amountout="50"),
        went_out("9", "10", of="0"),
        went_out("10", "10", of=""),
    ]
    found = invoice_lines.refunds({"currencycode": "JPY", "transactions": money}, TOKYO)
    assert [(each.refund_id, each.amount, each.payment_id) for each in found] == [
        ("6", yen(300), "5"),
        ("8", yen(50), "8"),
        ("9", yen(10), None),
        ("10", yen(10), None),
    ]
    assert found[0] == Refund(
        refund_id="6", refunded_at=AT, gateway="stripe", reference="re_6", amount=yen(300), payment_id="5"
    )
