"""Payment methods: which is charged, as far as that is known, and nothing that identifies a card."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.events import Record
from app.integrations.whmcs import records
from app.projections.payment_methods import projector
from app.projections.projector import Group
from app.readmodels.payment_methods import PaymentMethod
from app.settings import Settings

AT = datetime(2026, 1, 31, tzinfo=UTC)
CARD = {"type": "RemoteCreditCard", "card_type": "Visa", "card_last_four": "4242", "expiry_date": "12/30"}


def shown(settings: Settings, *rows: dict[str, Any], default: str = "unknown") -> list[PaymentMethod]:
    found = [
        records.pay_method({"id": number, **CARD, **row}, "1001", listed_first=number == 1)
        for number, row in enumerate(rows, 1)
    ]
    changes = [records.change(each, origin="refetch", read_at=AT) for each in found]
    mirrored = [
        Record(
            source="whmcs",
            object=each.object,
            record_id=each.record_id,
            version=1,
            occurred_at=AT,
            verified_at=AT,
            data=each.data,
            owner_id="1001",
        )
        for each in changes
    ]
    group = Group(account_id=UUID(int=1), item_id="", records=mirrored, context={})
    chosen = msgspec.structs.replace(settings, whmcs_default_pay_method=default)
    projected = projector(chosen).project(group).rows
    documents = [msgspec.json.decode(row["document"], type=PaymentMethod) for row in projected]
    assert [row["is_default"] for row in projected] == [each.is_default for each in documents]
    return documents


@pytest.mark.parametrize(
    ("rows", "default", "expected"),
    [
        ([{}], "unknown", [True]),
        ([{}, {}], "unknown", [None, None]),
        ([{}, {}], "first", [True, False]),
        ([{}, {"is_default": 1}], "first", [False, True]),
        ([{"isDefault": "off"}, {"isDefault": "on"}], "unknown", [False, True]),
        ([{"default": True}, {"default": True}], "unknown", [None, None]),
        ([{"is_default": False}, {"is_default": False}], "unknown", [None, None]),
        ([], "first", []),
    ],
)
def test_the_default_is_told_where_it_is_known(
    settings: Settings, rows: list[dict[str, Any]], default: str, expected: list[bool | None]
) -> None:
    assert [each.is_default for each in shown(settings, *rows, default=default)] == expected


def test_nothing_but_type_brand_last_four_expiry_and_default_is_kept(settings: Settings) -> None:
    number = "4242 4242 4242 4242"
    row = {
        "description": number,
        "remote_token": number,
        "start_date": number,
        "gateway_name": "stripe",
        "card_type": f"Visa {number}",
        "card_last_four": "4111111111114242",
    }
    live = records.pay_method({"id": 1, **CARD, **row}, "1001", listed_first=True)
    stored = records.change(live, origin="refetch", read_at=AT).data
    assert set(stored) == {
        *("id", "clientid", "type", "card_type", "card_last_four", "expiry_date", "bank_name"),
        *("is_default", "listed_first"),
    }
    assert live.data["gateway_name"] == "stripe", "commands need it of the live answer"
    assert (stored["card_type"], stored["card_last_four"]) == ("Visa", "4242")
    [method] = shown(settings, row)
    assert method == PaymentMethod(
        payment_method_id="1",
        kind="card",
        brand="Visa",
        last_four="4242",
        expires="2030-12",
        description="Visa ending in 4242",
        is_default=True,
    )


@pytest.mark.parametrize(
    ("row", "description"),
    [
        ({"card_type": ""}, "Card ending in 4242"),
        ({"card_last_four": ""}, "Visa"),
        ({"type": "BankAccount", "card_type": "", "card_last_four": "", "bank_name": "Mizuho"}, "Mizuho"),
        ({"type": "BankAccount", "card_type": "", "card_last_four": ""}, "Bank account"),
        ({"type": "New in 2030", "card_type": "", "card_last_four": ""}, "Payment method"),
    ],
)
def test_a_method_is_described_by_what_is_kept_of_it(settings: Settings, row: dict[str, Any], description: str) -> None:
    [method] = shown(settings, row)
    assert method.description == description
