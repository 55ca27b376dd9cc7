"""Promotions in WHMCS's dialect, whatever it leaves out or misspells, and the orders that their conditions look at."""

from typing import Any

import pytest

from app.errors import UpstreamMalformed
from app.integrations.whmcs.catalog import promotions
from tests.integrations.scripted import Reply

ROW: dict[str, Any] = {
    "id": 7,
    "code": "Spring",
    "type": "Percentage",
    "value": "10.00",
    "recurring": 1,
    "cycles": "",
    "appliesto": "",
    "requires": "",
    "startdate": "0000-00-00",
    "expirationdate": "0000-00-00",
    "maxuses": 0,
    "uses": 2,
    "recurfor": 0,
    **dict.fromkeys(("lifetimepromo", "applyonce", "newsignups", "existingclient", "onceperclient"), 0),
    **dict.fromkeys(("requiresexisting", "upgrades"), 0),
}


async def read(whmcs, upstream, **fields: Any) -> Any:
    row = {name: value for name, value in {**ROW, **fields}.items() if value is not ...}
    upstream.will(Reply({"result": "success", "totalresults": 1, "promotions": {"promotion": [row]}}))
    return await promotions.promotion(whmcs, "SPRING")


async def test_a_plain_promotion_has_no_conditions(whmcs, upstream):
    found = await read(whmcs, upstream)
    assert (found.code, found.kind, found.recurring, found.recurs_for, found.uses) == (
        "Spring",
        "Percentage",
        True,
        0,
        2,
    )
    assert (found.product_ids, found.required_ids, found.cycles) == (frozenset(), frozenset(), frozenset())
    assert not found.depends_on_orders
    flags = (found.required_may_be_owned, found.once_per_order, found.survives_plan_change, found.for_upgrades)
    assert flags == (False,) * 4


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("newsignups", "new_customers_only"),
        ("existingclient", "existing_customers_only"),
        ("onceperclient", "once_per_customer"),
        ("applyonce", "once_per_order"),
        ("lifetimepromo", "survives_plan_change"),
        ("upgrades", "for_upgrades"),
        ("requiresexisting", "required_may_be_owned"),
    ],
)
@pytest.mark.parametrize(
    ("value", "meaning"),
    [(1, True), ("1", True), ("on", True), (0, False), ("", False), ("maybe", None), (..., None), ([], None)],
)
async def test_a_condition_that_cannot_be_read_is_unknown(whmcs, upstream, field, name, value, meaning):
    assert getattr(await read(whmcs, upstream, **{field: value}), name) is meaning


@pytest.mark.parametrize(
    ("appliesto", "ids"),
    [
        ("181,0182", {"181", "182"}),
        (" 181 , A12,d.com", {"181", "A12", "D.com"}),
        ("product-7", {"?"}),
        (181, {"181"}),
        ("", set()),
    ],
)
async def test_products_addons_and_domains_are_told_apart(whmcs, upstream, appliesto, ids):
    found = await read(whmcs, upstream, appliesto=appliesto, requires=appliesto)
    assert found.product_ids == found.required_ids == ids


@pytest.mark.parametrize(
    ("cycles", "known"),
    [
        ("Monthly,Semi-Annually", {"monthly", "semiannually"}),
        ("monthly,semiannually,One Time", {"monthly", "semiannually", "onetime"}),
        ("Annually,1Years", {"annually", "unknown"}),
    ],
)
async def test_cycles_are_words_of_the_vocabulary(whmcs, upstream, cycles, known):
    assert (await read(whmcs, upstream, cycles=cycles)).cycles == known


@pytest.mark.parametrize(
    ("word", "kind"),
    [("price override", "Price Override"), ("Free  Setup", "Free Setup"), ("Half Price", "Half Price")],
)
async def test_kinds_are_told_by_meaning_and_others_kept(whmcs, upstream, word, kind):
    assert (await read(whmcs, upstream, type=word)).kind == kind


@pytest.mark.parametrize(
    "fields",
    [{"value": "tbd"}, {"value": ...}, {"recurring": "maybe"}, {"expirationdate": "soon"}, {"maxuses": "few"}],
)
async def test_neither_the_discount_nor_its_end_is_guessed(whmcs, upstream, fields):
    with pytest.raises(UpstreamMalformed):
        await read(whmcs, upstream, **fields)


async def test_orders_are_counted_by_state_and_codes_folded(whmcs, upstream):
    rows = [
        {"id": 1, "userid": 1001, "status": "Active", "promocode": "Spring"},
        {"id": 2, "userid": 1001, "status": "ACTIVE", "promocode": ""},
        {"id": 3, "userid": 1001, "status": "Pending", "promocode": "SUMMER"},
        {"id": 4, "userid": 1001, "status": "Waiting for fibre", "promocode": None},
        {"id": 5, "userid": 1001, "status": "Cancelled", "promocode": "AUTUMN"},
        {"id": 6, "userid": 1001, "status": "Fraud"},
        {"id": 7, "userid": 1001, "status": {"odd": 1}, "promocode": "WINTER"},
    ]
    upstream.will(Reply({"result": "success", "totalresults": 7, "orders": {"order": rows}}))
    found = await promotions.order_history(whmcs, "1001")
    assert (found.active, found.pending, found.complete) == (2, 3, True)
    assert (found.codes_active, found.codes_pending, found.codes_ended) == (
        {"spring"},
        {"summer", "winter"},
        {"autumn"},
    )


async def test_orders_that_cannot_be_read_leave_the_history_incomplete(whmcs, upstream):
    upstream.will(Reply({"result": "success", "totalresults": 1, "orders": {"order": ["odd"]}}))
    assert not (await promotions.order_history(whmcs, "1001")).complete


async def test_no_orders_are_a_whole_history(whmcs, upstream):
    upstream.will(Reply({"result": "success", "totalresults": 0}))
    found = await promotions.order_history(whmcs, "1001")
    assert (found.active, found.pending, found.complete) == (0, 0, True)
