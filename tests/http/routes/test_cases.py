"""Support cases over the API and the sandbox: one's own, opened once, commented on, and never an empty list for a
Salesforce that is away."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.http.guards.test_roles import without_command
from tests.http.routes.test_account import customers
from tests.http.support_cases import CASE, api, hana, held, kenji, opened

__all__ = ["api", "hana", "kenji"]


async def test_the_same_words_at_once_open_one_case_with_the_portals_origin(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    cases = [await opened(api, hana) for _ in range(2)]
    assert cases[0]["case_id"] == cases[1]["case_id"]
    (record,) = await held(sandbox)
    account_id = customers(sandbox)[0]["salesforce_account_id"]
    assert (record["Origin"], record["Status"], record["Priority"]) == ("Portal Website", "New", "High")
    assert record["AccountId"] == account_id
    contact = (await sandbox.control.get(f"/salesforce/Contact/{record['ContactId']}")).json()
    assert contact["AccountId"] == account_id
    assert (cases[0]["status"], cases[0]["priority"], cases[0]["comments"]) == ("open", "high", [])


async def test_a_key_opens_one_case_and_another_key_another(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    first, again, other = [await opened(api, {**hana, "idempotency-key": key}) for key in ("one", "one", "two")]
    assert first["case_id"] == again["case_id"] != other["case_id"]
    assert len(await held(sandbox)) == 2


@pytest.mark.parametrize("key", [{}, {"idempotency-key": "one"}])
async def test_a_case_that_salesforce_wrote_and_did_not_confirm_is_found_and_not_opened_again(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], key: dict[str, str]
) -> None:
    await sandbox.fault("salesforce", "timeout_after_write", operation="sobjects.create:Case")
    answer = await api.post("/api/cases", json=CASE, headers={**hana, **key})
    assert answer.status_code == 201, answer.text
    assert [each["Id"] for each in await held(sandbox)] == [answer.json()["case_id"]]


async def test_a_key_whose_outcome_stayed_unknown_finds_its_case_when_it_is_sent_again(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    keyed = {**hana, "idempotency-key": "one"}
    await sandbox.fault("salesforce", "timeout_after_write", operation="sobjects.create:Case")
    request = asyncio.create_task(api.post("/api/cases", json=CASE, headers=keyed))
    while not [each for each in await sandbox.calls("salesforce") if each["operation"] == "sobjects.create:Case"]:
        await asyncio.sleep(0.05)
    await sandbox.fault("salesforce", "down", count=None)
    answer = await request
    assert answer.status_code == 503, answer.text
    await sandbox.clear_faults()
    again = await api.post("/api/cases", json=CASE, headers=keyed)
    assert again.status_code == 201, again.text
    assert [each["Id"] for each in await held(sandbox)] == [again.json()["case_id"]]


async def test_a_list_is_paged_newest_first_and_stable_while_cases_are_opened(
    api: httpx.AsyncClient, hana: dict[str, str]
) -> None:
    made = [(await opened(api, hana, subject=f"Question {number}"))["case_id"] for number in range(5)]
    seen: list[str] = []
    page = (await api.get("/api/cases", params={"limit": 2}, headers=hana)).json()
    seen += [each["case_id"] for each in page["items"]]
    await opened(api, hana, subject="One more")
    while cursor := page["next_cursor"]:
        page = (await api.get("/api/cases", params={"limit": 2, "cursor": cursor}, headers=hana)).json()
        seen += [each["case_id"] for each in page["items"]]
    assert len(seen) == len(set(seen))
    assert set(seen) == set(made)


async def test_closed_cases_are_distinguished_from_open_ones(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    first, second = [(await opened(api, hana, subject=subject))["case_id"] for subject in ("One", "Two")]
    await sandbox.control.patch(f"/salesforce/Case/{first}", json={"Status": "Closed"})

    async def ids(**params: Any) -> list[str]:
        answer = await api.get("/api/cases", params=params, headers=hana)
        return [each["case_id"] for each in answer.json()["items"]]

    assert await ids(closed="true") == [first]
    assert await ids(closed="false") == [second]
    shown = (await api.get(f"/api/cases/{first}", headers=hana)).json()
    assert (shown["status"], shown["status_text"]) == ("closed", "This request is closed.")
    assert shown["closed_at"]


async def test_cases_are_searched_and_counted_within_the_account(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], kenji: dict[str, str]
) -> None:
    subjects = ("100% slower", "No signal, it's weak", "Bill of May")
    made = [await opened(api, hana, subject=subject) for subject in subjects]
    await opened(api, kenji, subject="No signal either")
    await sandbox.control.patch(f"/salesforce/Case/{made[2]['case_id']}", json={"Status": "Closed"})

    async def found(**params: Any) -> tuple[list[str], int | None]:
        answer = await api.get("/api/cases", params=params, headers=hana)
        assert answer.status_code == 200, answer.text
        return [each["subject"] for each in answer.json()["items"]], answer.json().get("count")

    assert await found(q="SIGNAL", count="true") == ([subjects[1]], 1)
    assert await found(q="it's") == ([subjects[1]], None)
    assert await found(q="100%") == ([subjects[0]], None)
    for nothing in ("%signal", "N_ signal", "' OR Subject != '", "\\"):
        assert await found(q=nothing, count="true") == ([], 0), nothing
    assert await found(q=made[2]["case_number"]) == ([subjects[2]], None)
    assert (await found(count="true", limit=1))[1] == 3
    assert await found(count="true", closed="true") == ([subjects[2]], 1)


@pytest.mark.parametrize(
    ("upstream", "word"),
    [("Working", "in_progress"), ("Escalated", "in_progress"), ("Somebody's new status", "in_progress")],
)
async def test_staffs_statuses_are_said_in_the_customers_words(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], upstream: str, word: str
) -> None:
    case_id = (await opened(api, hana))["case_id"]
    await sandbox.control.patch(f"/salesforce/Case/{case_id}", json={"Status": upstream, "Priority": "Critical"})
    shown = (await api.get(f"/api/cases/{case_id}", headers=hana)).json()
    assert (shown["status"], shown["priority"]) == (word, "high")


async def test_another_accounts_case_is_as_absent_as_an_unknown_one(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], kenji: dict[str, str]
) -> None:
    case_id = (await opened(api, hana))["case_id"]
    assert (await api.get("/api/cases", headers=kenji)).json()["items"] == []
    for method, path, body in (("GET", "", None), ("POST", "/comments", {"body": "Let me in"})):
        answers = [
            await api.request(method, f"/api/cases/{each}{path}", json=body, headers={**kenji, "x-request-id": "same"})
            for each in (case_id, "5000000000000000AA", "nonsense", "5' OR Id != '")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert all(without_command(answer) == without_command(answers[0]) for answer in answers)
        assert answers[0].json()["code"] == "case_not_found"
    assert await held(sandbox, "CaseComment") == []


async def test_a_case_that_staff_took_down_themselves_is_not_shown(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    body = {"AccountId": customers(sandbox)[0]["salesforce_account_id"], "Subject": "Rude on the phone"}
    record = (await sandbox.control.post("/salesforce/Case", json={**body, "Origin": "Phone"})).json()
    assert (await api.get("/api/cases", headers=hana)).json()["items"] == []
    assert (await api.get(f"/api/cases/{record['Id']}", headers=hana)).status_code == 404


async def test_both_sides_public_comments_are_shown_and_staffs_private_ones_are_not(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    case_id = (await opened(api, hana))["case_id"]
    for body, public in (("Have you tried the hall?", True), ("Customer sounds annoyed", False)):
        comment = {"ParentId": case_id, "CommentBody": body, "IsPublished": public}
        (await sandbox.control.post("/salesforce/CaseComment", json=comment)).raise_for_status()
    answer = await api.post(f"/api/cases/{case_id}/comments", json={"body": "  It works there. "}, headers=hana)
    assert answer.status_code == 201, answer.text
    said = {(each["author"], each["body"]) for each in answer.json()["comments"]}
    assert said == {("support", "Have you tried the hall?"), ("you", "It works there.")}
    assert "annoyed" not in (await api.get(f"/api/cases/{case_id}", headers=hana)).text
    written = next(each for each in await held(sandbox, "CaseComment") if "works" in each["CommentBody"])
    assert (written["ParentId"], written["IsPublished"]) == (case_id, True)


async def test_what_is_the_last_word_already_is_not_said_twice(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    case_id = (await opened(api, hana))["case_id"]
    path = f"/api/cases/{case_id}/comments"
    assert [(await api.post(path, json={"body": "Yes."}, headers=hana)).status_code for _ in range(2)] == [201, 201]
    assert len(await held(sandbox, "CaseComment")) == 1
    await asyncio.sleep(1.1)  # Salesforce tells no finer time than seconds
    reply = {"ParentId": case_id, "CommentBody": "And now?", "IsPublished": True}
    await sandbox.control.post("/salesforce/CaseComment", json=reply)
    assert (await api.post(path, json={"body": "Yes."}, headers=hana)).status_code == 201
    assert [each["CommentBody"] for each in await held(sandbox, "CaseComment")].count("Yes.") == 2


async def test_a_comment_that_was_written_and_not_confirmed_is_found(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    case_id = (await opened(api, hana))["case_id"]
    await sandbox.fault("salesforce", "timeout_after_write", operation="sobjects.create:CaseComment")
    answer = await api.post(f"/api/cases/{case_id}/comments", json={"body": "Still there?"}, headers=hana)
    assert answer.status_code == 201, answer.text
    assert len(await held(sandbox, "CaseComment")) == 1


async def test_a_closed_case_takes_no_comments_and_says_what_to_do(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    case_id = (await opened(api, hana))["case_id"]
    await sandbox.control.patch(f"/salesforce/Case/{case_id}", json={"Status": "Closed"})
    answer = await api.post(f"/api/cases/{case_id}/comments", json={"body": "Not solved"}, headers=hana)
    assert (answer.status_code, answer.json()["code"]) == (409, "case_closed")
    assert "open a new one" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body", [{**CASE, "subject": "  "}, {**CASE, "subject": "x" * 256}, {**CASE, "description": ""}, {}]
)
async def test_a_case_needs_words_within_bounds(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str], body: dict[str, Any]
) -> None:
    assert (await api.post("/api/cases", json=body, headers=hana)).status_code == 400
    assert await held(sandbox) == []


async def test_while_salesforce_is_down_cases_are_a_problem_and_never_an_empty_list(
    api: httpx.AsyncClient, sandbox: Any, hana: dict[str, str]
) -> None:
    case_id = (await opened(api, hana))["case_id"]
    await sandbox.fault("salesforce", "down", count=None)
    answers = [
        await api.get("/api/cases", headers=hana),
        await api.get(f"/api/cases/{case_id}", headers=hana),
        await api.post("/api/cases", json=CASE, headers=hana),
    ]
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.json()["code"] == "support_unavailable"
        assert answer.json()["detail"] == "The support system is unavailable. Please try again later."
    comment = await api.post(f"/api/cases/{case_id}/comments", json={"body": "Hello?"}, headers=hana)
    assert comment.status_code == 202, "by now nobody calls Salesforce, so the comment waits"
