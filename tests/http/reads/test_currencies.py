"""No answer to a customer who is billed in another currency than the price book's has an amount in the price book's:
every GET route is asked, and every amount in its answer looked at, in fields and in sentences.

An amount that a new field shows is found here without being named.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from app.cli.document import openapi_document
from app.commands.execution.context import Actor
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.commands.orders.test_agreed_terms import moved
from tests.commands.orders.test_billed_prices import reprice
from tests.fixtures.staff_orders import staff_order
from tests.http.logged_in import desk, hana, short_timeouts
from tests.http.reads.test_queries_call_nobody import LIVE, STREAMS, api_of, filled, get_routes, known_ids

__all__ = ["desk", "hana", "short_timeouts"]

MONEY = '"#/components/schemas/Money"'
AN_AMOUNT = re.compile(r"price|amount|total|fee$|balance|credit|monthly|one_time|due_now|first_month", re.I)
NO_AMOUNT = re.compile(r"_(id|on|at|seconds|unknown|days)$|prices_include_tax|price_drift")
YEN = re.compile(r"JPY|[¥円￥]")
RARE = {"credit", "refunded", "due_now", "due_now_with_tax"}
"""Amounts that only an invoice with a credit or refund, or a preview, shows."""
SHOWN_TO_ALL = ("/api/public/", "/api/admin/", "/health", "/ready", "/live", "/metrics", "/docs", "/api/staff/")


def schemas() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi_document())["components"]["schemas"]
    return found


def amounts(body: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (path, amount, currency) of every amount in an answer."""
    if isinstance(body, dict):
        if set(body) == {"amount", "currency"}:
            yield path, body["amount"], body["currency"]
        for name, value in body.items():
            yield from amounts(value, f"{path}.{name}")
    elif isinstance(body, list):
        for value in body:
            yield from amounts(value, f"{path}[]")


@pytest.fixture
async def dollars(desk: Desk, hana: Actor) -> Actor:
    """Hana, billed in dollars: with an active order, one under review, one that staff made, and invoices."""
    await desk.open()
    await reprice(desk)
    await desk.pool.execute(
        "INSERT INTO read_model.feeds (feed, as_of) VALUES ($1, now()) ON CONFLICT (feed) DO NOTHING",
        desk.resources.settings.salesforce_channel,
    )
    await moved(desk, hana, "USD")
    order_id = await desk.ordered("vpn", hana)
    assert await desk.fulfil(order_id) == "done"
    await desk.sandbox.control.post("/whmcs/cron", json={"client_id": hana.whmcs_client_id})
    for resource in ("client_services", "client_invoices"):
        await desk.reread(resource, hana.whmcs_client_id)
    await desk.place(hana, await desk.basket("sim"))
    await staff_order(desk, hana, "VPN-USA-SF", "VPN-ACTIVATION-FEE", order_type="VPN", vpn_region="USA-SF")
    return hana


async def test_no_answer_has_an_amount_in_another_currency_than_the_customers(
    desk: Desk, dollars: Actor, short_timeouts: Settings
) -> None:
    settings = msgspec.structs.replace(short_timeouts, tax_rates="JP=10")
    ids, seen = await known_ids(desk, dollars), set()
    orders = [row["order_id"] for row in await desk.pool.fetch("SELECT order_id FROM read_model.orders")]
    async with api_of(settings, desk, dollars) as (app, client, headers):
        for template in sorted(get_routes(app) - LIVE - STREAMS):
            if template.startswith(SHOWN_TO_ALL):
                continue
            variants = [{"category": each} for each in ("vpn", "sim", "hosting", "internet")]
            variants += [{"order_id": each} for each in orders]
            for path in {filled(template, {**ids, **variant}) for variant in variants}:
                answer = await client.get(path, headers=headers["customer"])
                if answer.status_code != 200 or "json" not in answer.headers["content-type"]:
                    continue
                found = list(amounts(answer.json()))
                assert [each for each in found if each[2] != "USD"] == [], path
                assert YEN.search(answer.text) is None, (path, answer.text)
                seen |= {each[0].rpartition(".")[2].removesuffix("[]") for each in found}
    shown = {name for each in schemas().values() for name, of in each.get("properties", {}).items() if _is_money(of)}
    of_commands = {"first_month", "first_month_with_tax"}  # the basket check, in tests/commands/orders
    assert shown - seen - RARE - of_commands == set(), "nothing above shows these, so nothing compares their currency"


def _is_money(schema: Any) -> bool:
    return MONEY in json.dumps(schema)


def test_every_amount_of_the_api_says_its_currency() -> None:
    bare = [
        f"{name}.{field}"
        for name, each in schemas().items()
        for field, of in each.get("properties", {}).items()
        if AN_AMOUNT.search(field) and not NO_AMOUNT.search(field) and not _says_its_currency(each, of)
    ]
    assert bare == []


def _says_its_currency(owner: Any, of: Any) -> bool:
    """Return whether a field is money, has parts that are, or stands beside a currency."""
    return "$ref" in json.dumps(of) or "currency" in owner["properties"]
