"""Fulfilment: from approval to activated, once, whatever fails or is killed on the way."""

import asyncio
from typing import Any

import pytest

from app.commands import fulfilment
from app.commands.fulfilment.steps import STEPS

LEARNED = {
    "whmcs_order": ("whmcs_order_id", "service_ids"),
    "agreed_prices": (),
    "accept": (),
    "sim": ("sim_accepted_at", "sim_account"),
    "hosting": (),
    "complete": (),
}
"""Step → the facts that it journals when it is through; a kill just before leaves the order without them."""


async def test_an_approved_order_is_activated_everywhere_and_read_at_once(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)

    assert await desk.fulfil(order_id) == "done"

    await desk.assert_whole(actor, order_id)
    await desk.settle()
    row = await desk.pool.fetchrow("SELECT status, document FROM read_model.orders WHERE order_id = $1", order_id)
    assert row["status"] == "active"
    journaled = await desk.pool.fetch(
        "SELECT step, outcome FROM portal.fulfilment_steps WHERE order_id = $1 ORDER BY id", order_id
    )
    assert [(each["step"], each["outcome"]) for each in journaled] == [(step, "next") for step in STEPS]
    services = await desk.pool.fetchval(
        "SELECT count(*) FROM read_model.subscriptions WHERE account_id = $1 AND whmcs_order_id = $2",
        actor.account_id,
        (await desk.journal(order_id))["facts"]["whmcs_order_id"],
    )
    assert services == 1, "the activation fee is a charge and no service"


