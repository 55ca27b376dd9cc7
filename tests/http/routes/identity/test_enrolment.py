"""Signing up and linking over the API: steps, sessions that begin with the answer, and one's own writes at once."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from app.resources import Resources
from app.settings import Settings
from tests.fixtures.enrolling import PASSWORD, code_to
from tests.fixtures.linked import settle_all

ADDRESS = {"address1": "1-2-3 Shibuya", "city": "Shibuya-ku", "state": "Tokyo", "postcode": "150-0002", "country": "JP"}


@pytest.fixture
async def api(serve: Any, sandbox_settings: Settings, sandbox: Any) -> AsyncIterator[httpx.AsyncClient]:
    quick = msgspec.structs.replace(sandbox_settings, settle_wait_seconds=0.0, auth_rate_per_minute=1000)
    async with serve(quick) as client:
        yield client


def body_of(customer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    names = ("email", "first_name", "last_name", "customer_number")
    fixed = {"password": PASSWORD, "phone": "03-1234-5678", "address": ADDRESS}
    return {**{name: customer[name] for name in names}, **fixed, **changes}


async def code_of(resources: Resources, sandbox: Any, customer: dict[str, Any]) -> str:
    return await code_to(resources.context, sandbox, customer["email"])


async def assert_in_session(
    api: httpx.AsyncClient, resources: Resources, done: httpx.Response, customer: dict[str, Any]
) -> None:
    """Assert that the answer authenticates, by bearer and by cookie, and that its writes can be waited for."""
    assert done.status_code == 201, done.text
    assert done.headers["cache-control"] == "no-store"
    answer, token = done.json(), done.headers["consistency-token"]
    assert answer["user"]["email"] == customer["email"]
    assert "HttpOnly" in done.headers["set-cookie"]
    me = (await api.get("/api/auth/me")).json()  # by cookie
    assert (me["account_id"], me["csrf_token"]) == (answer["account_id"], answer["csrf_token"])
    api.cookies.clear()
    await settle_all(resources)
    headers = {"authorization": f"Bearer {answer['token']}", "consistency-token": token, "prefer": "wait=10"}
    profile = await api.get("/api/account/profile", headers=headers)
    assert (profile.status_code, profile.headers["consistency"]) == (200, "reached")
    assert profile.json()["email"] == customer["email"]


async def test_a_session_begins_with_the_answer_to_a_sign_up(
    api: httpx.AsyncClient, resources: Resources, sandbox: Any
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    begun = await api.post("/api/auth/signup", json=body_of(customer))
    assert (begun.status_code, set(begun.json())) == (202, {"signup_token", "expires_in_seconds"})
    assert "set-cookie" not in begun.headers
    proof = {"signup_token": begun.json()["signup_token"], "code": await code_of(resources, sandbox, customer)}
    wrong = await api.post("/api/auth/signup/complete", json={**proof, "code": "2222-2222"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "code_invalid")
    await assert_in_session(api, resources, await api.post("/api/auth/signup/complete", json=proof), customer)
    again = await api.post("/api/auth/signup/complete", json=proof)
    assert (again.status_code, again.json()["code"]) == (409, "account_exists")


async def test_a_session_begins_with_the_answer_to_a_link(
    api: httpx.AsyncClient, resources: Resources, sandbox: Any
) -> None:
    customer = sandbox.customer(with_whmcs=True)
    body = {"email": customer["email"], "password": customer["password"]}
    offered = (await api.post("/api/auth/link", json=body)).json()
    assert (offered["next"], offered["billing_accounts"]) == ("password", [])
    body = {"link_token": offered["link_token"], "new_password": PASSWORD}
    await assert_in_session(api, resources, await api.post("/api/auth/link/complete", json=body), customer)


async def test_the_session_that_the_browser_had_ends_with_the_one_that_begins(
    api: httpx.AsyncClient, resources: Resources, sandbox: Any
) -> None:
    linking, signing_up = sandbox.customer(with_whmcs=True), sandbox.customer(with_whmcs=False)
    body = {"email": linking["email"], "password": linking["password"]}
    offered = (await api.post("/api/auth/link", json=body)).json()
    body = {"link_token": offered["link_token"], "new_password": PASSWORD}
    before = (await api.post("/api/auth/link/complete", json=body)).json()["token"]
    begun = (await api.post("/api/auth/signup", json=body_of(signing_up))).json()
    proof = {"signup_token": begun["signup_token"], "code": await code_of(resources, sandbox, signing_up)}
    assert (await api.post("/api/auth/signup/complete", json=proof)).status_code == 201
    api.cookies.clear()
    told = await api.get("/api/auth/me", headers={"authorization": f"Bearer {before}"})
    assert told.status_code == 401


async def test_every_step_of_a_link(api: httpx.AsyncClient, resources: Resources, sandbox: Any) -> None:
    customers = [each for each in sandbox.state["customers"] if each["whmcs_client_id"]][:2]
    login = {"email": "both@example.net", "password": "pw", "second_factor": True}
    owned = [each["whmcs_client_id"] for each in customers]
    (await sandbox.control.post("/whmcs/users", json={**login, "owns": owned})).raise_for_status()
    body = {name: login[name] for name in ("email", "password")}
    first = (await api.post("/api/auth/link", json=body)).json()
    code = await code_of(resources, sandbox, login)
    early = await api.post("/api/auth/link/complete", json={"link_token": first["link_token"], "new_password": "x"})
    assert (early.status_code, early.json()["code"]) == (409, "link_step_wrong")
    second = (await api.post("/api/auth/link/code", json={"link_token": first["link_token"], "code": code})).json()
    assert [each["billing_account_id"] for each in second["billing_accounts"]] == owned
    choice = {"link_token": second["link_token"], "billing_account_id": owned[1]}
    third = (await api.post("/api/auth/link/choice", json=choice)).json()
    body = {"link_token": third["link_token"], "new_password": PASSWORD}
    done = await api.post("/api/auth/link/complete", json=body)
    assert (done.status_code, done.json()["user"]["email"]) == (201, "both@example.net")
    actions = await resources.pool.fetch("SELECT action, outcome FROM portal.audit ORDER BY id")
    assert [(row["action"], row["outcome"]) for row in actions] == [
        ("link_account", "ok"),
        ("complete_link", "link_step_wrong"),
        ("prove_link", "ok"),
        ("choose_billing_account", "ok"),
        ("complete_link", "ok"),
    ]


async def test_answers_to_sign_up_requests_are_alike_down_to_their_headers(
    api: httpx.AsyncClient, resources: Resources, sandbox: Any
) -> None:
    customer = sandbox.customer(with_whmcs=False)
    bodies = [
        body_of(customer),
        body_of(customer, last_name="Nobody"),
        body_of(customer, customer_number="C-999999"),
        body_of(sandbox.customer(with_whmcs=True)),
    ]
    answers = [await api.post("/api/auth/signup", json=each) for each in bodies]
    assert {each.status_code for each in answers} == {202}
    seen = [
        {name: value for name, value in each.headers.items() if name not in ("date", "x-request-id", "ratelimit")}
        for each in answers
    ]
    assert all(each == seen[0] for each in seen)
    assert len({len(each.content) for each in answers}) == 1


async def test_an_answer_that_holds_a_token_is_not_kept_under_a_key(
    api: httpx.AsyncClient, resources: Resources, sandbox: Any
) -> None:
    headers = {"idempotency-key": "one"}
    answers = [
        await api.post("/api/auth/signup", json=body_of(sandbox.customer(with_whmcs=False)), headers=headers)
        for _ in range(2)
    ]
    assert answers[0].json()["signup_token"] != answers[1].json()["signup_token"]
    assert await resources.pool.fetchval("SELECT count(*) FROM portal.commands") == 0
