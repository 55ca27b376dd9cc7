"""Of two values for one thing none is the right one."""

import httpx
import pytest

from tests.http.fast.test_connection import LIST, running
from tests.http.fast.test_path import hana
from tests.projections.conftest import feed

__all__ = ["feed", "hana", "running"]


@pytest.mark.parametrize(
    "query", ["limit=5&limit=6", "limit=5&limit=5", "limit=5&%6cimit=6", "limit=5&cursor=a&limit="]
)
async def test_a_query_parameter_comes_once(api: httpx.AsyncClient, hana: dict[str, str], query: str) -> None:
    found = await api.get(f"{LIST}?{query}", headers=hana)
    assert (found.status_code, found.json()["code"]) == (400, "repeated_parameter")
    assert [each["field"] for each in found.json()["errors"]] == ["limit"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"email":"hana@example.jp","password":"a","password":"b"}',
        b'{"email":"hana@example.jp","password":"a","\\u0070assword":"a"}',
        b'{"email":"hana@example.jp","email":"ken@example.jp","password":"a"}',
    ],
)
async def test_a_body_names_a_field_once(api: httpx.AsyncClient, body: bytes) -> None:
    found = await api.post("/api/auth/login", content=body, headers={"Content-Type": "application/json"})
    assert (found.status_code, found.json()["code"]) == (400, "repeated_field")


async def test_at_any_depth(api: httpx.AsyncClient, hana: dict[str, str]) -> None:
    headers = {**hana, "Content-Type": "application/json", "Idempotency-Key": "k"}
    for body, field in (
        (b'{"items":[{"sku":"A"}],"configuration":{"vpn_region":"Global","vpn_region":"Japan"}}', "vpn_region"),
        (b'{"items":[{"sku":"A"},{"sku":"B","sku":"C"}],"configuration":{}}', "sku"),
        (b'{"items":[{"sku":"A"}],"items":[],"configuration":{}}', "items"),
    ):
        found = await api.post("/api/orders", content=body, headers=headers)
        assert (found.status_code, found.json()["code"]) == (400, "repeated_field"), body
        assert [each["field"] for each in found.json()["errors"]] == [field]


async def test_in_a_large_body_too(api: httpx.AsyncClient) -> None:
    body = b'{"email":"hana@example.jp","password":"a",' + b" " * 200_000 + b'"password":"b"}'
    found = await api.post("/api/auth/login", content=body, headers={"Content-Type": "application/json"})
    assert (found.status_code, found.json()["code"]) == (400, "repeated_field")
    shapeless = b"[" + b"{}," * 80_000 + b"{}]"
    found = await api.post("/api/auth/login", content=shapeless, headers={"Content-Type": "application/json"})
    assert (found.status_code, found.json()["code"]) == (400, "invalid_request")
