"""Around every request: ids, headers, metrics, log lines."""

import re
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from app.settings import Settings


async def test_a_sane_request_id_is_kept_and_any_other_replaced(api: httpx.AsyncClient) -> None:
    kept = await api.get("/api/health/live", headers={"x-request-id": "trace-1.a_B"})
    assert kept.headers["x-request-id"] == "trace-1.a_B"
    for bad in ("a b", "x" * 65, "<script>", ""):
        response = await api.get("/api/health/live", headers={"x-request-id": bad})
        assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/api/health/live", "/api/nowhere", "/api/orders", "/schema"])
async def test_every_answer_has_the_security_headers(api: httpx.AsyncClient, path: str) -> None:
    headers = (await api.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-request-id"]


async def test_log_lines_hold_the_route_and_never_the_query_or_the_body(api: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await api.get("/api/public/services/sim?token=hidden")
        await api.post("/api/auth/login", json={"email": "a@b.jp", "password": "hidden"})
    requests = [line for line in lines if line["event"] == "http_request"]
    assert [line["route"] for line in requests] == ["/api/public/services/{category}", "/api/auth/login"]
    assert "hidden" not in repr(lines)
    assert "a@b.jp" not in repr(lines)


async def test_metrics_count_by_route_template(api: httpx.AsyncClient) -> None:
    await api.get("/api/invoices/12345678")
    text = (await api.get("/metrics")).text
    assert 'portal_http_requests_total{method="GET",route="/api/invoices/{invoice_id}",status="401"}' in text
    assert "12345678" not in text


async def test_a_living_process_says_so(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/health/live")).json() == {"status": "ok"}


async def test_only_configured_origins_may_read_answers_in_a_browser(serve: Any, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, cors_origins="https://shop.example.jp")) as api:
        ours = await api.get("/api/auth/me", headers={"origin": "https://shop.example.jp"})
        other = await api.get("/api/auth/me", headers={"origin": "https://evil.example"})
        asked = await api.options(
            "/api/orders",
            headers={
                "origin": "https://shop.example.jp",
                "access-control-request-method": "POST",
                "access-control-request-headers": "idempotency-key,content-type",
            },
        )
    assert ours.headers["access-control-allow-origin"] == "https://shop.example.jp"
    assert "x-request-id" in ours.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-origin" not in other.headers
    assert asked.status_code == 204
    assert "idempotency-key" in asked.headers["access-control-allow-headers"].lower()
