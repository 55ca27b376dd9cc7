"""WHMCS's product list in all its dialects, and its tax settings."""

import pytest

from app.errors import UpstreamUnavailable
from app.integrations.whmcs.catalog import products
from tests.integrations.scripted import Reply

ROW = {
    "pid": "401",
    "name": "VPN &amp; more",
    "paytype": "recurring",
    "pricing": {"JPY": {"prefix": "¥", "monthly": "1500.00", "msetupfee": "0.00", "quarterly": "-1.00"}},
}


async def test_a_product_has_its_prices_by_currency(whmcs, upstream):
    upstream.will(Reply({"result": "success", "totalresults": 1, "products": {"product": [ROW]}}))
    [found] = await products.products(whmcs)
    assert (found.object, found.record_id, found.owner_id) == ("product", "401", None)
    assert (found.data["name"], found.data["paytype"]) == ("VPN & more", "recurring")
    yen = found.data["pricing"]["JPY"]
    assert (yen["monthly"], yen["quarterly"], yen["annually"]) == ("1500.00", "-1.00", None)
    assert set(yen) == set(products.PRICE_FIELDS)


@pytest.mark.parametrize("pricing", [None, "", [], "free", 7])
async def test_prices_that_cannot_be_read_are_none_at_all(whmcs, upstream, pricing):
    row = {**ROW, "pricing": pricing}
    upstream.will(Reply({"result": "success", "products": {"product": [row]}}))
    [found] = await products.products(whmcs)
    assert found.data["pricing"] == {}


async def test_a_row_without_a_number_spoils_no_other(whmcs, upstream):
    upstream.will(Reply({"result": "success", "products": {"product": [{**ROW, "pid": ""}, ROW]}}))
    found = await products.products(whmcs)
    assert ([each.record_id for each in found], found.complete) == (["401"], False)


@pytest.mark.parametrize(
    ("enabled", "kind", "expected"),
    [
        ("on", "Exclusive", {"enabled": True, "type": "exclusive"}),
        ("", "Inclusive", {"enabled": False, "type": "inclusive"}),
        ("1", "", {"enabled": True, "type": None}),
        ("perhaps", "Exclusive", {"enabled": None, "type": "exclusive"}),
        (None, "Exclusive", {"enabled": None, "type": "exclusive"}),
    ],
)
async def test_tax_settings_are_known_or_null(whmcs, upstream, enabled, kind, expected):
    answer = {"result": "success", "setting": "any"}
    upstream.will(Reply({**answer, "value": enabled}), Reply({**answer, "value": kind}))
    [found] = await products.tax_settings(whmcs)
    assert (found.object, found.record_id, found.data) == ("tax", "installation", expected)


async def test_settings_that_the_role_may_not_read_are_unknown_and_an_outage_is_none(whmcs, upstream):
    refused = {"result": "error", "message": 'Invalid Permissions: API action "getconfigurationvalue" is not allowed'}
    unknown = {"result": "error", "message": "Invalid name for parameter setting"}
    upstream.will(Reply(refused, status=403), Reply(unknown))
    [found] = await products.tax_settings(whmcs)
    assert found.data == {"enabled": None, "type": None}
    upstream.will(*[Reply("away", status=503)] * 3)
    with pytest.raises(UpstreamUnavailable):
        await products.tax_settings(whmcs)