async def test_services_are_billed_at_the_order_s_prices_and_with_its_promotion(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.place(actor, await desk.basket("vpn", promo_code="welcome10"))
    [plan, *_] = await desk.salesforce_items(order_id)
    await desk.resources.salesforce.update("OrderItem", plan["Id"], {"UnitPrice": 2_222})
    await desk.approve(order_id)

    assert await desk.fulfil(order_id) == "done"

    items = {each["WHMCS_Service_ID__c"]: each["UnitPrice"] for each in await desk.salesforce_items(order_id)}
    assert 2_222 in items.values()
    services = await desk.resources.whmcs.services(actor.whmcs_client_id)
    billed = {each.record_id: float(each.data["firstpaymentamount"]) for each in services if each.record_id in items}
    assert billed == {service_id: pytest.approx(price * 0.9) for service_id, price in items.items()}
    await desk.settle()
    document = await desk.pool.fetchval("SELECT document FROM read_model.orders WHERE order_id = $1", order_id)
    assert b'"promo_code":"welcome10"' in document


async def test_an_order_that_nobody_approved_is_left_alone(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.place(actor, await desk.basket("vpn"))

    assert await fulfilment.take_up(desk.pool) == []
    await fulfilment.run(desk.context, order_id)

    assert await desk.whmcs_orders(actor, order_id) == []


async def test_an_order_is_taken_once(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)

    assert await fulfilment.take_up(desk.pool) == []
    assert await fulfilment.due(desk.pool) == [order_id]


async def test_an_unanswered_add_order_is_found_and_never_repeated(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "timeout_after_write", "AddOrder")

    await fulfilment.run(desk.context, order_id)
    unsure = await desk.journal(order_id)
    assert await desk.fulfil(order_id) == "done"

    assert (unsure["state"], unsure["step"]) == ("running", "whmcs_order")
    await desk.assert_whole(actor, order_id)
    assert [call["operation"] for call in await desk.sandbox.calls("whmcs")].count("AddOrder") == 1


async def test_a_doubtful_add_order_is_not_repeated_until_it_cannot_be_running_any_more(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.pool.execute(
        "UPDATE portal.fulfilments SET step = 'whmcs_order', "
        "facts = jsonb_build_object('add_order_sent_at', now()::text) WHERE order_id = $1",
        order_id,
    )

    await fulfilment.run(desk.context, order_id)
    assert await desk.whmcs_orders(actor, order_id) == []

    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_a_missing_card_pauses_the_order_and_a_new_one_resumes_it(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    for method in await desk.resources.whmcs.pay_methods(actor.whmcs_client_id):
        params = {"clientid": actor.whmcs_client_id, "paymethodid": method.record_id}
        await desk.resources.whmcs.call("DeletePayMethod", params, write=True, timeout_seconds=30)

    assert await desk.fulfil(order_id) == "paused"

    [order] = await desk.salesforce_orders(actor)
    assert order["Activation_Error_Code__c"] == "PAYMENT_METHOD_MISSING"
    assert order["Activation_Error_Message__c"]
    assert order["Activation_Status__c"] is None
    assert await desk.whmcs_orders(actor, order_id) == []
    await desk.news(order_id)
    assert await desk.pool.fetchval("SELECT status FROM read_model.orders WHERE order_id = $1", order_id) == (
        "awaiting_payment_method"
    )
    assert not await desk.pool.fetchval(
        "SELECT EXISTS (SELECT FROM read_model.payment_methods WHERE account_id = $1)", actor.account_id
    ), "the read model learned at once that the card is gone"
    assert await desk.fulfil(order_id) == "paused", (
        "the lists that changed are a reason to look once more, not to go on"
    )
    assert await fulfilment.due(desk.pool) == []

    response = await desk.sandbox.control.post(
        f"/whmcs/clients/{actor.whmcs_client_id}/pay-methods", json={"silent": True}
    )
    response.raise_for_status()
    assert await fulfilment.resume_paused(desk.pool, [actor.account_id], "PAYMENT_METHOD_MISSING") == [order_id]
    assert await fulfilment.due(desk.pool) == [order_id]
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


@pytest.mark.parametrize("category", ["vpn", "sim", "hosting"])
@pytest.mark.parametrize("step", list(LEARNED))
async def test_a_kill_after_any_step_s_effect_repeats_nothing(desk: Any, category: str, step: str) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered(category, actor)
    assert await desk.fulfil(order_id) == "done"
    forgotten = [name for later in list(LEARNED)[list(LEARNED).index(step) :] for name in LEARNED[later]]

    await desk.pool.execute(
        "UPDATE portal.fulfilments SET state = 'running', step = $2, attempt = 1, finished_at = NULL, "
        "facts = facts - $3::text[], next_attempt_at = now() WHERE order_id = $1",
        order_id,
        step,
        [name for name in forgotten if not (name == "sim_account" and step == "sim")],
    )
    await desk.hurry(order_id)
    ended = await desk.fulfil(order_id)

    if category == "sim" and step in ("whmcs_order", "agreed_prices", "accept", "sim"):
        # Freebit assigned the number, and the answer that named it is lost: staff look it up, nobody asks again.
        assert ended == "failed"
        assert (await desk.journal(order_id))["error_code"] == "SIM_OUTCOME_UNKNOWN"
        assert len(await desk.whmcs_orders(actor, order_id)) == 1
    else:
        assert ended == "done"
        await desk.assert_whole(actor, order_id)
    operations = [call["operation"] for call in await desk.sandbox.calls()]
    assert operations.count("AddOrder") == 1
    assert operations.count("createacct") == (category == "hosting")
    assert sum("esim/addAcnt" in operation for operation in operations) == (category == "sim")


async def test_two_workers_never_run_one_order(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)

    await asyncio.gather(*(fulfilment.run(desk.context, order_id) for _ in range(6)))
    assert await desk.fulfil(order_id) == "done"

    operations = [call["operation"] for call in await desk.sandbox.calls("whmcs")]
    assert (operations.count("AddOrder"), operations.count("AcceptOrder")) == (1, 1)
    await desk.assert_whole(actor, order_id)


async def test_a_refusal_stops_the_order_with_a_code_for_staff(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.pool.execute("UPDATE portal.fulfilments SET step = 'whmcs_order' WHERE order_id = $1", order_id)
    await desk.resources.whmcs.update_client(actor.whmcs_client_id, {"status": "Closed"})

    assert await desk.fulfil(order_id) == "failed"

    [order] = await desk.salesforce_orders(actor)
    assert (order["Activation_Status__c"], order["Activation_Error_Code__c"]) == ("Failed", "WHMCS_REJECTED")
    assert "Closed" in order["Activation_Error_Message__c"]
    assert await desk.whmcs_orders(actor, order_id) == []
    assert await fulfilment.due(desk.pool) == []


async def test_an_upstream_that_is_away_pauses_the_order_until_it_is_back(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "down", count=1_000)

    assert await desk.fulfil(order_id) == "paused"
    tries = await desk.pool.fetch("SELECT outcome FROM portal.fulfilment_steps WHERE order_id = $1", order_id)
    [order] = await desk.salesforce_orders(actor)

    assert [row["outcome"] for row in tries] == ["retry", "retry", "pause"]
    assert order["Activation_Error_Code__c"] == "WHMCS_UNAVAILABLE"
    await desk.sandbox.clear_faults()
    desk.let_in()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_an_order_goes_on_as_soon_as_the_breaker_closes(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "down", count=1_000)
    assert await desk.fulfil(order_id) == "paused"
    await fulfilment.resume_after_outages(desk.pool)
    assert await fulfilment.due(desk.pool) == []

    await desk.sandbox.clear_faults()
    await _close(desk, "whmcs")
    await fulfilment.resume_after_outages(desk.pool)

    assert await fulfilment.due(desk.pool) == [order_id]
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_no_order_fails_because_our_own_database_takes_nothing(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.pool.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'locked' USING ERRCODE = '55P03'; END $$; "
        "CREATE TRIGGER refuse BEFORE INSERT ON ingest.inbox EXECUTE FUNCTION refuse()"
    )
    try:
        assert await desk.fulfil(order_id, tries=10) == "running"
    finally:
        await desk.pool.execute("DROP TRIGGER refuse ON ingest.inbox; DROP FUNCTION refuse")

    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_the_end_of_an_outage_hurries_an_order_once(desk: Any) -> None:
    order_id = await desk.ordered("vpn", await desk.customer())
    await _close(desk, "whmcs")
    await desk.sandbox.fault("whmcs", "status", "GetPayMethods", status=500, count=1_000)
    assert await desk.fulfil(order_id) == "paused"

    await fulfilment.resume_after_outages(desk.pool)

    assert await fulfilment.due(desk.pool) == []


async def _close(desk: Any, upstream: str) -> None:
    """Close the breaker of an upstream for every process."""
    await desk.pool.execute(
        "INSERT INTO read_model.upstreams (upstream, state, since) VALUES ($1, 'closed', clock_timestamp()) "
        "ON CONFLICT (upstream) DO UPDATE SET state = 'closed', since = clock_timestamp(), retry_at = NULL, "
        "probe_until = NULL, version = upstreams.version + 1",
        upstream,
    )
    desk.let_in()


async def test_tries_keep_their_distance(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.sandbox.fault("whmcs", "down", count=1_000)

    waits = []
    for _ in range(2):
        await fulfilment.run(desk.context, order_id)
        row = await desk.pool.fetchrow(
            "SELECT extract(epoch FROM next_attempt_at - now())::float AS seconds FROM portal.fulfilments"
        )
        waits.append(row["seconds"])
        await desk.hurry(order_id)

    assert 3 < waits[0] < 7
    assert 7 < waits[1] < 13


async def test_an_approval_taken_back_starts_nothing_until_it_is_given_again(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("vpn", actor)
    await desk.resources.salesforce.update("Order", order_id, {"Status": "Pending Review"})

    assert await desk.fulfil(order_id) == "failed"
    assert await desk.whmcs_orders(actor, order_id) == []
    await desk.news(order_id)
    assert await fulfilment.take_up(desk.pool) == []

    await desk.approve(order_id)
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)
