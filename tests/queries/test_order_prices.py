"""Prices of an order are shown in the currency that they were agreed in, or else in the account's, or not at all."""

import msgspec
import pytest

from app.money import Money
from app.queries.order_prices import as_billed
from app.readmodels.ordering.order_life import STATES
from app.readmodels.orders import Order, OrderItem, OrderSummary

YEN = Money("2700", "JPY")
ITEM = OrderItem(
    order_item_id="802",
    sku="VPN-USA-SF",
    name="VPN",
    billing_cycle="monthly",
    quantity=1,
    unit_price=YEN,
    total=YEN,
    subscription_id=None,
)
ORDER = Order(
    order_id="801",
    order_number="1",
    status="in_review",
    status_text=STATES["in_review"].text,
    next_step="wait",
    review_status="Pending Review",
    activation_status=None,
    reason=None,
    placed_at=None,
    effective_date=None,
    total=YEN,
    items=[ITEM],
    address={},
    address_changed=False,
    timeline=[],
)
SUMMARY = OrderSummary(
    **{name: getattr(ORDER, name) for name in OrderSummary.__struct_fields__ if name != "item_count"}, item_count=1
)


@pytest.mark.parametrize(
    ("recorded", "currency", "reason"),
    [
        ("JPY", "JPY", None),
        ("JPY", "USD", None),
        ("JPY", None, None),
        (None, "JPY", None),
        (None, " jpy", None),
        (None, "USD", "billed_in_another_currency"),
        (None, "???", "billed_in_another_currency"),
        (None, "", "billing_currency_unknown"),
        (None, None, "billing_currency_unknown"),
    ],
)
def test_a_price_of_another_currency_is_shown_only_where_it_was_agreed(
    recorded: str | None, currency: str | None, reason: str | None
) -> None:
    whole, short = (msgspec.structs.replace(each, billing_currency=recorded) for each in (ORDER, SUMMARY))
    order = msgspec.json.decode(as_billed(msgspec.json.encode(whole), Order, currency), type=Order)
    summary = msgspec.json.decode(as_billed(msgspec.json.encode(short), OrderSummary, currency), type=OrderSummary)
    [item] = order.items
    expected = YEN if reason is None else None
    assert {order.total, summary.total, item.unit_price, item.total} == {expected}
    for each in (order, summary):
        assert (each.total_unknown.code if each.total_unknown else None) == reason
    assert (order.order_id, item.name, summary.item_count) == ("801", "VPN", 1)


def test_a_line_is_hidden_too_where_only_the_sum_is_unknown() -> None:
    other = msgspec.structs.replace(ITEM, unit_price=None, total=None)
    stored = msgspec.json.encode(msgspec.structs.replace(ORDER, total=None, items=[ITEM, other]))
    found = msgspec.json.decode(as_billed(stored, Order, "USD"), type=Order)
    assert [each.total for each in found.items] == [None, None]


def test_a_row_of_an_earlier_release_records_nothing() -> None:
    stored = msgspec.json.encode({"order_id": "801", "total": YEN, "items": [], "item_count": 1, "status": "active"})
    old = msgspec.json.encode(
        {**msgspec.json.decode(msgspec.json.encode(SUMMARY)), **msgspec.json.decode(stored)}
    ).replace(b'"billing_currency":null,', b"")
    assert b"billing_currency" not in old
    assert msgspec.json.decode(as_billed(old, OrderSummary, "USD"), type=OrderSummary).total is None
    assert as_billed(old, OrderSummary, "JPY") == old
