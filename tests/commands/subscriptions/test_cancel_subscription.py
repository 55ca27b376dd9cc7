"""Cancelling a service: asked for once, whatever happens to the call, and seen by the customer."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.commands.subscriptions.cancel_subscription import Cancel, CancelSubscription, cancel_subscription
from app.errors import Conflict, NotFound, OutcomeUnknown, RuleViolated, UpstreamUnavailable
from tests.commands.subscriptions.running_services import held, requests, shown, someone_with


def wish(subscription_id: str, when: Any = "end_of_period", reason: str = "Moving away") -> CancelSubscription:
    return CancelSubscription(subscription_id, Cancel(when=when, reason=reason))


async def test_a_cancellation_at_the_end_of_the_period_is_asked_for_and_seen(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    due = (await held(desk, "services", service_id))["nextduedate"]

    done = await cancel_subscription(desk.context, actor, wish(service_id))

    assert str(done.result.ends_on) == due
    [request] = await requests(desk, service_id)
    assert request["type"] == "End of Billing Period"
    assert request["reason"].startswith("Moving away [portal ")
    seen = await shown(desk, service_id)
    assert (seen["status"], seen["cancellation"]["when"], seen["cancellation"]["ends_on"]) == (
        "active",
        "end_of_period",
        due,
    )
    assert seen["status_text"] == f"Active. You asked to cancel it; it ends on {due}."


async def test_a_cancellation_now_is_carried_out_by_the_daily_run(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "vpn")
    await cancel_subscription(desk.context, actor, wish(service_id, "now"))
    seen = await shown(desk, service_id)
    assert seen["cancellation"]["ends_on"] is None
    assert "within a day" in seen["status_text"]
    await desk.sandbox.control.post("/whmcs/cron")
    await desk.resources.inbox.submit([desk.whmcs_news("client_services", actor.whmcs_client_id)])
    seen = await shown(desk, service_id)
    assert (seen["status"], seen["cancellation"]) == ("cancelled", None)


async def test_a_second_request_is_refused_clearly_and_the_first_stands(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    await cancel_subscription(desk.context, actor, wish(service_id))
    other = msgspec.structs.replace(actor, command_key=uuid4().hex)
    for when in ("end_of_period", "now"):
        with pytest.raises(Conflict) as refused:
            await cancel_subscription(desk.context, other, wish(service_id, when))
        assert refused.value.code == "cancellation_exists"
    assert len(await requests(desk, service_id)) == 1


async def test_a_request_made_in_the_billing_system_is_found_when_it_is_in_the_way(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    await desk.resources.whmcs.call(
        "AddCancelRequest", {"serviceid": service_id, "type": "Immediate"}, write=True, timeout_seconds=30
    )
    assert (await shown(desk, service_id))["cancellation"] is None
    with pytest.raises(Conflict) as refused:
        await cancel_subscription(desk.context, actor, wish(service_id))
    assert refused.value.code == "cancellation_exists"
    assert (await shown(desk, service_id))["cancellation"]["when"] == "now"


@pytest.mark.parametrize("kind", ["timeout_after_write", "garbage", "reset", "timeout", "status"])
async def test_a_doubtful_answer_never_makes_two_requests_and_repeating_finishes_it(desk: Any, kind: str) -> None:
    actor, service_id = await someone_with(desk, "sim")
    await desk.sandbox.fault("whmcs", kind, "AddCancelRequest", status=500)
    try:
        await cancel_subscription(desk.context, actor, wish(service_id))
    except OutcomeUnknown:
        assert not await requests(desk, service_id)
        await cancel_subscription(desk.context, actor, wish(service_id))
    assert len(await requests(desk, service_id)) == 1
    await cancel_subscription(desk.context, actor, wish(service_id))  # the same command, as a retry would send it
    assert len(await requests(desk, service_id)) == 1
    assert (await shown(desk, service_id))["cancellation"]["when"] == "end_of_period"


async def test_an_answer_lost_to_anothers_request_is_not_taken_for_ones_own(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    params = {"serviceid": service_id, "type": "End of Billing Period", "reason": "by phone"}
    await desk.resources.whmcs.call("AddCancelRequest", params, write=True, timeout_seconds=30)
    await desk.sandbox.fault("whmcs", "timeout_after_write", "AddCancelRequest")
    with pytest.raises(OutcomeUnknown):
        await cancel_subscription(desk.context, actor, wish(service_id, "now"))


async def test_with_the_billing_system_down_nothing_is_asked(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    await desk.sandbox.fault("whmcs", "down", count=50)
    with pytest.raises(UpstreamUnavailable):
        await cancel_subscription(desk.context, actor, wish(service_id))
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert not await requests(desk, service_id)


async def test_only_ones_own_running_service_can_be_cancelled(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    stranger, _ = await someone_with(desk, "sim", 1)
    for caller, subscription_id in ((stranger, service_id), (actor, "99999999"), (actor, "x")):
        with pytest.raises(NotFound) as absent:
            await cancel_subscription(desk.context, caller, wish(subscription_id))
        assert (absent.value.code, absent.value.detail) == (
            "subscription_not_found",
            "There is no such subscription.",
        )
    path = f"/whmcs/services/{service_id}"
    await desk.sandbox.control.patch(path, json={"status": "Terminated", "silent": True})
    with pytest.raises(Conflict) as over:
        await cancel_subscription(desk.context, actor, wish(service_id))
    assert over.value.code == "subscription_not_active"
    await desk.sandbox.control.patch(path, json={"status": "Active", "nextduedate": "0000-00-00", "silent": True})
    with pytest.raises(RuleViolated) as endless:
        await cancel_subscription(desk.context, actor, wish(service_id))
    assert endless.value.code == "no_billing_period"
    assert not await requests(desk, service_id)
