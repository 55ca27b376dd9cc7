"""One key, one answer, as a caller sees it."""

from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.commands import ledger
from app.commands.sign_up import SignUp
from app.settings import Settings

PATH = "/api/auth/signup"
ADDRESS = {"address1": "1-2-3 Shibuya", "city": "Shibuya-ku", "state": "Tokyo", "postcode": "150-0002", "country": "JP"}


@pytest.fixture
def body(sandbox: Any) -> dict[str, Any]:
    """A sign-up."""
    customer = sandbox.customer(with_whmcs=False)
    names = ("email", "first_name", "last_name", "customer_number")
    fixed = {"password": "paper crane lantern 24", "phone": "03-1234-5678", "address": ADDRESS}
    return {**{name: customer[name] for name in names}, **fixed}


@pytest.fixture
def quick(sandbox_settings: Settings) -> Settings:
    """No worker runs here, so nothing is worth waiting for."""
    return msgspec.structs.replace(sandbox_settings, settle_wait_seconds=0.0)


async def send(api: httpx.AsyncClient, body: dict[str, Any], key: str) -> httpx.Response:
    return await api.post(PATH, json=body, headers={"idempotency-key": key})


async def test_the_first_answer_is_given_again(serve: Any, quick: Settings, body: dict[str, Any], sandbox: Any) -> None:
    async with serve(quick) as api:
        first, second = await send(api, body, "one"), await send(api, body, "one")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert first.headers["command-id"] == second.headers["command-id"]
    assert [call["operation"] for call in await sandbox.calls("whmcs")].count("AddClient") == 1


async def test_another_body_under_the_same_key_is_refused(serve: Any, quick: Settings, body: dict[str, Any]) -> None:
    async with serve(quick) as api:
        await send(api, body, "one")
        response = await send(api, {**body, "last_name": "Other"}, "one")
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


async def test_while_the_first_runs_the_second_is_told_when_to_ask(
    serve: Any, quick: Settings, body: dict[str, Any], pool: asyncpg.Pool
) -> None:
    raw = PATH.encode() + b"\0" + msgspec.json.encode(msgspec.convert(body, SignUp))
    await ledger.begin(
        pool, keyring=quick.keyring, scope="203.0.113.7", key="one", name="sign_up", account_id=None, body=raw
    )
    async with serve(quick) as api:
        response = await send(api, body, "one")
    assert (response.status_code, response.json()["code"]) == (409, "command_in_progress")
    assert int(response.headers["retry-after"]) > 0


async def test_a_failure_frees_the_key_and_the_same_request_finishes(
    serve: Any, quick: Settings, body: dict[str, Any], sandbox: Any
) -> None:
    await sandbox.fault("whmcs", "down", count=50)
    async with serve(quick) as api:
        failed = await send(api, body, "one")
        await sandbox.clear_faults()
        finished = await send(api, body, "one")
    assert (failed.status_code, failed.json()["code"]) == (503, "billing_unavailable")
    assert int(failed.headers["retry-after"]) > 0
    assert finished.status_code == 201


async def test_a_key_that_is_too_long_is_refused(serve: Any, quick: Settings, body: dict[str, Any]) -> None:
    async with serve(quick) as api:
        response = await send(api, body, "k" * 201)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")


async def test_an_order_without_a_key_is_refused(api: httpx.AsyncClient, add_customer: Any, log_in: Any) -> None:
    await add_customer("hana")
    session = {"authorization": f"Bearer {(await log_in(api, 'hana'))['token']}"}
    response = await api.post("/api/orders", json={"items": [{"sku": "X"}]}, headers=session)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")


async def test_a_lost_answer_is_found_by_its_key_and_only_by_its_sender(
    api: httpx.AsyncClient, pool: asyncpg.Pool, settings: Settings, add_customer: Any, log_in: Any
) -> None:
    account_id = await add_customer("hana")
    await add_customer("kenji")
    hana, kenji = [{"authorization": f"Bearer {(await log_in(api, name))['token']}"} for name in ("hana", "kenji")]
    running = await ledger.begin(
        pool,
        keyring=settings.keyring,
        scope=str(account_id),
        key="lost",
        name="place_order",
        account_id=account_id,
        body=b"{}",
    )
    assert isinstance(running, ledger.Running)
    assert (await api.get("/api/commands/lost", headers=hana)).json()["state"] == "running"
    await ledger.finish(pool, running, 201, b"{}", 7)
    found = (await api.get(f"/api/commands/{running.id}", headers=hana)).json()
    assert (found["name"], found["state"], found["status"]) == ("place_order", "done", 201)
    assert found["consistency_token"]
    assert (await api.get("/api/commands/lost", headers=kenji)).status_code == 404
