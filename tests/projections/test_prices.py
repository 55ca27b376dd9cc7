"""WHMCS's prices by currency and cycle: what cannot be read is unknown, and neither free nor withdrawn."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from app.events import Record
from app.projections import prices
from app.projections.projector import Group

AT = datetime(2026, 1, 31, tzinfo=UTC)
YEN = {"monthly": "1500.00", "msetupfee": "99.00", "quarterly": "-1.00", "qsetupfee": "0.00", "annually": None}


def record(name: str, data: dict[str, Any]) -> Record:
    return Record(source="whmcs", object=name, record_id="401", version=1, occurred_at=AT, verified_at=AT, data=data)


def projected(*records: Record) -> Any:
    return prices._project(Group(UUID(int=0), "", list(records), {}))


def rows(paytype: Any, pricing: Any) -> dict[tuple[str, str], tuple[bool, Any, Any]]:
    found = projected(record("product", {"name": "VPN", "paytype": paytype, "pricing": pricing})).rows
    return {(row["currency"], row["billing_cycle"]): (row["offered"], row["amount"], row["setup_fee"]) for row in found}


def test_a_recurring_product_has_a_price_per_cycle_and_no_other() -> None:
    found = rows("recurring", {"JPY": YEN, "USD": {**YEN, "monthly": "10.50", "msetupfee": "-1.00"}})
    assert found["JPY", "monthly"] == (True, Decimal(1500), Decimal(99))
    assert found["USD", "monthly"] == (True, Decimal("10.50"), Decimal(0))
    assert found["JPY", "quarterly"] == found["JPY", "onetime"] == found["JPY", "free"] == (False, None, None)
    assert ("JPY", "annually") not in found


def test_a_price_whose_set_up_fee_cannot_be_read_is_unknown() -> None:
    assert ("JPY", "monthly") not in rows("recurring", {"JPY": {**YEN, "msetupfee": None}})


def test_a_product_that_is_paid_once_or_never_has_that_cycle_alone() -> None:
    once = rows("onetime", {"JPY": YEN})
    assert once["JPY", "onetime"] == (True, Decimal(1500), Decimal(99))
    assert once["JPY", "monthly"] == (False, None, None)
    free = rows("free", {"JPY": {}})
    assert (free["JPY", "free"], free["JPY", "monthly"]) == ((True, 0, 0), (False, None, None))


@pytest.mark.parametrize(
    ("paytype", "pricing"),
    [("hire", {"JPY": YEN}), (None, {"JPY": YEN}), ("recurring", None), ("recurring", []), ("recurring", {})],
)
def test_an_unreadable_product_has_no_prices(paytype: Any, pricing: Any) -> None:
    assert rows(paytype, pricing) == {}


@pytest.mark.parametrize(
    ("data", "document"),
    [
        ({"enabled": True, "type": "exclusive"}, b'{"enabled":true,"included":false}'),
        ({"enabled": False, "type": "inclusive"}, b'{"enabled":false,"included":true}'),
        ({"enabled": None, "type": None}, b'{"enabled":null,"included":null}'),
        ({"enabled": "on", "type": "both"}, b'{"enabled":null,"included":null}'),
    ],
)
def test_the_treatment_of_tax_is_a_document(data: dict[str, Any], document: bytes) -> None:
    assert [(each.name, each.body) for each in projected(record("tax", data)).documents] == [("tax", document)]
