"""What became of a command: in its answer, in the resource of commands, beside what it wrote, and in the stream."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from app.commands.execution import ledger, pending_write
from app.commands.execution.context import Actor
from app.commands.identity.sessions.session_store import open_session
from app.ingest.inbox import rechecks
from app.queries.changes import since
from app.queries.reading.store import Store
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.http.logged_in import api, desk, hana, short_timeouts

__all__ = ["api", "desk", "hana", "short_timeouts"]

PROFILE, ADDRESS = "/api/account/profile", "/api/account/address"
DUE = "UPDATE ingest.inbox SET next_attempt_at = now() WHERE settled_at IS NULL"


async def change(api: httpx.AsyncClient, phone: str, key: str | None = None) -> httpx.Response:
    headers = {"idempotency-key": key} if key else {}
    return await api.patch(PROFILE, json={"phone": phone}, headers=headers)


async def told(desk: Desk, actor: Actor, after: int) -> list[tuple[str, str | None]]:
    news = await since(Store(desk.pool, "", "Asia/Tokyo"), actor.account_id_or_refuse(), after)
    return [(each.id, each.outcome) for each in news.events if each.name == "command.settled"]


async def version(desk: Desk, actor: Actor) -> int:
    return int(
        await desk.pool.fetchval(
            "SELECT version FROM read_model.account_versions WHERE account_id = $1", actor.account_id
        )
    )


async def state(api: httpx.AsyncClient, command: str) -> dict[str, Any]:
    answer = await api.get(f"/api/commands/{command}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def pending(api: httpx.AsyncClient, path: str = PROFILE) -> list[tuple[str, str, str | None]]:
    writes = (await api.get(path)).json()["pending_writes"]
    return [(each["command"], each["state"], (each["reason"] or {}).get("code")) for each in writes]


async def test_a_change_is_pending_with_its_commands_id_until_it_shows(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    """Nobody works here, so the answer comes before the projection; a second page reads meanwhile."""
    before = await version(desk, hana)
    answer = await change(api, "03-9999-0001")
    assert answer.status_code == 200, answer.text
    command = answer.headers["command-id"]
    assert answer.headers["account-version"] == str(before)
    assert answer.json()["phone"] == "03-9999-0001"
    for body in (answer.json(), (await api.get(PROFILE)).json()):
        [write] = body["pending_writes"]
        assert (write["command_id"], write["state"], write["value"]) == (command, "pending", {"phone": "03-9999-0001"})
    assert (await api.get(PROFILE)).json()["phone"] != "03-9999-0001"
    assert await pending(api, ADDRESS) == [], "the address is not what was changed"
    running = await state(api, command)
    assert (running["state"], running["outcome"], running["settled_version"]) == ("done", None, None)
    await desk.settle()
    shown = await api.get(PROFILE)
    assert (shown.json()["phone"], shown.json()["pending_writes"]) == ("03-9999-0001", [])
    assert int(shown.headers["account-version"]) > before
    assert await told(desk, hana, before) == [(command, "shown")]
    done = await state(api, command)
    assert (done["outcome"], done["reason"]) == ("shown", None)
    assert before < done["settled_version"] <= int(shown.headers["account-version"])


async def test_every_call_of_an_upstream_is_a_step_of_its_command(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    await desk.sandbox.fault("whmcs", "down", "UpdateClient")
    failed = await change(api, "03-9999-0002", "one")
    assert (failed.status_code, failed.json()["code"]) == (503, "billing_unavailable")
    command = failed.headers["command-id"]
    assert failed.json()["command_id"] == command
    found = await state(api, command)
    assert (found["state"], found["attempts"], found["outcome"]) == ("failed", 1, "given_up")
    assert found["reason"]["code"] == "billing_unavailable"
    assert found["next_try_at"] > found["finished_at"]
    assert [(each["operation"], each["error_code"]) for each in found["steps"]][-1] == ("UpdateClient", "upstream_busy")
    await desk.sandbox.clear_faults()
    desk.let_in()
    again = await change(api, "03-9999-0002", "one")
    assert (again.status_code, again.headers["command-id"]) == (200, command)
    found = await state(api, command)
    assert (found["state"], found["attempts"], found["reason"]) == ("done", 2, None)
    tried = [(each["attempt"], each["error_code"]) for each in found["steps"] if each["operation"] == "UpdateClient"]
    assert tried == [(1, "upstream_busy"), (2, None)]
    await desk.settle()
    assert (await state(api, command))["outcome"] == "shown"


async def test_what_the_upstream_refuses_is_shown_as_rejected_with_the_reason(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    before = await version(desk, hana)
    refusal = {"find": '"result":"success"', "replace": '"result":"error","message":"Invalid Phone"'}
    await desk.sandbox.fault("whmcs", "rewrite", "UpdateClient", **refusal)
    answer = await change(api, "03-9999-0003")
    assert (answer.status_code, answer.json()["code"]) == (422, "details_refused"), answer.text
    assert await pending(api) == [("change_profile", "rejected", "details_refused")]
    command = answer.headers["command-id"]
    assert await told(desk, hana, before) == [(command, "rejected")]
    found = await state(api, command)
    assert (found["outcome"], found["reason"]["code"]) == ("rejected", "details_refused")
    await desk.sandbox.clear_faults()
    assert (await change(api, "03-9999-0004")).status_code == 200
    assert await pending(api) == [("change_profile", "pending", None)], "a new attempt takes its place"


async def test_a_write_of_unknown_outcome_stays_pending_until_it_was_looked_up(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    before = await version(desk, hana)
    await desk.sandbox.fault("whmcs", "timeout_after_write", "UpdateClient")
    answer = await change(api, "03-9999-0005")
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown"), answer.text
    await desk.sandbox.clear_faults()
    command = answer.headers["command-id"]
    assert await pending(api) == [("change_profile", "pending", None)]
    assert (await state(api, command))["outcome"] is None, "it is being checked"
    desk.let_in()
    await desk.pool.execute(DUE)
    await desk.settle()
    assert (await api.get(PROFILE)).json()["phone"] == "03-9999-0005"
    assert await pending(api) == []
    assert await told(desk, hana, before) == [(command, "shown")]


async def test_a_command_killed_between_the_write_and_the_record_is_looked_up(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    """The process is killed once WHMCS has written: nothing of it is left but the ledger's row and the write."""
    before = await version(desk, hana)
    command = await _killed_after_write(desk, hana, "03-9999-0006")
    assert (await state(api, str(command)))["state"] == "running"
    assert await pending(api) == [("change_profile", "pending", None)]
    await desk.pool.execute("UPDATE read_model.pending SET created_at = now() - interval '10 minutes'")
    await desk.pool.execute("UPDATE portal.commands SET locked_until = now() - interval '10 minutes'")
    await ledger.give_up_lost(desk.pool)
    await rechecks.recheck_lost(desk.pool, desk.resources.inbox.wake)
    found = await state(api, str(command))
    assert (found["state"], found["reason"]["code"]) == ("failed", "outcome_unknown")
    await desk.settle()
    assert (await api.get(PROFILE)).json()["phone"] == "03-9999-0006"
    assert await told(desk, hana, before) == [(str(command), "shown")]


