"""Commands that wait for an upstream: accepted once, shown as such, run in order when it is back, or given up."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.identity.sessions import end_sessions, session_store
from app.errors import OutcomeUnknown, UpstreamBusy, UpstreamRejected, UpstreamUnreached
from app.lock_numbers import LockSpace
from app.processes import queued_commands
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.commands.execution.queueing import PROFILE, away, back, due, worked, written
from tests.http.conftest import serve
from tests.http.logged_in import api, desk, hana, short_timeouts
from tests.http.routes.test_commands import change, pending, state, told, version
from tests.personal_data.conftest import OPERATOR

__all__ = ["api", "desk", "hana", "serve", "short_timeouts"]


async def queued(api: httpx.AsyncClient, phone: str, key: str | None = None) -> str:
    answer = await change(api, phone, key)
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "queued"
    assert answer.json()["command_id"] == answer.headers["command-id"]
    return str(answer.headers["command-id"])


async def phone_of(desk: Desk, actor: Actor) -> str:
    client = await desk.resources.whmcs.client(actor.whmcs_client_id)
    return str(client.data["phonenumber"])


async def test_a_change_is_accepted_while_its_upstream_is_away_and_made_once_when_it_is_back(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    before = await version(desk, hana)
    await away(desk, api)
    command = await queued(api, "03-9999-0101", "one")
    found = await state(api, command)
    assert (found["state"], found["outcome"], found["reason"]) == ("queued", None, None)
    assert found["next_try_at"] > found["started_at"]
    assert await pending(api) == [("change_profile", "queued", None)]
    assert await version(desk, hana) > before, "other pages are told that something waits"
    again = await change(api, "03-9999-0101", "one")
    assert (again.status_code, again.headers["command-id"]) == (202, command)
    assert again.headers["idempotency-replayed"] == "true"
    await queued_commands.run_due(desk.context)
    assert await written(desk, "UpdateClient") == [], "nothing is called while the breaker is open"
    await back(desk, api)
    await worked(desk)
    await worked(desk)
    assert len(await written(desk, "UpdateClient")) == 1
    shown = (await api.get(PROFILE)).json()
    assert (shown["phone"], shown["pending_writes"]) == ("03-9999-0101", [])
    assert (command, "shown") in await told(desk, hana, before)
    done = await state(api, command)
    assert (done["state"], done["outcome"], done["status"]) == ("done", "shown", 202)


async def test_what_was_sent_first_is_made_first_also_when_the_last_came_after_the_outage(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    await away(desk, api)
    first, second = await queued(api, "03-9999-0201"), await queued(api, "03-9999-0202")
    await back(desk, api)
    third = await queued(api, "03-9999-0203")
    await worked(desk)
    assert len(await written(desk, "UpdateClient")) == 3
    assert await phone_of(desk, hana) == "03-9999-0203"
    ends = [(await state(api, each))["finished_at"] for each in (first, second, third)]
    assert ends == sorted(ends)
    assert (await change(api, "03-9999-0204")).status_code == 200, "nothing waits any longer"


async def test_an_earlier_command_holds_back_later_ones_that_need_the_same_upstream_and_no_others(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    case = await api.post("/api/cases", json={"subject": "Light", "description": "It blinks."})
    case_id = case.json()["case_id"]
    await away(desk, api)
    await away(desk, api, "salesforce")
    await queued(api, "03-9999-0301")
    comment = await api.post(f"/api/cases/{case_id}/comments", json={"body": "It still does."})
    assert comment.status_code == 202, comment.text
    await back(desk, api, "salesforce")
    await queued_commands.run_due(desk.context)
    assert (await state(api, comment.headers["command-id"]))["state"] == "done"
    shown = (await api.get(f"/api/cases/{case_id}")).json()
    assert [each["body"] for each in shown["comments"]] == ["It still does."]
    await queued(api, "03-9999-0302")
    await desk.pool.execute(
        "UPDATE portal.queued_commands SET next_attempt_at = CASE WHEN sequence = (SELECT min(sequence) FROM "
        "portal.queued_commands) THEN now() + interval '1 hour' ELSE now() END, "
        "attempted_at = now() + interval '1 hour'"
    )
    await back(desk, api)
    await queued_commands.run_due(desk.context)
    assert await written(desk, "UpdateClient") == [], "the second does not overtake the first"


async def test_a_write_whose_answer_was_lost_is_looked_for_and_not_made_again(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    case = await api.post("/api/cases", json={"subject": "Light", "description": "It blinks."})
    case_id = case.json()["case_id"]
    await away(desk, api, "salesforce")
    comment = await api.post(f"/api/cases/{case_id}/comments", json={"body": "Since Monday."})
    assert comment.status_code == 202, comment.text
    command = comment.headers["command-id"]
    await back(desk, api, "salesforce")
    before = await desk.pool.fetchrow("SELECT * FROM portal.queued_commands")
    await queued_commands.run_due(desk.context)
    assert (await state(api, command))["state"] == "done"
    # As if the worker had been killed before it recorded what Salesforce had answered.
    await desk.pool.execute("UPDATE portal.commands SET state = 'queued' WHERE id = $1", UUID(command))
    columns = [name for name in dict(before) if name != "sequence"]
    values = [before[name] if name != "repeated" else True for name in columns]
    marks = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
    await desk.pool.execute(f"INSERT INTO portal.queued_commands ({', '.join(columns)}) VALUES ({marks})", *values)
    staff = {"ParentId": case_id, "CommentBody": "Thank you.", "IsPublished": True}
    await desk.resources.salesforce.create("CaseComment", staff)
    await due(desk)
    await queued_commands.run_due(desk.context)
    assert (await state(api, command))["state"] == "done"
    shown = (await api.get(f"/api/cases/{case_id}")).json()
    assert [each["body"] for each in shown["comments"]].count("Since Monday.") == 1


async def test_an_edit_of_unknown_outcome_is_not_made_twice_and_ends_as_shown(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    before = await version(desk, hana)
    await away(desk, api)
    command = await queued(api, "03-9999-0401")
    await back(desk, api)
    await desk.sandbox.fault("whmcs", "timeout_after_write", "UpdateClient")
    await queued_commands.run_due(desk.context)
    waiting = await state(api, command)
    assert waiting["state"] == "queued"
    assert waiting["steps"][-1]["error_code"] == "outcome_unknown"
    desk.let_in()
    await due(desk)
    await worked(desk)
    assert len(await written(desk, "UpdateClient")) == 1
    assert (command, "shown") in await told(desk, hana, before)
    assert await phone_of(desk, hana) == "03-9999-0401"


async def test_many_workers_at_once_make_a_change_once(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    await away(desk, api)
    await queued(api, "03-9999-0501")
    await back(desk, api)
    await asyncio.gather(*(queued_commands.run_due(desk.context) for _ in range(6)))
    assert len(await written(desk, "UpdateClient")) == 1


async def test_an_account_may_have_so_many_waiting_and_no_more(
    desk: Desk, hana: Actor, serve: Any, short_timeouts: Settings
) -> None:
    few = msgspec.structs.replace(short_timeouts, queued_per_account=2)
    opened = await session_store.open_session(desk.pool, few, hana.user_id or uuid4(), "", "")
    async with serve(few) as api:
        api.headers["Authorization"] = f"Bearer {opened.token}"
        await away(desk, api)
        answers = await asyncio.gather(*(change(api, f"03-9999-060{number}") for number in range(5)))
        assert sorted(each.status_code for each in answers) == [202, 202, 429, 429, 429]
        refused = next(each for each in answers if each.status_code == 429)
        assert refused.json()["code"] == "too_many_queued"
        assert int(refused.headers["retry-after"]) > 0
        assert (await state(api, refused.headers["command-id"]))["state"] == "failed"
        assert len(await pending(api)) == 2


async def test_all_accounts_together_may_have_so_many_waiting(
    desk: Desk, hana: Actor, serve: Any, short_timeouts: Settings
) -> None:
    few = msgspec.structs.replace(short_timeouts, queued_commands=1)
    opened = await session_store.open_session(desk.pool, few, hana.user_id or uuid4(), "", "")
    async with serve(few) as api:
        api.headers["Authorization"] = f"Bearer {opened.token}"
        await away(desk, api)
        await queued(api, "03-9999-0701")
        refused = await change(api, "03-9999-0702")
        assert (refused.status_code, refused.json()["code"]) == (503, "queue_full")


async def test_what_waits_for_too_long_is_given_up_visibly_and_never_made(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    before = await version(desk, hana)
    await away(desk, api)
    command = await queued(api, "03-9999-0801")
    await desk.pool.execute("UPDATE portal.queued_commands SET expires_at = now()")
    await back(desk, api)
    await worked(desk)
    assert await written(desk, "UpdateClient") == []
    assert await pending(api) == [("change_profile", "given_up", "queue_expired")]
    assert await told(desk, hana, before) == [(command, "given_up")]
    found = await state(api, command)
    assert (found["state"], found["outcome"], found["reason"]["code"]) == ("failed", "given_up", "queue_expired")
    assert (await change(api, "03-9999-0802")).status_code == 200


async def test_rules_are_checked_again_when_it_runs(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    """An address conditional on what the customer saw, which staff change meanwhile."""
    seen = await api.get("/api/account/profile")
    await away(desk, api)
    headers = {"if-match": seen.headers["etag"]}
    answer = await api.patch(PROFILE, json={"phone": "03-9999-0901"}, headers=headers)
    assert answer.status_code == 202, answer.text
    await back(desk, api)
    await desk.resources.whmcs.update_client(hana.whmcs_client_id, {"phonenumber": "03-1111-1111"})
    await worked(desk)
    assert await phone_of(desk, hana) == "03-1111-1111"
    assert ("change_profile", "rejected", "precondition_failed") in await pending(api)


@pytest.mark.parametrize("how", ["sessions ended", "closed", "erasure begun"])
async def test_nothing_is_made_for_a_customer_who_may_not_any_longer(
    desk: Desk, api: httpx.AsyncClient, hana: Actor, how: str
) -> None:
    await away(desk, api)
    command = await queued(api, "03-9999-1001")
    if how == "sessions ended":
        email = await desk.pool.fetchval("SELECT email FROM portal.users WHERE id = $1", hana.user_id)
        await end_sessions.end_sessions_of(desk.pool, OPERATOR, email)
    elif how == "closed":
        await desk.pool.execute(
            "UPDATE read_model.profiles SET status = 'Closed' WHERE account_id = $1", hana.account_id
        )
    else:
        await desk.pool.execute(
            "INSERT INTO portal.erasures (account_id, user_id, email_hash) VALUES ($1, $2, '')",
            hana.account_id,
            hana.user_id,
        )
    await desk.pool.execute(
        "UPDATE read_model.upstreams SET state = 'closed', since = now(), retry_at = NULL, version = version + 1"
    )
    desk.let_in()
    await due(desk)
    await queued_commands.run_due(desk.context)
    assert await written(desk, "UpdateClient") == []
    kept = await desk.pool.fetchrow("SELECT state, error_code FROM portal.commands WHERE id = $1", UUID(command))
    codes = {"sessions ended": "session_revoked", "closed": "account_closed"}
    assert kept is not None
    if how in codes:
        assert tuple(kept) == ("failed", codes[how])
        assert await desk.pool.fetchval("SELECT count(*) FROM portal.queued_commands") == 0


async def test_a_log_out_takes_nothing_back(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    await away(desk, api)
    await queued(api, "03-9999-1101")
    assert (await api.post("/api/auth/logout")).status_code in (200, 204)
    await back(desk, api)
    await worked(desk)
    assert await phone_of(desk, hana) == "03-9999-1101"


async def test_another_account_neither_sees_nor_runs_it(
    desk: Desk, api: httpx.AsyncClient, hana: Actor, short_timeouts: Settings
) -> None:
    other = await desk.customer(number=1)
    assert other.user_id is not None
    await away(desk, api)
    command = await queued(api, "03-9999-1201", "one")
    mine = api.headers["Authorization"]
    opened = await session_store.open_session(desk.pool, short_timeouts, other.user_id, "", "")
    api.headers["Authorization"] = f"Bearer {opened.token}"
    for name in (command, "one"):
        assert (await api.get(f"/api/commands/{name}")).status_code == 404
    assert await pending(api) == []
    theirs = await queued(api, "03-9999-1202", "one")
    assert theirs != command
    await back(desk, api)
    await worked(desk)
    assert await phone_of(desk, hana) == "03-9999-1201"
    assert await phone_of(desk, other) == "03-9999-1202"
    api.headers["Authorization"] = mine
    assert (await state(api, command))["state"] == "done"


async def test_money_is_never_queued(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    await away(desk, api)
    answer = await api.post("/api/invoices/1/pay", headers={"idempotency-key": "p"})
    assert answer.status_code in (404, 503)
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.queued_commands") == 0


@pytest.mark.parametrize(
    ("error", "momentary", "pauses"),
    [
        (UpstreamUnreached("whmcs", "x", retry_after_seconds=20), True, (20.0, 20.0)),
        (UpstreamUnreached("whmcs", "x", retry_after_seconds=3_000), True, (300.0, 300.0)),
        (UpstreamBusy("whmcs", "x", retry_after_seconds=1), True, (2.0, 300.0)),
        (OutcomeUnknown("whmcs", "x", retry_after_seconds=1), True, (2.0, 300.0)),
        (UpstreamRejected("whmcs", "x"), False, None),
    ],
)
def test_only_what_may_succeed_later_is_tried_again(error: Any, momentary: bool, pauses: Any) -> None:
    assert queued_commands.is_momentary(error) is momentary
    if pauses:
        assert tuple(queued_commands.pause_seconds(error, each) for each in (0, 20)) == pauses


async def test_requests_at_one_instant_are_counted_one_after_another(
    desk: Desk, hana: Actor, serve: Any, short_timeouts: Settings
) -> None:
    """While another request has taken the last place and not committed yet, one more waits for it to be counted."""
    few = msgspec.structs.replace(short_timeouts, queued_per_account=1)
    opened = await session_store.open_session(desk.pool, few, hana.user_id or uuid4(), "", "")
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND NOT granted)"
    async with serve(few) as api:
        api.headers["Authorization"] = f"Bearer {opened.token}"
        await away(desk, api)
        async with desk.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1, 0)", LockSpace.QUEUE)
            await connection.execute(
                "INSERT INTO portal.queued_commands (command_id, account_id, user_id, name, request, command_key, "
                "address, request_id, upstreams, waits_for, next_attempt_at, expires_at) VALUES ($1, $2, $3, "
                "'change_profile', '{}', 'k', '', '', '{whm}', 'whm', now(), now())",
                uuid4(),
                hana.account_id,
                hana.user_id,
            )
            request = asyncio.create_task(change(api, "03-9999-1301"))
            async with asyncio.timeout(60):
                while not request.done() and not await desk.pool.fetchval(waiting, int(LockSpace.QUEUE)):
                    await asyncio.sleep(0.05)
        assert (await request).json()["code"] == "too_many_queued"
