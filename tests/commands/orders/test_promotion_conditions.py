"""The conditions of a promotion, pure: each holds, fails, or is left to billing; unknown never counts as holding."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.commands.orders.promotion_conditions import PromotionFinding, findings
from app.commands.orders.promotion_history import PromotionHistory
from app.commands.orders.promotion_terms import describe_promotion
from app.integrations.whmcs.catalog.promotions import OrderHistory, Promotion
from tests.commands.orders.test_rules import FACTS, TODAY, product

TEN = Promotion(code="TEN", kind="Percentage", value=Decimal("10.00"), recurring=True)
HOST = product("HOST", "hosting", whmcs_product_id="501")
FEE = product("FEE", "hosting", "activation", whmcs_product_id="411", billing_cycle="onetime")
UNMAPPED = product("UNMAPPED", "hosting")
NEW = OrderHistory(
    active=0,
    pending=0,
    codes_active=frozenset(),
    codes_pending=frozenset(),
    codes_ended=frozenset(),
    complete=True,
)
NOBODY = PromotionHistory(history=NEW, owned_product_ids=frozenset(), codes_in_open_orders=frozenset())
TOMORROW, YESTERDAY = TODAY + timedelta(days=1), TODAY - timedelta(days=1)


def standing(*, owned: Any = frozenset(), codes: Any = frozenset(), **history: Any) -> PromotionHistory:
    found = msgspec.structs.replace(NEW, **history)
    return PromotionHistory(history=found, owned_product_ids=owned, codes_in_open_orders=codes)


def said(
    chosen: Any, asked: PromotionHistory | None = NOBODY, today: date = TODAY, **promotion: Any
) -> list[PromotionFinding]:
    given = msgspec.structs.replace(TEN, **promotion)
    return findings(msgspec.structs.replace(FACTS, promotion=given, promotion_history=asked, today=today), chosen)


def outcome(found: list[PromotionFinding]) -> str:
    return "refused" if any(each.refuses for each in found) else "undecided" if found else "applies"


@pytest.mark.parametrize(
    ("promotion", "expected"),
    [
        ({}, "applies"),
        ({"starts_on": TODAY, "expires_on": TODAY}, "applies"),
        ({"starts_on": TOMORROW}, "refused"),
        ({"expires_on": YESTERDAY}, "refused"),
        ({"max_uses": 8, "uses": 7}, "applies"),
        ({"max_uses": 7, "uses": 7}, "refused"),
        ({"product_ids": frozenset({"501", "502"})}, "applies"),
        ({"product_ids": frozenset({"502"})}, "refused"),
        ({"product_ids": frozenset({"A12", "D.com"})}, "refused"),
        ({"product_ids": frozenset({"502", "?"})}, "undecided"),
        ({"cycles": frozenset({"monthly"})}, "applies"),
        ({"cycles": frozenset({"annually", "biennially"})}, "refused"),
        ({"cycles": frozenset({"annually", "unknown"})}, "undecided"),
        ({"cycles": frozenset({"onetime"})}, "applies"),
        ({"cycles": frozenset({"onetime"}), "product_ids": frozenset({"501"})}, "refused"),
        ({"required_ids": frozenset({"501"})}, "applies"),
        ({"required_ids": frozenset({"501", "411"})}, "applies"),
        ({"required_ids": frozenset({"501", "900"})}, "undecided"),
        ({"required_ids": frozenset({"900"})}, "refused"),
        ({"required_ids": frozenset({"900"}), "required_may_be_owned": True}, "refused"),
        ({"required_ids": frozenset({"900"}), "required_may_be_owned": None}, "undecided"),
        ({"required_ids": frozenset({"A9"}), "required_may_be_owned": True}, "undecided"),
        ({"required_ids": frozenset({"A9"})}, "refused"),
        ({"required_ids": frozenset({"?"})}, "undecided"),
        ({"kind": "Fixed Amount"}, "applies"),
        ({"kind": "Price Override"}, "applies"),
        ({"kind": "Free Setup"}, "undecided"),
        ({"kind": "Buy One Get One"}, "undecided"),
        ({"for_upgrades": True}, "undecided"),
        ({"for_upgrades": None}, "undecided"),
        ({"survives_plan_change": True, "once_per_order": True, "recurs_for": 3}, "applies"),
    ],
)
def test_the_order_decides_where_it_can(promotion: dict[str, Any], expected: str) -> None:
    assert outcome(said([HOST, FEE], **promotion)) == expected


@pytest.mark.parametrize(
    ("condition", "asked", "expected"),
    [
        ("new_customers_only", NOBODY, "applies"),
        ("new_customers_only", standing(active=1), "refused"),
        ("new_customers_only", standing(pending=1), "undecided"),
        ("new_customers_only", standing(owned=frozenset({"301"})), "undecided"),
        ("new_customers_only", standing(owned=None), "undecided"),
        ("new_customers_only", standing(complete=False), "undecided"),
        ("new_customers_only", standing(active=1, complete=False), "refused"),
        ("new_customers_only", None, "undecided"),
        ("existing_customers_only", NOBODY, "refused"),
        ("existing_customers_only", standing(active=1), "applies"),
        ("existing_customers_only", standing(active=1, complete=False), "applies"),
        ("existing_customers_only", standing(pending=1), "undecided"),
        ("existing_customers_only", standing(owned=frozenset({"301"})), "undecided"),
        ("existing_customers_only", standing(owned=None), "undecided"),
        ("existing_customers_only", standing(complete=False), "undecided"),
        ("existing_customers_only", None, "undecided"),
        ("once_per_customer", NOBODY, "applies"),
        ("once_per_customer", standing(active=4), "applies"),
        ("once_per_customer", standing(codes_active=frozenset({"ten"})), "refused"),
        ("once_per_customer", standing(codes_pending=frozenset({"ten"})), "refused"),
        ("once_per_customer", standing(codes=frozenset({"ten"})), "refused"),
        ("once_per_customer", standing(codes_ended=frozenset({"ten"})), "undecided"),
        ("once_per_customer", standing(codes_active=frozenset({"other"})), "applies"),
        ("once_per_customer", standing(complete=False), "undecided"),
        ("once_per_customer", None, "undecided"),
    ],
)
def test_the_customer_decides_where_that_is_known(
    condition: str, asked: PromotionHistory | None, expected: str
) -> None:
    assert outcome(said([HOST], asked, **{condition: True})) == expected


@pytest.mark.parametrize(
    ("condition", "failing", "holding"),
    [
        ("new_customers_only", standing(active=1), NOBODY),
        ("existing_customers_only", NOBODY, standing(active=1)),
        ("once_per_customer", standing(codes_active=frozenset({"ten"})), NOBODY),
        ("once_per_customer", standing(codes=frozenset({"ten"})), NOBODY),
    ],
)
def test_a_condition_that_cannot_be_read_holds_only_for_whom_it_does_not_matter(
    condition: str, failing: PromotionHistory, holding: PromotionHistory
) -> None:
    assert outcome(said([HOST], failing, **{condition: None})) == "undecided"
    assert outcome(said([HOST], holding, **{condition: None})) == "applies"
    assert outcome(said([HOST], None, **{condition: None})) == "undecided"
    assert outcome(said([HOST], None, **{condition: False})) == "applies"
    assert msgspec.structs.replace(TEN, **{condition: None}).depends_on_orders
    assert not TEN.depends_on_orders


@pytest.mark.parametrize(
    ("owned", "expected"), [(frozenset({"900"}), "applies"), (frozenset({"7"}), "refused"), (None, "undecided")]
)
def test_a_required_product_may_be_owned_where_the_promotion_allows_it(owned: Any, expected: str) -> None:
    given = {"required_ids": frozenset({"900"}), "required_may_be_owned": True}
    assert outcome(said([HOST], standing(owned=owned), **given)) == expected
    assert outcome(said([HOST], standing(owned=owned), required_ids=frozenset({"900"}))) == "refused"


def test_a_product_without_a_number_in_whmcs_matches_only_what_is_for_all() -> None:
    assert outcome(said([UNMAPPED])) == "applies"
    assert outcome(said([UNMAPPED], product_ids=frozenset({"501"}))) == "refused"


def test_an_unknown_code_is_refused() -> None:
    [found] = findings(msgspec.structs.replace(FACTS, promotion=None), [HOST])
    assert found.refuses


def test_each_reason_is_a_sentence_of_its_own() -> None:
    everything: dict[str, Any] = {"expires_on": YESTERDAY, "max_uses": 1, "uses": 1, "product_ids": frozenset({"9"})}
    found = said([HOST], standing(active=1), kind="Free Setup", new_customers_only=True, **everything)
    assert [(each.refuses, each.text) for each in found] == [
        (True, "this promotion ended on May 31, 2026."),
        (True, "this promotion is used up."),
        (True, "this promotion does not apply to these products."),
        (True, "this promotion is for new customers."),
        (False, "Billing decides which setup fees it waives; activation and installation are products, and stay."),
    ]


@pytest.mark.parametrize(
    ("promotion", "sentence"),
    [
        ({}, "TEN: 10 % off every bill."),
        ({"recurs_for": 2}, "TEN: 10 % off the first 3 bills."),
        ({"recurring": False, "recurs_for": 2}, "TEN: 10 % off the first bill."),
        ({"once_per_order": True}, "TEN: 10 % off every bill, for one of the products."),
        ({"kind": "Fixed Amount"}, "TEN: 10 JPY off every bill, for each of 2 products."),
        ({"kind": "Fixed Amount", "product_ids": frozenset({"501"})}, "TEN: 10 JPY off every bill."),
        (
            {"kind": "Price Override", "value": Decimal("1000.00"), "recurring": False, "once_per_order": True},
            "TEN: 1000 JPY instead of the usual price on the first bill, for one of the products.",
        ),
        ({"kind": "Free Setup"}, "TEN will be taken into account on every bill, for each of 2 products."),
    ],
)
def test_what_it_is_worth_names_bills_and_products(promotion: dict[str, Any], sentence: str) -> None:
    assert describe_promotion(msgspec.structs.replace(TEN, **promotion), "JPY", [HOST, FEE]) == sentence
    assert describe_promotion(None, "JPY") is None
