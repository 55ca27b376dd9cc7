"""Over the API and the sandbox: a new billing address, an edited profile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from app.processes.worker import WorkerJobs
from app.resources import open_resources
from app.settings import Settings

PASSWORD = "paper crane lantern 24"
ADDRESS = {"address1": "4-5-6 Sakae", "city": "Naka-ku", "state": "Aichi", "postcode": "460-0008", "country": "JP"}


@pytest.fixture
async def api(serve: Any, sandbox_settings: Settings, sandbox: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(sandbox_settings) as client:
        yield client


async def linked(api: httpx.AsyncClient, customer: dict[str, Any]) -> dict[str, str]:
    """Link a sandbox customer, which logs in; returns the header. A busy machine may need a second try."""
    credentials = {"email": customer["email"], "password": customer["password"]}
    offered = await api.post("/api/auth/link", json=credentials)
    for _ in range(3):
        if offered.status_code != 503:
            break
        offered = await api.post("/api/auth/link", json=credentials)
    assert "link_token" in offered.json(), offered.text
    body = {"link_token": offered.json()["link_token"], "new_password": PASSWORD}
    done = await api.post("/api/auth/link/complete", json=body)
    assert done.status_code == 201, done.text
    api.cookies.clear()
    return {"Authorization": f"Bearer {done.json()['token']}"}


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


async def test_an_address_is_written_in_its_usual_spelling_or_refused_whole(
    api: httpx.AsyncClient, sandbox: Any
) -> None:
    headers = await linked(api, customers(sandbox)[0])
    spelled = {**ADDRESS, "postcode": "４６００００８", "state": "愛知"}
    answer = await api.put("/api/account/address", json=spelled, headers=headers)
    assert (answer.json()["postcode"], answer.json()["state"]) == ("460-0008", "愛知県")
    wrong = await api.put("/api/account/address", json={**ADDRESS, "postcode": "1", "state": "Texas"}, headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "address_invalid")
    assert {each["field"] for each in wrong.json()["errors"]} == {"postcode", "state"}


async def ready(
    api: httpx.AsyncClient, sandbox_settings: Settings, path: str, headers: dict[str, str]
) -> httpx.Response:
    """Return the resource once the workers have read it."""
    async with open_resources(sandbox_settings, pool_size=4) as resources:
        await WorkerJobs(resources).sweep()
        await WorkerJobs(resources).sweep()
    answer = await api.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker of this loop, looking for work while the block runs."""
    async with open_resources(settings, pool_size=4) as resources:
        work, over = WorkerJobs(resources), asyncio.Event()

        async def sweep() -> None:
            while not over.is_set():
                await work.sweep()
                await asyncio.sleep(0.02)

        task = asyncio.create_task(sweep())
        yield
        over.set()
        await task


