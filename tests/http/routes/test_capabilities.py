"""What a customer can do now, over the API: from read models alone, and true of what is then sent."""

from typing import Any

import httpx

from app.commands.execution.context import Actor
from app.commands.registry import COMMANDS
from tests.commands.conftest import Desk
from tests.commands.execution.queueing import away, back
from tests.http.logged_in import api, desk, hana, short_timeouts
from tests.http.routes.test_commands import change

__all__ = ["api", "desk", "hana", "short_timeouts"]

PATH = "/api/account/capabilities"


async def all_of(api: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await api.get(PATH)
    assert answer.status_code == 200, answer.text
    return {each["command"]: each for each in answer.json()["items"]}


async def test_an_outage_changes_what_can_be_done_and_calls_nobody(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    before = await api.get(PATH)
    assert (await api.get(PATH, headers={"if-none-match": before.headers["etag"]})).status_code == 304
    assert "account-version" in before.headers
    first = await all_of(api)
    assert (first["change_profile"]["available"], first["change_profile"]["code"]) == (True, None)
    assert first["create_payment_methods_link"]["available"]
    await away(desk, api)
    calls = len(await desk.sandbox.calls())
    found = await all_of(api)
    assert len(await desk.sandbox.calls()) == calls
    link, profile = found["create_payment_methods_link"], found["change_profile"]
    assert (link["available"], link["code"]) == (False, "billing_unavailable")
    assert link["until"]
    assert (profile["available"], profile["queued"], profile["code"]) == (True, True, "queued_until_available")
    assert found["open_case"]["available"], "another system"
    assert found["read_notifications"]["available"], "no system at all"
    assert (await change(api, "03-9999-2001")).status_code == 202
    refused = await api.post("/api/payment-methods/manage", json={})
    assert refused.status_code in (404, 405, 503)
    assert (await api.get(PATH, headers={"if-none-match": before.headers["etag"]})).status_code == 200
    await back(desk, api)
    assert (await all_of(api))["create_payment_methods_link"]["available"]


async def test_an_upstream_that_is_being_probed_is_not_available_yet(
    desk: Desk, api: httpx.AsyncClient, hana: Actor
) -> None:
    await away(desk, api)
    await desk.pool.execute(
        "UPDATE read_model.upstreams SET state = 'half_open', probe_until = now() + interval '1 hour'"
    )
    assert (await all_of(api))["create_payment_methods_link"]["available"] is False


async def test_what_was_never_read_is_not_available(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    for statement in ("DELETE FROM read_model.freshness WHERE account_id = $1",):
        await desk.pool.execute(statement, hana.account_id)
    await desk.pool.execute("UPDATE read_model.profiles SET status = '' WHERE account_id = $1", hana.account_id)
    found = await all_of(api)
    assert (found["place_order"]["available"], found["place_order"]["code"]) == (False, "not_known_yet")
    if not await desk.pool.fetchval("SELECT count(*) FROM read_model.invoices WHERE account_id = $1", hana.account_id):
        assert found["pay_invoice"]["code"] == "not_known_yet"


async def test_a_closed_account_may_order_nothing(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    await desk.pool.execute("UPDATE read_model.profiles SET status = 'Closed' WHERE account_id = $1", hana.account_id)
    assert (await all_of(api))["place_order"]["code"] == "account_closed"


async def test_every_command_of_a_customer_is_listed(desk: Desk, api: httpx.AsyncClient, hana: Actor) -> None:
    declared = {command.name for command in COMMANDS}
    visitors = {"sign_up", "link_account", "log_in", "forgot_password", "reset_password", "check_customer_number"}
    found = set(await all_of(api))
    assert found < declared
    assert {"pay_invoice", "place_order", "change_address", "cancel_subscription", "comment_on_case"} <= found
    assert not found & visitors
