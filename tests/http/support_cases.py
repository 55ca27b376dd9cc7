"""Fixtures of the tests of support cases: two customers of the sandbox, logged in, and their calls."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from app.settings import Settings
from tests.http.routes.test_account import customers, linked

CASE = {"subject": "No signal", "description": "Since this morning, in the kitchen.", "priority": "high"}


@pytest.fixture
async def api(serve: Any, sandbox_settings: Settings, sandbox: Any) -> AsyncIterator[httpx.AsyncClient]:
    impatient = msgspec.structs.replace(
        sandbox_settings, salesforce_timeout_seconds=2.0, settle_wait_seconds=0.1, account_rate_per_minute=1000
    )
    async with serve(impatient) as client:
        yield client


@pytest.fixture
async def hana(api: httpx.AsyncClient, sandbox: Any) -> dict[str, str]:
    return await linked(api, customers(sandbox)[0])


@pytest.fixture
async def kenji(api: httpx.AsyncClient, sandbox: Any) -> dict[str, str]:
    return await linked(api, customers(sandbox)[1])


async def opened(api: httpx.AsyncClient, headers: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = await api.post("/api/cases", json={**CASE, **more}, headers=headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def held(sandbox: Any, name: str = "Case") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await sandbox.control.get(f"/salesforce/{name}")).json()["records"]
    return found
