"""One key, one answer, as a caller sees it."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.commands.execution import ledger
from app.commands.execution.context import Actor
from app.commands.identity.enrolment.sign_up import SignUpAddress
from app.commands.identity.sessions.session_store import open_session
from app.resources import Resources
from app.settings import Settings
from tests.commands.conftest import Desk

PATH = "/api/account/address"
BODY = {"address1": "4-5-6 Sakae", "city": "Naka-ku", "state": "Aichi", "postcode": "460-0008", "country": "JP"}


@pytest.fixture
def quick(sandbox_settings: Settings) -> Settings:
    """No worker runs here, so nothing is worth waiting for."""
    return msgspec.structs.replace(sandbox_settings, settle_wait_seconds=0.0)


@pytest.fixture
async def caller(resources: Resources, sandbox: Any) -> Actor:
    """A linked customer."""
    desk = Desk(resources, sandbox)
    return await desk.link(sandbox.customer(with_whmcs=True), None)


@pytest.fixture
async def logged_in(serve: Any, quick: Settings, caller: Actor, pool: asyncpg.Pool) -> AsyncIterator[httpx.AsyncClient]:
    assert caller.user_id is not None
    opened = await open_session(pool, quick, caller.user_id, "", "")
    async with serve(quick) as client:
        client.headers["authorization"] = f"Bearer {opened.token}"
        yield client


async def send(api: httpx.AsyncClient, body: dict[str, Any], key: str) -> httpx.Response:
    return await api.put(PATH, json=body, headers={"idempotency-key": key})


async def test_the_first_answer_is_given_again(logged_in: httpx.AsyncClient, sandbox: Any) -> None:
    first, second = await send(logged_in, BODY, "one"), await send(logged_in, BODY, "one")
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert first.headers["command-id"] == second.headers["command-id"]
    assert [call["operation"] for call in await sandbox.calls("whmcs")].count("UpdateClient") == 1


async def test_another_body_under_the_same_key_is_refused(logged_in: httpx.AsyncClient) -> None:
    await send(logged_in, BODY, "one")
    response = await send(logged_in, {**BODY, "city": "Other"}, "one")
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


async def test_while_the_first_request_runs_the_second_gets_a_retry_after(
    logged_in: httpx.AsyncClient, quick: Settings, caller: Actor, pool: asyncpg.Pool
) -> None:
    raw = PATH.encode() + b"\0" + msgspec.json.encode((msgspec.convert(BODY, SignUpAddress), None))
    held = {"keyring": quick.keyring, "scope": str(caller.account_id), "key": "one", "name": "change_address"}
    await ledger.begin(pool, **held, account_id=caller.account_id, body=raw)
    response = await send(logged_in, BODY, "one")
    assert (response.status_code, response.json()["code"]) == (409, "command_in_progress")
    assert int(response.headers["retry-after"]) > 0


async def test_a_failure_frees_the_key_and_the_same_request_finishes(
    logged_in: httpx.AsyncClient, sandbox: Any
) -> None:
    await sandbox.fault("whmcs", "down", "UpdateClient")
    failed = await send(logged_in, BODY, "one")
    await sandbox.clear_faults()
    finished = await send(logged_in, BODY, "one")
    assert (failed.status_code, failed.json()["code"]) == (503, "billing_unavailable")
    assert int(failed.headers["retry-after"]) > 0
    assert finished.status_code == 200


async def test_a_key_that_is_too_long_is_refused(logged_in: httpx.AsyncClient) -> None:
    response = await send(logged_in, BODY, "k" * 201)
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
