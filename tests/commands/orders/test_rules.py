"""The order rules, pure: each kept and each broken."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from app.commands.orders.basket import Basket
from app.commands.orders.check_order import totals
from app.commands.orders.facts import Facts, OrderableProduct
from app.commands.orders.promotion_terms import describe_promotion
from app.commands.orders.rules import violations
from app.integrations.whmcs.catalog.promotions import Promotion
from app.postal import Address

TODAY = date(2026, 6, 1)
HOME = Address(
    address1="1-2-3 Shibuya", address2="", city="Shibuya-ku", state="Tokyo", postcode="150-0002", country="JP"
)
EID = "89049032000000000000000000000001"
MNP: dict[str, Any] = {
    "reservation_number": "1234567890",
    "expires_on": "2026-06-10",
    "phone_number": "09012345678",
    "last_name": "佐藤",
    "first_name": "花",
    "last_name_kana": "サトウ",
    "first_name_kana": "ハナ",
    "gender": "female",
    "birthday": "1990-04-01",
}


def product(
    sku: str, category: str, item_class: str = "service", *, price: int = 1_000, **more: Any
) -> OrderableProduct:
    fields: dict[str, Any] = {"billing_cycle": "monthly", "orderable": True, "facts": {}, **more}
    return OrderableProduct(
        sku=sku,
        name=sku.title(),
        category=category,
        item_class=item_class,
        price=Decimal(price),
        currency="JPY",
        pricebook_entry_id=f"01u{sku}",
        **fields,
    )


CATALOG = {
    each.sku: each
    for each in (
        product("NET-GOLD", "internet", facts={"internet_offering_type": "Home 1G"}),
        product("NET-10G", "internet", facts={"internet_offering_type": "Home 10G"}),
        product("NET-UNTOLD", "internet"),
        product("NET-INSTALL", "internet", "installation", billing_cycle="onetime", price=22_800),
        product("NET-INSTALL-24M", "internet", "installation", price=950),
        product("NET-INSTALL-WEEKEND", "internet", "installation", billing_cycle="onetime", price=3_000),
        product("SIM-5", "sim"),
        product("SIM-5-FAMILY", "sim", facts={"sim_has_family_discount": True}),
        product("SIM-FEE", "sim", "activation", billing_cycle="onetime"),
        product("SIM-VOICEMAIL", "sim", "add_on"),
        product("VPN-LONDON", "vpn", facts={"vpn_region": "UK-London"}),
        product("VPN-FRISCO", "vpn", facts={"vpn_region": "USA-SF"}),
        product("VPN-ANYWHERE", "vpn"),
        product("VPN-FEE", "vpn", "activation"),
        product("HOST-BASIC", "hosting", whmcs_product_id="501"),
        product("HOST-PRO", "hosting"),
        product("NET-PHONE", "internet", "add_on"),
        product("NET-PHONE-INSTALL", "internet", "installation", requires=["NET-PHONE"]),
        product("SIM-OLD", "sim", orderable=False),
        product("SIM-MUTE", "sim", "add_on", excludes=["SIM-VOICEMAIL"]),
        product("NET-GOLD-2", "internet", facts={"internet_offering_type": "Home 1G"}),
        product("HOST-MAIL", "hosting", "add_on"),
        product("PHONE-CASE", "other", "service"),
    )
}
FACTS = Facts(
    products=CATALOG,
    has_payment_method=True,
    has_active_sim=False,
    has_internet=False,
    internet_status="eligible",
    internet_offering="Home 1G",
    services_known=True,
    orders_known=True,
    client_status="Active",
    address=HOME,
    hosted_domains=frozenset({"taken.jp", "xn--wgv71a119e.jp"}),
    vpn_regions=frozenset({"UK-London", "USA-SF"}),
    today=TODAY,
)
INTERNET = ("NET-GOLD", "NET-INSTALL")
ESIM = {"sim_type": "esim", "eid": EID}


OTHER_HOME = {"address1": "6-10-1", "city": "Minato-ku", "state": "Tokyo", "postcode": "1060032", "country": "JP"}


def basket(*skus: str, configuration: dict[str, Any] | None = None, **more: Any) -> Basket:
    body = {"items": [{"sku": sku} for sku in skus], "configuration": configuration or {}, **more}
    return msgspec.convert(body, Basket, strict=False)


def codes(wanted: Basket, **facts: Any) -> list[str]:
    return [each.code for each in violations(wanted, msgspec.structs.replace(FACTS, **facts))]


@pytest.mark.parametrize(
    "wanted",
    [
        basket(*INTERNET, address_confirmed=True),
        basket("SIM-5", "SIM-FEE", "SIM-VOICEMAIL", configuration=ESIM),
        basket("SIM-5", "SIM-FEE", configuration={"sim_type": "physical"}),
        basket("SIM-5", "SIM-FEE", configuration={**ESIM, "mnp": MNP}),
        basket("VPN-LONDON", "VPN-FEE", configuration={"vpn_region": "UK-London"}),
        basket("HOST-BASIC", configuration={"domain": "example.jp"}),
        basket(*INTERNET, "NET-PHONE", "NET-PHONE-INSTALL", address_confirmed=True),
        basket("NET-GOLD", "NET-INSTALL-24M", "NET-INSTALL-WEEKEND", address_confirmed=True),
        basket("HOST-BASIC", configuration={"domain": "example.jp"}, address=OTHER_HOME),
        basket(*INTERNET, "SIM-5", "SIM-FEE", configuration=ESIM, address_confirmed=True),
    ],
)
def test_a_whole_basket_breaks_no_rule(wanted: Basket) -> None:
    assert codes(wanted) == []


@pytest.mark.parametrize(
    ("wanted", "facts", "expected"),
    [
        (
            basket("HOST-BASIC", configuration={"domain": "a.jp"}),
            {"has_payment_method": False},
            "payment_method_missing",
        ),
        (basket("SIM-5", "SIM-FEE", "GONE", configuration=ESIM), {}, "product_not_orderable"),
        (basket("SIM-OLD", "SIM-FEE", configuration=ESIM), {}, "product_not_orderable"),
        (basket("SIM-5-FAMILY", "SIM-FEE", configuration=ESIM), {}, "product_not_orderable"),
        (basket("NET-INSTALL", address_confirmed=True), {}, "internet_plan_required"),
        (basket("NET-GOLD", *INTERNET, address_confirmed=True), {}, "sku_repeated"),
        (basket("SIM-5", "SIM-FEE", "SIM-FEE", configuration=ESIM), {}, "sku_repeated"),
        (basket("NET-GOLD-2", *INTERNET, address_confirmed=True), {}, "one_plan_only"),
        (basket("SIM-5", "SIM-5-FAMILY", "SIM-FEE", configuration=ESIM), {"has_active_sim": True}, "one_plan_only"),
        (basket("HOST-BASIC", "HOST-PRO", configuration={"domain": "a.jp"}), {}, "one_plan_only"),
        (basket("VPN-FEE", configuration={"vpn_region": "UK-London"}), {}, "plan_required"),
        (basket("VPN-FEE"), {}, "plan_required"),
        (basket("HOST-MAIL", configuration={"domain": "a.jp"}), {}, "plan_required"),
        (basket("PHONE-CASE"), {}, "product_not_orderable"),
        (basket("HOST-BASIC", configuration={"domain": "taken.jp"}), {}, "domain_taken"),
        (basket("HOST-BASIC", configuration={"domain": "TAKEN.JP"}), {}, "domain_taken"),
        (basket("HOST-BASIC", configuration={"domain": "日本語.jp"}), {}, "domain_taken"),
        (basket(*INTERNET, address_confirmed=True, address=OTHER_HOME), {}, "not_eligible"),
        (basket(*INTERNET, address_confirmed=True), {"checked_address": "106-0032, Tokyo, Minato-ku"}, "not_eligible"),
        (basket(*INTERNET, address_confirmed=True), {"internet_status": "not_available"}, "not_eligible"),
        (
            basket("VPN-ANYWHERE", "VPN-FEE", configuration={"vpn_region": "Moon"}),
            {"vpn_regions": frozenset()},
            "vpn_region_required",
        ),
        (basket("NET-GOLD", address_confirmed=True), {}, "installation_required"),
        (basket("NET-GOLD", "NET-INSTALL-WEEKEND", address_confirmed=True), {}, "installation_required"),
        (basket("NET-GOLD", "NET-PHONE", "NET-PHONE-INSTALL", address_confirmed=True), {}, "installation_required"),
        (basket(*INTERNET, "NET-INSTALL-24M", address_confirmed=True), {}, "products_exclude_each_other"),
        (basket(*INTERNET), {}, "address_not_confirmed"),
        (basket(*INTERNET, address_confirmed=True), {"internet_status": "checking"}, "not_eligible"),
        (basket(*INTERNET, address_confirmed=True), {"internet_status": None}, "not_eligible"),
        (basket("NET-10G", "NET-INSTALL", address_confirmed=True), {}, "not_eligible"),
        (basket(*INTERNET, address_confirmed=True), {"has_internet": True}, "duplicate_internet"),
        (basket("SIM-FEE", configuration=ESIM), {}, "sim_plan_required"),
        (basket("SIM-5", configuration=ESIM), {}, "activation_fee_required"),
        (basket("SIM-5", "SIM-FEE"), {}, "sim_type_required"),
        (basket("SIM-5", "SIM-FEE", configuration={"sim_type": "esim", "eid": "123"}), {}, "eid_required"),
        (basket("VPN-LONDON", configuration={"vpn_region": "UK-London"}), {}, "vpn_activation_fee_required"),
        (basket("VPN-LONDON", "VPN-FEE"), {}, "vpn_region_required"),
        (basket("VPN-LONDON", "VPN-FEE", configuration={"vpn_region": "USA-SF"}), {}, "vpn_region_required"),
        (basket("HOST-BASIC"), {}, "domain_required"),
        (basket("HOST-BASIC", configuration={"domain": "no spaces.jp"}), {}, "domain_invalid"),
        (basket("HOST-BASIC", configuration={"domain": "WWW.somebody-else.jp"}), {}, "domain_invalid"),
        (basket("HOST-BASIC", configuration={"domain": "a.jp"}), {"address": None}, "address_required"),
        (
            basket("HOST-BASIC", configuration={"domain": "a.jp"}, address={**OTHER_HOME, "postcode": "12"}),
            {},
            "postcode_invalid",
        ),
        (basket(*INTERNET, "NET-PHONE-INSTALL", address_confirmed=True), {}, "required_product_missing"),
        (
            basket("SIM-5", "SIM-FEE", "SIM-VOICEMAIL", "SIM-MUTE", configuration=ESIM),
            {},
            "products_exclude_each_other",
        ),
        (basket("HOST-BASIC", configuration={"domain": "a.jp"}), {"client_status": "Closed"}, "account_closed"),
        (basket("HOST-BASIC", configuration={"domain": "a.jp"}), {"client_status": " inactive"}, "account_closed"),
        (basket("HOST-BASIC", configuration={"domain": "a.jp"}), {"client_status": "On Hold"}, "not_known_yet"),
        (basket("HOST-BASIC", configuration={"domain": "a.jp"}), {"client_status": ""}, "not_known_yet"),
        (basket(*INTERNET, address_confirmed=True), {"services_known": False}, "not_known_yet"),
        (basket(*INTERNET, address_confirmed=True), {"orders_known": False}, "not_known_yet"),
        (basket("SIM-5-FAMILY", "SIM-FEE", configuration=ESIM), {"services_known": False}, "not_known_yet"),
        (basket(*INTERNET, address_confirmed=True), {"internet_offering": None}, "not_eligible"),
        (basket("NET-UNTOLD", "NET-INSTALL", address_confirmed=True), {}, "not_eligible"),
        (
            basket("HOST-BASIC", configuration={"domain": "a.jp"}, address={**OTHER_HOME, "city": "x" * 60}),
            {},
            "field_too_long",
        ),
        (
            basket("HOST-BASIC", configuration={"domain": "a.jp"}),
            {"address": msgspec.structs.replace(HOME, city="x" * 60)},
            "field_too_long",
        ),
        (
            basket("SIM-5", "SIM-FEE", configuration={**ESIM, "mnp": {**MNP, "last_name": "佐" * 81}}),
            {},
            "field_too_long",
        ),
    ],
)
def test_each_rule_speaks_up_alone(wanted: Basket, facts: dict[str, Any], expected: str) -> None:
    [found] = violations(wanted, msgspec.structs.replace(FACTS, **facts))
    assert found.code == expected
    assert re.fullmatch(FIELDS[expected], found.field), "the form shows it beside this field"


FIELDS = {
    **dict.fromkeys(("account_closed", "not_known_yet", "internet_plan_required", "installation_required"), "items"),
    **dict.fromkeys(("not_eligible", "duplicate_internet", "sim_plan_required", "activation_fee_required"), "items"),
    "vpn_activation_fee_required": "items",
    "required_product_missing": "items",
    "products_exclude_each_other": "items",
    "payment_method_missing": "payment_method",
    **dict.fromkeys(("one_plan_only", "plan_required"), "items"),
    "product_not_orderable": r"items\.[02]\.sku",
    "sku_repeated": r"items\.[12]\.sku",
    "domain_taken": r"configuration\.domain",
    "address_not_confirmed": "address_confirmed",
    "sim_type_required": r"configuration\.sim_type",
    "eid_required": r"configuration\.eid",
    "vpn_region_required": r"configuration\.vpn_region",
    "domain_required": r"configuration\.domain",
    "domain_invalid": r"configuration\.domain",
    "address_required": "address",
    "postcode_invalid": r"address\.postcode",
    "field_too_long": r"address\.city|configuration\.mnp\.last_name",
}
"""Code → the field whose value is to be changed."""


@pytest.mark.parametrize(
    ("wanted", "facts", "sentence"),
    [
        (
            basket("NET-10G", "NET-INSTALL", address_confirmed=True),
            {},
            "Net-10G is not available at your address; Home 1G plans are.",
        ),
        (
            basket(*INTERNET, address_confirmed=True),
            {"internet_offering": None},
            "Net-Gold is not available at your address.",
        ),
        (
            basket("VPN-FRISCO", "VPN-FEE"),
            {},
            "Please choose a VPN region. This plan has: USA-SF.",
        ),
        (basket("VPN-ANYWHERE", "VPN-FEE"), {}, "Please choose a VPN region. This plan has: UK-London, USA-SF."),
        (basket("VPN-FEE"), {}, "Please choose a VPN plan: Vpn-Fee cannot be ordered alone."),
        (
            basket(*INTERNET, address_confirmed=True, address=OTHER_HOME),
            {},
            "We confirmed Internet for another address than this one. Please ask for a check of this address first.",
        ),
        (
            basket(*INTERNET, address_confirmed=True),
            {"internet_status": "checking"},
            "We are still checking availability at your address. Please order as soon as it is confirmed.",
        ),
        (
            basket(*INTERNET, "NET-PHONE-INSTALL", address_confirmed=True),
            {},
            "Net-Phone-Install can only be ordered together with NET-PHONE.",
        ),
        (
            basket("SIM-5", "SIM-FEE", "SIM-VOICEMAIL", "SIM-MUTE", configuration=ESIM),
            {},
            "Sim-Mute cannot be ordered together with Sim-Voicemail.",
        ),
    ],
)
def test_a_sentence_says_what_could_be_ordered_instead(wanted: Basket, facts: dict[str, Any], sentence: str) -> None:
    assert [each.message for each in violations(wanted, msgspec.structs.replace(FACTS, **facts))] == [sentence]


def test_www_alone_may_be_the_name_of_a_domain() -> None:
    assert codes(basket("HOST-BASIC", configuration={"domain": "www.jp"})) == []
    assert codes(basket("HOST-BASIC", configuration={"domain": "wwww.somebody-else.jp"})) == []


def test_a_plan_of_no_region_takes_any_that_the_catalog_has() -> None:
    anywhere = ("VPN-ANYWHERE", "VPN-FEE")
    assert codes(basket(*anywhere, configuration={"vpn_region": "USA-SF"})) == []
    assert codes(basket(*anywhere, configuration={"vpn_region": "Mars"})) == ["vpn_region_required"]
    assert codes(basket(*anywhere), vpn_regions=frozenset()) == []


def test_a_fee_alone_with_a_region_that_nobody_has_is_refused_for_both() -> None:
    moon = basket("VPN-FEE", configuration={"vpn_region": "Moon"})
    assert codes(moon) == ["plan_required", "vpn_region_required"]


def test_an_order_for_the_checked_address_passes_wherever_the_bills_go() -> None:
    checked = {"checked_address": "106-0032, Tokyo, Minato-ku, 6-10-1, JP"}
    assert codes(basket(*INTERNET, address_confirmed=True, address=OTHER_HOME), **checked) == []
    assert codes(basket(*INTERNET, address_confirmed=True), **checked) == ["not_eligible"]
    spelled = {**OTHER_HOME, "state": "東京都", "address1": "６－１０－１"}
    assert codes(basket(*INTERNET, address_confirmed=True, address=spelled), **checked) == []


def test_other_categories_are_for_any_address() -> None:
    elsewhere = basket("VPN-LONDON", "VPN-FEE", configuration={"vpn_region": "UK-London"}, address=OTHER_HOME)
    assert codes(elsewhere, internet_status="not_requested") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reservation_number", "12345"),
        ("expires_on", (TODAY - timedelta(days=1)).isoformat()),
        ("expires_on", None),
        ("phone_number", "090-1234-5678"),
        ("last_name", " "),
        ("first_name", ""),
        ("last_name_kana", "さとう"),
        ("first_name_kana", "Hana"),
        ("gender", None),
        ("birthday", None),
        ("birthday", TODAY.isoformat()),
    ],
)
def test_a_number_transfer_names_the_detail_that_is_missing(name: str, value: str | None) -> None:
    wanted = basket("SIM-5", "SIM-FEE", configuration={**ESIM, "mnp": {**MNP, name: value}})

    found = violations(wanted, FACTS)

    assert [(each.field, each.code) for each in found] == [(f"configuration.mnp.{name}", "mnp_details_required")]


def test_a_number_transfer_may_use_its_last_day() -> None:
    mnp = {**MNP, "expires_on": TODAY.isoformat()}

    assert codes(basket("SIM-5", "SIM-FEE", configuration={**ESIM, "mnp": mnp})) == []


def test_every_violation_is_reported_not_only_the_first() -> None:
    wanted = basket("NET-GOLD", "SIM-5", "GONE")

    found = codes(wanted, has_payment_method=False, internet_status="not_requested")

    assert found == [
        "payment_method_missing",
        "not_eligible",
        "product_not_orderable",
        "installation_required",
        "activation_fee_required",
        "address_not_confirmed",
        "sim_type_required",
    ]


def test_lists_that_do_not_matter_need_not_be_known() -> None:
    unread = {"services_known": False, "orders_known": False}
    assert codes(basket("HOST-BASIC", configuration={"domain": "a.jp"}), **unread) == []
    assert codes(basket("SIM-5", "SIM-FEE", configuration=ESIM), **unread) == []


@pytest.mark.parametrize("offering", ["home 1g", " Home  1G ", "Ｈｏｍｅ 1G"])
def test_an_offering_may_be_typed_differently(offering: str) -> None:
    assert codes(basket(*INTERNET, address_confirmed=True), internet_offering=offering) == []


def test_a_ten_gigabit_address_can_have_one_gigabit_too() -> None:
    assert codes(basket(*INTERNET, address_confirmed=True), internet_offering="Home 10G") == []


def test_a_family_plan_needs_an_active_sim() -> None:
    assert codes(basket("SIM-5-FAMILY", "SIM-FEE", configuration=ESIM), has_active_sim=True) == []


def test_every_sentence_is_one_for_people() -> None:
    found = violations(basket("NET-GOLD", "SIM-5", "GONE"), msgspec.structs.replace(FACTS, address=None))

    assert all(each.message[0].isupper() and each.message.rstrip().endswith((".", "first.")) for each in found)


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [{"sku": "SIM-5", "quantity": 2}]},
        {"items": [{"sku": "SIM-5"}], "discount": 100},
        {"items": [{"sku": "SIM-5"}], "configuration": {"colour": "red"}},
        {"items": [{"sku": "SIM-5"}], "address": {"city": "Tokyo"}},
    ],
)
def test_a_malformed_basket_is_refused_before_any_rule(body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, Basket)


TEN_PERCENT = Promotion(
    code="TEN",
    kind="Percentage",
    value=Decimal("10.00"),
    recurring=True,
    product_ids=frozenset(),
    starts_on=None,
    expires_on=None,
    max_uses=0,
    uses=7,
)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"starts_on": TODAY, "expires_on": TODAY, "max_uses": 8}, None),
        ({"product_ids": frozenset({"501", "502"})}, None),
        ({"starts_on": TODAY + timedelta(days=1)}, "TEN: this promotion begins on June 2, 2026."),
        ({"expires_on": TODAY - timedelta(days=1)}, "TEN: this promotion ended on May 31, 2026."),
        ({"max_uses": 7}, "TEN: this promotion is used up."),
        ({"product_ids": frozenset({"401"})}, "TEN: this promotion does not apply to these products."),
    ],
)
def test_a_promotion_code_counts_within_its_bounds(changed: dict[str, Any], said: str | None) -> None:
    wanted = basket("HOST-BASIC", configuration={"domain": "a.jp"}, promo_code="TEN")
    facts = msgspec.structs.replace(FACTS, promotion=msgspec.structs.replace(TEN_PERCENT, **changed))

    found = violations(wanted, facts)

    expected = [] if said is None else [("promo_code", "promo_code_invalid", said)]
    assert [(each.field, each.code, each.message) for each in found] == expected


def test_an_unknown_promotion_code_is_reported() -> None:
    wanted = basket("HOST-BASIC", configuration={"domain": "a.jp"}, promo_code="NONE")

    assert codes(wanted) == ["promo_code_invalid"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "TEN: 10 % off every bill."),
        ({"kind": "Fixed Amount", "value": Decimal("500.00"), "recurring": False}, "TEN: 500 JPY off the first bill."),
        ({"kind": "Free Setup"}, "TEN will be taken into account on every bill."),
    ],
)
def test_a_promotion_says_what_it_is_worth(changed: dict[str, Any], said: str) -> None:
    assert describe_promotion(msgspec.structs.replace(TEN_PERCENT, **changed), "JPY") == said


def test_totals_separate_monthly_and_one_time_amounts() -> None:
    found = totals([CATALOG["NET-GOLD"], CATALOG["NET-INSTALL"]], "JPY")

    assert (found.monthly.amount, found.one_time.amount, found.first_month.amount) == (
        "1000",
        "22800",
        "23800",
    )
