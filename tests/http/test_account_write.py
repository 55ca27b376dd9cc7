"""Over the API and the sandbox: linking, a new billing address, support cases of one's own."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.settings import Settings

PASSWORD = "paper crane lantern 24"
ADDRESS = {"address1": "4-5-6 Sakae", "city": "Naka-ku", "state": "Aichi", "postcode": "460-0008", "country": "JP"}


@pytest.fixture
async def api(serve: Any, sandbox_settings: Settings, sandbox: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(sandbox_settings) as client:
        yield client


async def linked(api: httpx.AsyncClient, customer: dict[str, Any]) -> dict[str, str]:
    """Link a sandbox customer and log in; returns the header."""
    credentials = {"email": customer["email"], "password": customer["password"]}
    offered = (await api.post("/api/auth/link", json=credentials)).json()
    body = {"link_token": offered["link_token"], "new_password": PASSWORD}
    done = await api.post("/api/auth/link/complete", json=body)
    assert done.status_code == 201, done.text
    session = await api.post("/api/auth/login", json={"email": customer["email"], "password": PASSWORD})
    api.cookies.clear()
    return {"Authorization": f"Bearer {session.json()['token']}"}


def customers(sandbox: Any) -> list[dict[str, Any]]:
    return [each for each in sandbox.state["customers"] if each["whmcs_client_id"]]


async def test_a_new_address_goes_to_the_billing_system(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    answer = await api.put("/api/account/address", json=ADDRESS, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["city"] == "Naka-ku"
    held = (await sandbox.control.get(f"/whmcs/clients/{customer['whmcs_client_id']}")).text
    assert "4-5-6 Sakae" in held


async def test_while_the_billing_system_is_down_an_address_is_refused_whole(
    api: httpx.AsyncClient, sandbox: Any
) -> None:
    headers = await linked(api, customers(sandbox)[0])
    await sandbox.fault("whmcs", "down", count=None)
    answer = await api.put("/api/account/address", json=ADDRESS, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "billing_unavailable")


async def test_a_case_is_opened_once_in_salesforce_and_seen_by_its_owner_alone(
    api: httpx.AsyncClient, sandbox: Any
) -> None:
    mine, other = customers(sandbox)[0], customers(sandbox)[1]
    headers, others = await linked(api, mine), await linked(api, other)
    case = {"subject": "No signal", "description": "Since this morning, in the kitchen.", "priority": "high"}
    opened = [(await api.post("/api/cases", json=case, headers=headers)) for _ in range(2)]
    assert [answer.status_code for answer in opened] == [201, 201]
    assert opened[0].json()["case_id"] == opened[1].json()["case_id"]
    case_id = opened[0].json()["case_id"]
    record = (await sandbox.control.get(f"/salesforce/Case/{case_id}")).json()
    assert (record["Origin"], record["Status"], record["AccountId"]) == (
        "Portal Website",
        "New",
        mine["salesforce_account_id"],
    )
    listed = (await api.get("/api/cases", headers=headers)).json()
    assert [item["case_id"] for item in listed["items"]] == [case_id]
    assert (await api.get("/api/cases", headers=others)).json()["items"] == []
    foreign = await api.get(f"/api/cases/{case_id}", headers=others)
    unknown = await api.get("/api/cases/5000000000000000AA", headers=others)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "case_not_found")
    assert foreign.json()["detail"] == unknown.json()["detail"]


async def test_while_salesforce_is_down_cases_are_a_problem_and_never_an_empty_list(
    api: httpx.AsyncClient, sandbox: Any
) -> None:
    headers = await linked(api, customers(sandbox)[0])
    await sandbox.fault("salesforce", "down", count=None)
    answer = await api.get("/api/cases", headers=headers)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
