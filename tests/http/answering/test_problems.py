"""Whatever goes wrong reaches the caller as a problem with a stable code, and changes nothing."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from litestar import Litestar

from app.settings import Settings
from tests.fixtures.changes import PRODUCT, change
from tests.projections.conftest import feed

__all__ = ["feed"]

LOGIN = "/api/auth/login"


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["title"]
    assert body["detail"]
    return body


async def test_malformed_json_is_named_so(api: httpx.AsyncClient) -> None:
    response = await api.post(LOGIN, content=b'{"email": ', headers={"content-type": "application/json"})
    problem(response, 400, "malformed_json")


async def test_values_are_taken_as_they_are(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    headers = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
    for wrong in (0, "true", None):
        body = {"items": [{"sku": "SIM-5GB"}], "address_confirmed": wrong}
        response = await api.post("/api/orders/check", json=body, headers=headers)
        assert problem(response, 400, "invalid_request")["errors"][0]["field"] == "address_confirmed"


@pytest.mark.parametrize("path", ["/api/public/services/a%00b", "/api/public/services/sim?x=%00"])
async def test_a_nul_character_is_refused_wherever_it_stands(api: httpx.AsyncClient, path: str) -> None:
    problem(await api.get(path), 400, "invalid_request")
    response = await api.post(LOGIN, json={"email": "a\0@b.jp", "password": "x"})
    problem(response, 400, "invalid_request")


async def test_an_unknown_field_is_refused_and_named(api: httpx.AsyncClient) -> None:
    response = await api.post(LOGIN, json={"email": "a@b.jp", "password": "x", "is_admin": True})
    assert problem(response, 400, "unknown_field")["errors"][0]["field"] == "is_admin"


async def test_an_unknown_field_deep_in_the_body_is_named_with_its_path(api: httpx.AsyncClient) -> None:
    body = {
        "email": "a@b.jp",
        "password": "x",
        "first_name": "A",
        "last_name": "B",
        "phone": "0312345678",
        "customer_number": "C-1",
        "address": {"address1": "1", "city": "c", "state": "s", "postcode": "1", "country": "JP", "planet": "Earth"},
    }
    response = await api.post("/api/auth/signup", json=body)
    assert problem(response, 400, "unknown_field")["errors"][0]["field"] == "address.planet"


async def test_a_missing_field_is_named(api: httpx.AsyncClient) -> None:
    response = await api.post(LOGIN, json={"email": "a@b.jp"})
    violation = problem(response, 400, "invalid_request")["errors"][0]
    assert (violation["field"], violation["code"]) == ("password", "missing_field")


async def test_a_value_of_the_wrong_type_is_named(api: httpx.AsyncClient) -> None:
    response = await api.post(LOGIN, json={"email": 7, "password": "x"})
    assert problem(response, 400, "invalid_request")["errors"][0]["field"] == "email"


@pytest.mark.parametrize("declared", [True, False])
async def test_an_oversize_body_is_refused_whether_its_length_is_declared_or_not(
    api: httpx.AsyncClient, declared: bool
) -> None:
    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 10_000

    headers = {"content-type": "application/json"}
    response = await api.post(LOGIN, content=b" " * 400_000 if declared else chunks(), headers=headers)
    problem(response, 413, "body_too_large")


async def test_a_form_is_refused_so_that_another_site_cannot_log_a_browser_in(api: httpx.AsyncClient) -> None:
    response = await api.post(
        LOGIN, content=b'{"email": "a@b.jp", "password": "x"}', headers={"content-type": "text/plain"}
    )
    problem(response, 415, "unsupported_media_type")
    assert "set-cookie" not in response.headers


async def test_an_unknown_query_parameter_is_refused_and_named(api: httpx.AsyncClient) -> None:
    response = await api.get("/api/public/services?colour=red")
    assert problem(response, 400, "unknown_parameter")["errors"][0]["field"] == "colour"


async def test_the_name_of_a_path_parameter_is_no_query_parameter(api: httpx.AsyncClient) -> None:
    problem(await api.get("/api/public/services/sim?category=vpn"), 400, "unknown_parameter")


@pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere", "/schema/nowhere", "/schema/swagger"])
async def test_an_unknown_path_is_not_found(api: httpx.AsyncClient, path: str) -> None:
    problem(await api.get(path), 404, "not_found")
    assert [(await api.get(each)).status_code for each in ("/schema", "/schema/", "/schema/openapi.json")] == [200] * 3


async def test_a_product_that_nobody_sells_is_not_found_once_there_is_a_catalog(
    api: httpx.AsyncClient, pool: asyncpg.Pool, feed: Any, settings: Settings
) -> None:
    path = "/api/public/services/sim/SIM-NONE"
    problem(await api.get(path), 503, "not_ready")
    await pool.execute("INSERT INTO read_model.feeds (feed, as_of) VALUES ('/data/Portal__chn', now())")
    price = {"Product2Id": "01tA", "Pricebook2Id": settings.salesforce_pricebook_id, "IsActive": True, "UnitPrice": 1.0}
    await feed(
        [
            change("salesforce", "Product2", "01tA", PRODUCT),
            change("salesforce", "PricebookEntry", "01uA", price, parent_id="01tA"),
        ]
    )
    problem(await api.get(path), 404, "product_not_found")


async def test_a_method_that_is_not_there_is_not_allowed(api: httpx.AsyncClient) -> None:
    problem(await api.put(LOGIN, json={}), 405, "method_not_allowed")


async def test_another_customers_id_answers_as_an_unknown_one_does(
    api: httpx.AsyncClient, pool: asyncpg.Pool, add_customer: Any, log_in: Any
) -> None:
    hana, kenji = await add_customer("hana"), await add_customer("kenji")
    await add_invoice(pool, kenji, "77")
    for account in (hana, kenji):
        await pool.execute("INSERT INTO read_model.freshness VALUES ($1, 'client_invoices', now())", account)
    session = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}", "x-request-id": "same"}
    foreign = await api.get("/api/invoices/77", headers=session)
    unknown = await api.get("/api/invoices/78", headers=session)
    problem(foreign, 404, "invoice_not_found")
    assert foreign.content == unknown.content


async def test_our_own_mistake_shows_nothing_of_the_inside(api: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
    await pool.execute("ALTER TABLE portal.users RENAME TO users_away")
    try:
        response = await api.post(LOGIN, json={"email": "a@b.jp", "password": "x"})
    finally:
        await pool.execute("ALTER TABLE portal.users_away RENAME TO users")
    problem(response, 500, "internal_error")
    assert "users" not in response.text
    assert "relation" not in response.text


async def test_without_its_database_the_portal_says_try_again(running: tuple[Litestar, httpx.AsyncClient]) -> None:
    app, api = running
    await app.state.context.pool.close()
    response = await api.post(LOGIN, json={"email": "a@b.jp", "password": "x"})
    problem(response, 503, "temporarily_unavailable")
    assert int(response.headers["retry-after"]) > 0


async def test_an_upstream_that_is_away_is_a_503_with_a_code_and_a_time(
    serve: Any, settings: Settings, tmp_path: Any
) -> None:
    nobody = msgspec.structs.replace(
        settings, salesforce_token_url="https://127.0.0.1:9/token", salesforce_private_key_file=str(key_file(tmp_path))
    )
    async with serve(nobody) as api:
        response = await api.post("/api/auth/customer-number/check", json={"customer_number": "C-000001"})
    problem(response, 503, "upstream_unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert "127.0.0.1" not in response.text


def key_file(folder: Any) -> Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    path = folder / "key.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


async def add_invoice(pool: asyncpg.Pool, account_id: UUID, invoice_id: str) -> None:
    await pool.execute(
        "INSERT INTO read_model.invoices (account_id, invoice_id, status, upstream_status, subtotal, tax, credit, "
        "total, balance, currency, sort_id, version, as_of, summary, document) "
        "VALUES ($1, $2, 'unpaid', 'Unpaid', 1, 0, 0, 1, 1, 'JPY', 1, 1, now(), '{}', '{}')",
        account_id,
        invoice_id,
    )
