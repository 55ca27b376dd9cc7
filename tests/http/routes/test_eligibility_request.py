"""Asking for an availability check: once in Salesforce, whatever the browsers and the network do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.http.routes.test_account import customers, linked

PATH = "/api/account/eligibility/request"


@pytest.fixture
async def api(serve: Any, sandbox_settings: Settings, sandbox: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(sandbox_settings) as client:
        yield client


async def checks(sandbox: Any, customer: dict[str, Any]) -> list[dict[str, Any]]:
    query = {"AccountId": customer["salesforce_account_id"], "Subject": "Internet availability check"}
    found: list[dict[str, Any]] = (await sandbox.control.get("/salesforce/Case", params=query)).json()["records"]
    return found


async def opportunities(sandbox: Any, customer: dict[str, Any]) -> list[dict[str, Any]]:
    query = {"AccountId": customer["salesforce_account_id"]}
    found: list[dict[str, Any]] = (await sandbox.control.get("/salesforce/opportunities", params=query)).json()[
        "records"
    ]
    return found


async def account(sandbox: Any, customer: dict[str, Any]) -> dict[str, Any]:
    path = f"/salesforce/accounts/{customer['salesforce_account_id']}"
    found: dict[str, Any] = (await sandbox.control.get(path)).json()
    return found


async def state(sandbox: Any, customer: dict[str, Any], **fields: Any) -> None:
    path = f"/salesforce/accounts/{customer['salesforce_account_id']}"
    (await sandbox.control.patch(path, json=fields)).raise_for_status()


async def test_a_check_is_opened_with_case_opportunity_and_account(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    answer = await api.post(PATH, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["internet"]["status"] == "checking"
    [case] = await checks(sandbox, customer)
    [opportunity] = await opportunities(sandbox, customer)
    held = await account(sandbox, customer)
    assert case["Origin"] == "Portal Website"
    assert case["Opportunity__c"] == opportunity["Id"]
    assert customer["address"]["address1"] in case["Description"]
    assert (held["Internet_Eligibility_Status__c"], held["Internet_Eligibility_Case_Id__c"]) == ("Pending", case["Id"])
    assert held["Internet_Eligibility_Request_Date__c"]


async def test_asking_twice_or_at_once_opens_one(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    answers = await asyncio.gather(*(api.post(PATH, headers=headers) for _ in range(4)))
    assert {each.status_code for each in answers} <= {200, 409}
    assert (await api.post(PATH, headers=headers)).status_code == 200
    assert len(await checks(sandbox, customer)) == 1
    assert len(await opportunities(sandbox, customer)) == 1


async def test_an_open_opportunity_is_used_again(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    await api.post(PATH, headers=headers)
    await state(sandbox, customer, Internet_Eligibility_Status__c="Not Available")
    assert (await api.post(PATH, headers=headers)).status_code == 200
    assert len(await checks(sandbox, customer)) == 2
    assert len(await opportunities(sandbox, customer)) == 1


async def test_an_answer_that_got_lost_opens_no_second_check(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    await sandbox.fault("salesforce", "timeout_after_write", operation="composite")
    first = await api.post(PATH, headers=headers)
    assert first.status_code == 200, first.text
    assert len(await checks(sandbox, customer)) == 1


async def test_an_eligible_customer_opens_no_check(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    await state(sandbox, customer, Internet_Eligibility_Status__c="Eligible", Internet_Eligibility__c="Home 1G")
    answer = await api.post(PATH, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_eligible")
    assert await checks(sandbox, customer) == []


async def test_while_salesforce_is_down_nothing_is_half_asked(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    await sandbox.fault("salesforce", "down", count=None)
    assert (await api.post(PATH, headers=headers)).status_code == 503
    await sandbox.clear_faults()
    assert await checks(sandbox, customer) == []
    assert (await api.post(PATH, headers=headers)).status_code == 200


ELSEWHERE = {
    "address1": "９－９－９ Minato",
    "city": "Yokohama",
    "state": "神奈川県",
    "postcode": "2310001",
    "country": "JP",
}


async def test_the_check_names_its_address_here_and_in_salesforce(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    answer = await api.post(PATH, headers=headers)
    held = (await account(sandbox, customer))["Internet_Eligibility_Address__c"]
    assert customer["address"]["address1"] in held
    assert answer.json()["internet"]["address"] == held


async def test_another_address_is_asked_about_by_name_and_replaces_the_result(
    api: httpx.AsyncClient, sandbox: Any
) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    await state(sandbox, customer, Internet_Eligibility_Status__c="Eligible", Internet_Eligibility__c="Home 1G")
    answer = await api.post(PATH, headers=headers, json={"address": ELSEWHERE})
    assert answer.status_code == 200, answer.text
    assert answer.json()["internet"] == {
        "status": "checking",
        "text": "We are checking availability at your address.",
        "offering": None,
        "address": "231-0001, 神奈川県, Yokohama, 9-9-9 Minato, JP",
    }
    [case] = await checks(sandbox, customer)
    assert "9-9-9 Minato" in case["Description"]


async def test_one_address_is_checked_at_a_time(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    assert (await api.post(PATH, headers=headers)).status_code == 200
    other = await api.post(PATH, headers=headers, json={"address": ELSEWHERE})
    assert (other.status_code, other.json()["code"]) == (409, "check_in_progress")
    assert len(await checks(sandbox, customer)) == 1


async def test_an_address_that_was_confirmed_is_not_asked_about_again(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    assert (await api.post(PATH, headers=headers, json={"address": ELSEWHERE})).status_code == 200
    await state(sandbox, customer, Internet_Eligibility_Status__c="Eligible", Internet_Eligibility__c="Home 1G")
    spelled = {**ELSEWHERE, "address1": "9-9-9  MINATO", "state": "Kanagawa"}
    again = await api.post(PATH, headers=headers, json={"address": spelled})
    assert (again.status_code, again.json()["code"]) == (409, "already_eligible")
    on_file = await api.post(PATH, headers=headers)
    assert on_file.status_code == 200, "the address on file is another one"
    assert len(await checks(sandbox, customer)) == 2


async def test_an_address_that_is_none_is_refused(api: httpx.AsyncClient, sandbox: Any) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    wrong = await api.post(PATH, headers=headers, json={"address": {**ELSEWHERE, "postcode": "12"}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "address_invalid")
    assert await checks(sandbox, customer) == []