async def _killed_after_write(desk: Desk, hana: Actor, phone: str) -> UUID:
    running = await ledger.begin(
        desk.pool,
        keyring=desk.resources.settings.keyring,
        scope=str(hana.account_id),
        key=uuid4().hex,
        name="change_profile",
        account_id=hana.account_id,
        body=b"{}",
    )
    assert isinstance(running, ledger.Running)
    actor = msgspec.structs.replace(hana, command_id=running.id)
    recheck = ("whmcs", "client", hana.whmcs_client_id)
    write = pending_write.write_of(actor, "change_profile", "profiles", {"phone": phone}, recheck=recheck)
    await pending_write.begin(desk.context, write)
    await desk.resources.whmcs.update_client(hana.whmcs_client_id, {"phonenumber": phone})
    return running.id


async def test_a_killed_command_without_a_write_is_given_up(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    before = await version(desk, hana)
    running = await ledger.begin(
        desk.pool,
        keyring=desk.resources.settings.keyring,
        scope=str(hana.account_id),
        key="k",
        name="pay_invoice",
        account_id=hana.account_id,
        body=b"{}",
    )
    assert await ledger.give_up_lost(desk.pool) == 0
    await desk.pool.execute("UPDATE portal.commands SET locked_until = now() - interval '10 minutes'")
    assert await ledger.give_up_lost(desk.pool) == 1
    assert await told(desk, hana, before) == [(str(running.id), "given_up")]


async def test_a_first_answer_is_replayed_with_the_version_it_had(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    """The replayed body is as old as it was: with a newer version a page would take later events for no news."""
    first = await change(api, "03-9999-0007", "one")
    await desk.settle()
    replayed = await change(api, "03-9999-0007", "one")
    assert replayed.headers["idempotency-replayed"] == "true"
    assert replayed.headers["account-version"] == first.headers["account-version"]
    assert int((await api.get(PROFILE)).headers["account-version"]) > int(first.headers["account-version"])


async def test_a_broken_rule_is_told_as_rejected(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    before = await version(desk, hana)
    address = {"address1": "1", "city": "Naka-ku", "state": "Texas", "postcode": "1", "country": "JP"}
    answer = await api.put(ADDRESS, json=address)
    assert (answer.status_code, answer.json()["code"]) == (422, "address_invalid")
    assert await told(desk, hana, before) == [(answer.headers["command-id"], "rejected")]
    assert await pending(api, ADDRESS) == [], "nothing was sent anywhere"


async def test_a_cancellation_is_pending_on_its_subscription(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    [number, *_] = [
        each["subscription_id"]
        for each in (await api.get("/api/subscriptions")).json()["items"]
        if each["status"] == "active"
    ]
    answer = await api.post(f"/api/subscriptions/{number}/cancel", json={"when": "now"})
    assert answer.status_code == 200, answer.text
    for path in (f"/api/subscriptions/{number}", "/api/subscriptions"):
        [write] = (await api.get(path)).json()["pending_writes"]
        assert (write["item_id"], write["value"]) == (number, {"cancellation": {"when": "now"}})
        assert write["command_id"] == answer.headers["command-id"]
    await desk.settle()
    assert await pending(api, f"/api/subscriptions/{number}") == []


async def test_a_payment_is_pending_on_its_invoice_and_a_declined_one_rejected(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    invoice_id = await desk.bill(hana)
    before = await version(desk, hana)
    answer = await api.post(f"/api/invoices/{invoice_id}/pay", headers={"idempotency-key": "pay"})
    assert answer.status_code == 200, answer.text
    assert await pending(api, f"/api/invoices/{invoice_id}") == [("pay_invoice", "pending", None)]
    await desk.settle()
    shown = (await api.get(f"/api/invoices/{invoice_id}")).json()
    assert (shown["status"], shown["pending_writes"]) == ("paid", [])
    assert (answer.headers["command-id"], "shown") in await told(desk, hana, before)


async def test_a_case_is_pending_until_the_timeline_shows_it(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    before = await version(desk, hana)
    answer = await api.post("/api/cases", json={"subject": "No signal", "description": "Since noon."})
    assert answer.status_code == 201, answer.text
    case_id, command = answer.json()["case_id"], answer.headers["command-id"]
    assert [each["command_id"] for each in answer.json()["pending_writes"]] == [command]
    comment = await api.post(f"/api/cases/{case_id}/comments", json={"body": "Still none."})
    assert comment.status_code == 201, comment.text
    await desk.settle()
    assert await pending(api, f"/api/cases/{case_id}") == []
    outcomes = dict(await told(desk, hana, before))
    assert outcomes == {command: "shown", comment.headers["command-id"]: "shown"}


async def test_a_token_of_what_was_given_up_says_so_at_once(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    answer = await change(api, "03-9999-0008")
    token = answer.headers["consistency-token"]
    await desk.pool.execute(
        "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts) "
        "SELECT id, source, object, record_id, 'test', '', 5 FROM ingest.inbox "
        "WHERE settled_at IS NULL AND kind = 'full'"
    )
    async with asyncio.timeout(8):
        read = await api.get(PROFILE, headers={"consistency-token": token, "prefer": "wait=10"})
    assert (read.status_code, read.headers["consistency"]) == (200, "given_up")


async def test_a_command_past_its_deadline_names_its_id(
    desk: Desk, hana: Actor, serve: Any, short_timeouts: Settings
) -> None:
    hasty = msgspec.structs.replace(short_timeouts, command_deadline_seconds=0.3, whmcs_write_timeout_seconds=5.0)
    await desk.sandbox.fault("whmcs", "latency", "UpdateClient", seconds=1.5)
    async with serve(hasty) as client:
        assert hana.user_id is not None
        opened = await open_session(desk.pool, hasty, hana.user_id, "", "")
        client.headers["Authorization"] = f"Bearer {opened.token}"
        answer = await change(client, "03-9999-0009", "slow")
        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
        command = answer.json()["command_id"]
        assert answer.headers["command-id"] == command
        async with asyncio.timeout(30):
            while (await state(client, command))["state"] == "running":
                await asyncio.sleep(0.1)
        assert (await state(client, command))["state"] == "done"
