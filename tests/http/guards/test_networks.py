"""Internal routes: from internal networks alone, limited, and rendered once for all concurrent callers."""

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest

from app.http.guards.client_address import check_networks
from app.http.monitoring import metrics
from app.http.reference import serving
from app.http.routes import health
from app.settings import Settings, SettingsError
from tests.http.conftest import served

INNER = ("/metrics", "/api/health/services/cache")


async def test_strangers_do_not_read_measures_and_neighbours_do(serve: Any, settings: Settings) -> None:
    default = msgspec.structs.replace(settings, internal_networks=load_default(), trusted_proxies="203.0.113.7")
    async with serve(default) as api:
        for path in INNER:
            for address, status in (("198.51.100.9", 403), ("127.0.0.1", 200), ("::1", 200), ("10.0.0.9", 403)):
                for method in ("GET", "HEAD"):
                    found = await api.request(method, path, headers={"X-Forwarded-For": address})
                    assert found.status_code == status, (path, address)
            assert (await api.get(path)).json()["code"] == "network_not_allowed"
        assert (await api.get("/api/health/ready")).status_code == 200, "load balancers are anywhere"
    async with serve(msgspec.structs.replace(default, internal_networks="10.0.0.0/8, 198.51.100.9")) as api:
        for address, status in (("198.51.100.9", 200), ("10.9.9.9", 200), ("198.51.100.8", 403)):
            assert (await api.get("/metrics", headers={"X-Forwarded-For": address})).status_code == status


@pytest.mark.parametrize("named", ["unknown", "_hidden", "localhost", "0177.0.0.1", "", "8.8.8.8, x", "127.0.0.1,x"])
async def test_whom_our_proxy_cannot_name_is_not_taken_for_the_proxy(
    serve: Any, settings: Settings, named: str
) -> None:
    inside = "203.0.113.0/24, 127.0.0.0/8"
    networks = dict.fromkeys(("internal_networks", "admin_networks", "webhook_networks"), inside)
    async with serve(msgspec.structs.replace(settings, trusted_proxies="203.0.113.7", **networks)) as api:
        for method, path in (
            *(("GET", path) for path in (*INNER, "/api/admin/dead-letters")),
            ("POST", "/webhooks/whmcs"),
        ):
            found = await api.request(method, path, headers={"X-Forwarded-For": named})
            assert (found.status_code, found.json()["code"]) == (403, "network_not_allowed"), path
            assert (await api.request(method, path)).status_code != 403, "who comes without one is the proxy itself"


def load_default() -> str:
    default = next(field for field in msgspec.structs.fields(Settings) if field.name == "internal_networks").default
    assert isinstance(default, str)
    return default


def test_networks_that_cannot_be_read_are_refused_at_start(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="INTERNAL_NETWORKS"):
        check_networks(msgspec.structs.replace(settings, internal_networks="inside"))


async def test_internal_routes_are_limited_and_health_checks_are_not(serve: Any, settings: Settings) -> None:
    async with serve(msgspec.structs.replace(settings, public_rate_per_minute=3)) as api:
        for path in INNER:
            assert 429 in [(await api.get(path)).status_code for _ in range(8)]
        assert {(await api.get("/api/health/live")).status_code for _ in range(10)} == {200}
        assert 429 in [(await api.get("/schema")).status_code for _ in range(8)]


@pytest.mark.parametrize(
    ("path", "module", "work"),
    [("/metrics", metrics, "own_counts"), ("/api/health/services/cache", health, "measure")],
)
async def test_concurrent_scrapes_share_one_answer(
    settings: Settings, pool: Any, redis: Any, monkeypatch: pytest.MonkeyPatch, path: str, module: Any, work: str
) -> None:
    done, real = 0, getattr(module, work)

    def counted(*arguments: Any) -> Any:
        nonlocal done
        done += 1
        return real(*arguments)

    monkeypatch.setattr(module, work, counted)
    async with served(settings) as (_, api):
        answers = await asyncio.gather(*(api.get(path) for _ in range(20)))
        assert {each.status_code for each in answers} == {200}
        assert done < 10
        before = done
        assert (await api.get(path)).status_code == 200
        assert done == before + 1


async def test_the_document_is_made_once(api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {path: (await api.get(path)).content for path in ("/schema", "/schema/openapi.json")}

    def again(document: Any) -> Any:
        raise AssertionError("made again")

    monkeypatch.setattr(serving, "complete", again)
    for path, content in first.items():
        assert (await api.get(path)).content == content
    assert json.loads(first["/schema/openapi.json"])["openapi"].startswith("3.1")


async def test_the_content_type_for_prometheus_comes_once(api: httpx.AsyncClient) -> None:
    found = await api.get("/metrics")
    assert found.headers.get_list("content-type") == ["text/plain; version=1.0.0; charset=utf-8"]