async def test_a_profile_is_changed_in_part_and_seen_at_once(
    api: httpx.AsyncClient, sandbox: Any, sandbox_settings: Settings
) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    before = (await ready(api, sandbox_settings, "/api/account/profile", headers)).json()
    answer = await api.patch("/api/account/profile", json={"phone": "03-9999-0000"}, headers=headers)
    assert answer.status_code == 200, answer.text
    held = (await sandbox.control.get(f"/whmcs/clients/{customer['whmcs_client_id']}")).json()
    assert (held["phonenumber"], held["lastname"]) == ("03-9999-0000", before["last_name"])
    after = (await ready(api, sandbox_settings, "/api/account/profile", headers)).json()
    assert {**before, "phone": "03-9999-0000", "as_of": after["as_of"]} == after
    for nothing in ({}, {"first_name": "   "}):
        refused = await api.patch("/api/account/profile", json=nothing, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


async def test_of_two_edits_decided_on_one_state_the_second_is_refused(
    api: httpx.AsyncClient, sandbox: Any, sandbox_settings: Settings
) -> None:
    headers = await linked(api, customers(sandbox)[0])
    seen = (await ready(api, sandbox_settings, "/api/account/address", headers)).headers["etag"]
    edits = [{**ADDRESS, "address1": f"{n}-1 Sakae"} for n in (1, 2)]
    answers = await asyncio.gather(
        *(api.put("/api/account/address", json=each, headers={**headers, "if-match": seen}) for each in edits)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    refused = next(answer for answer in answers if answer.status_code == 412)
    assert refused.json()["code"] == "precondition_failed"
    present = await ready(api, sandbox_settings, "/api/account/address", headers)
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert present.json()["address1"] == winner.json()["address1"]
    again = await api.put(
        "/api/account/address", json=ADDRESS, headers={**headers, "if-match": present.headers["etag"]}
    )
    assert again.status_code == 200
    anyway = await api.put("/api/account/address", json=ADDRESS, headers={**headers, "if-match": "*"})
    assert anyway.status_code == 200


async def test_the_answer_of_a_change_names_the_state_for_the_next_one(
    serve: Any, sandbox: Any, sandbox_settings: Settings
) -> None:
    patient = msgspec.structs.replace(sandbox_settings, settle_wait_seconds=50.0, command_deadline_seconds=60.0)
    path, other = "/api/account/address", {**ADDRESS, "address1": "9-9 Sakae"}
    async with serve(patient) as api:
        headers = await linked(api, customers(sandbox)[0])
        await ready(api, sandbox_settings, path, headers)
        keyed = {**headers, "idempotency-key": "one"}
        async with working(sandbox_settings):
            first = await api.put(path, json=ADDRESS, headers=keyed)
            read = await api.get(path, headers=headers)
            assert first.headers["etag"] == read.headers["etag"]
            assert first.json()["address1"] == read.json()["address1"] == ADDRESS["address1"]
            conditional = {**headers, "if-match": first.headers["etag"]}
            assert (await api.put(path, json=other, headers=conditional)).status_code == 200
            assert (await api.put(path, json=ADDRESS, headers=conditional)).status_code == 412
        again = await api.put(path, json=ADDRESS, headers=keyed)
        assert again.content == first.content
        assert "etag" not in again.headers, "the state is another by now"


async def test_a_change_that_does_not_show_yet_names_no_state(
    api: httpx.AsyncClient, sandbox: Any, sandbox_settings: Settings
) -> None:
    """No worker applies it."""
    headers = await linked(api, customers(sandbox)[0])
    await ready(api, sandbox_settings, "/api/account/address", headers)
    answer = await api.put("/api/account/address", json=ADDRESS, headers=headers)
    assert (answer.status_code, "etag" in answer.headers) == (200, False)
    assert answer.json()["pending_writes"]


async def test_an_edit_decided_on_what_staff_changed_meanwhile_is_refused(
    api: httpx.AsyncClient, sandbox: Any, sandbox_settings: Settings
) -> None:
    customer = customers(sandbox)[0]
    headers = await linked(api, customer)
    seen = (await ready(api, sandbox_settings, "/api/account/profile", headers)).headers["etag"]
    path = f"/whmcs/clients/{customer['whmcs_client_id']}"
    await sandbox.control.patch(path, json={"phonenumber": "03-1111-2222", "silent": True})
    conditional = {**headers, "if-match": seen}
    refused = await api.patch("/api/account/profile", json={"company": "Sato KK"}, headers=conditional)
    assert refused.status_code == 412
    healed = await ready(api, sandbox_settings, "/api/account/profile", headers)
    assert healed.json()["phone"] == "03-1111-2222"
    conditional["if-match"] = healed.headers["etag"]
    assert (
        await api.patch("/api/account/profile", json={"company": "Sato KK"}, headers=conditional)
    ).status_code == 200


async def test_a_repetition_gives_the_first_answer_though_the_state_has_moved_on(
    api: httpx.AsyncClient, sandbox: Any, sandbox_settings: Settings
) -> None:
    headers = await linked(api, customers(sandbox)[0])
    seen = (await ready(api, sandbox_settings, "/api/account/address", headers)).headers["etag"]
    keyed = {**headers, "if-match": seen, "idempotency-key": "one"}
    first = await api.put("/api/account/address", json=ADDRESS, headers=keyed)
    await ready(api, sandbox_settings, "/api/account/address", headers)
    second = await api.put("/api/account/address", json=ADDRESS, headers=keyed)
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["idempotency-replayed"] == "true"
    assert second.content == first.content


async def test_while_the_billing_system_is_down_an_address_is_refused_whole(
    api: httpx.AsyncClient, sandbox: Any
) -> None:
    headers = await linked(api, customers(sandbox)[0])
    await sandbox.fault("whmcs", "down", count=None)
    answer = await api.put("/api/account/address", json=ADDRESS, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "billing_unavailable")
