"""Planning another plan for a day to come: on which days, by which rules, seen, replaced and taken back."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.commands.subscriptions.cancel_scheduled_change import CancelScheduledChange, cancel_scheduled_change
from app.commands.subscriptions.cancel_subscription import Cancel, CancelSubscription, cancel_subscription
from app.commands.subscriptions.change_plan import ChangePlan, NewPlan, change_plan
from app.commands.subscriptions.plan_changes.run_due import make_due
from app.errors import Conflict, InvalidRequest, NotFound, PortalError, RuleViolated, UpstreamUnavailable
from app.money import Money
from tests.commands.subscriptions.plan_changes.scheduled_changes import in_days, on_its_day, plan, row, told, wish
from tests.commands.subscriptions.running_services import shown, someone_with, upgrades
from tests.commands.subscriptions.test_change_plan import again, on_plan


async def rows(desk: Any) -> list[str]:
    return [each["state"] for each in await desk.pool.fetch("SELECT state FROM portal.scheduled_changes ORDER BY 1")]


async def test_a_scheduled_change_is_shown_and_reaches_the_billing_system_on_its_day_only(
    desk: Any,
) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC"))
    assert (done.result.state, done.result.effective_date, done.result.invoice_id) == ("scheduled", in_days(10), None)
    seen = await shown(desk, service_id)
    assert (seen["name"], seen["pending_change"]) == ("Hosting Business", None)
    assert seen["scheduled_change"] == {
        "sku": "HOSTING-BASIC",
        "name": "Hosting Basic",
        "direction": "downgrade",
        "effective_date": in_days(10).isoformat(),
    }
    assert await desk.context.inbox.settled(done.submission, 0.05)
    [entry] = await told(desk, service_id)
    assert (entry["kind"], entry["notifies"]) == ("change_scheduled", False)
    assert f"Hosting Business to Hosting Basic on {in_days(10)}." in entry["document"].decode()
    assert await make_due(desk.context) == 0
    assert await upgrades(desk, service_id) == []


async def test_today_is_at_once(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", days=0))
    assert (done.result.state, done.result.effective_date) == ("providing", None)
    assert await rows(desk) == []
    repeated = await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", days=0))
    assert repeated.result.change_id == done.result.change_id
    # Repeated after midnight, the same request asks for a day that is over, and is still the same request.
    late = await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", days=-1))
    assert late.result.change_id == done.result.change_id
    assert len(await upgrades(desk, service_id)) == 1


@pytest.mark.parametrize(("days", "code"), [(-1, "date_past"), (-400, "date_past"), (367, "date_too_far")])
async def test_days_that_are_over_or_too_far_ahead_are_refused(desk: Any, days: int, code: str) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    with pytest.raises(RuleViolated) as refused:
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", days=days))
    assert (refused.value.code, refused.value.errors[0].field) == (code, "effective_date")
    assert await rows(desk) == []
    assert await upgrades(desk, service_id) == []


async def test_the_last_day_possible_is_a_year_ahead(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", days=366))
    assert done.result.state == "scheduled"


@pytest.mark.parametrize(
    ("country", "zone"), [("JP", "Asia/Tokyo"), ("WS", "Pacific/Apia"), ("AS", "Pacific/Pago_Pago")]
)
async def test_a_day_is_the_customers_own(desk: Any, country: str, zone: str) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await desk.pool.execute(
        "UPDATE read_model.profiles SET country = $2 WHERE account_id = $1", actor.account_id, country
    )
    day = in_days(1, country)
    request = ChangePlan(service_id, "downgrade", NewPlan(sku="HOSTING-BASIC", effective_date=day))
    assert (await change_plan(desk.context, actor, request)).result.state == "scheduled"
    due_at = (await row(desk, service_id))["due_at"]
    assert due_at.astimezone(ZoneInfo(zone)) == datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    yesterday = ChangePlan(
        service_id, "downgrade", NewPlan(sku="HOSTING-BASIC", effective_date=day - timedelta(days=2))
    )
    with pytest.raises(RuleViolated):
        await change_plan(desk.context, again(actor), yesterday)


@pytest.mark.parametrize(
    ("have", "want", "direction", "code"),
    [
        ("SIM-DATA-10GB", "SIM-VOICE-10GB", "downgrade", "plan_not_available"),
        ("SIM-DATA-10GB", "HOSTING-BASIC", "downgrade", "plan_not_available"),
        ("SIM-DATA-10GB", "NOTHING", "downgrade", "plan_not_available"),
        ("SIM-DATA-10GB", "SIM-DATA-5GB", "upgrade", "wrong_direction"),
        ("SIM-DATA-10GB", "SIM-DATA-25GB", "downgrade", "wrong_direction"),
        ("SIM-DATA-10GB", "SIM-DATA-10GB", "downgrade", "same_plan"),
    ],
)
async def test_what_could_not_be_changed_today_is_not_planned(
    desk: Any, have: str, want: str, direction: str, code: str
) -> None:
    actor, service_id = await on_plan(desk, "sim", have)
    with pytest.raises(PortalError) as refused:
        await change_plan(desk.context, actor, wish(service_id, want, direction))
    assert refused.value.code == code
    assert await rows(desk) == []


async def test_a_scheduled_change_takes_no_agreed_price(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    with pytest.raises(InvalidRequest) as refused:
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", credit=Money("1", "JPY")))
    assert [(each.field, each.code) for each in refused.value.errors] == [("credit", "invalid_value")]


async def test_a_service_that_is_not_running_or_is_to_end_keeps_its_plan(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    path = f"/whmcs/services/{service_id}"
    await desk.sandbox.control.patch(path, json={"status": "Suspended", "silent": True})
    with pytest.raises(Conflict) as suspended:
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC"))
    assert suspended.value.code == "subscription_not_active"
    await desk.sandbox.control.patch(path, json={"status": "Active", "silent": True})
    await cancel_subscription(desk.context, actor, CancelSubscription(service_id, Cancel()))
    await desk.settle()
    with pytest.raises(Conflict) as leaving:
        await change_plan(desk.context, again(actor), wish(service_id, "HOSTING-BASIC"))
    assert leaving.value.code == "cancellation_exists"
    assert await rows(desk) == []


async def test_while_another_plan_waits_for_its_payment_none_is_planned(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await change_plan(desk.context, actor, ChangePlan(service_id, "upgrade", NewPlan(sku="HOSTING-BUSINESS")))
    with pytest.raises(Conflict) as refused:
        await change_plan(desk.context, again(actor), wish(service_id, "HOSTING-BASIC"))
    assert refused.value.code == "change_in_progress"


async def test_a_later_change_replaces_the_scheduled_one(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    first = await plan(desk, actor, service_id, "HOSTING-BASIC")
    other = again(actor)
    second = await change_plan(desk.context, other, wish(service_id, "HOSTING-PRO", days=20))
    await desk.settle()
    assert second.result.change_id != first.change_id
    assert await rows(desk) == ["cancelled", "waiting"]
    seen = (await shown(desk, service_id))["scheduled_change"]
    assert (seen["sku"], seen["effective_date"]) == ("HOSTING-PRO", in_days(20).isoformat())
    assert [each["kind"] for each in await told(desk, service_id)].count("change_dropped") == 1
    # The very same once more, under whichever key, is the same.
    for caller in (other, again(actor)):
        same = await change_plan(desk.context, caller, wish(service_id, "HOSTING-PRO", days=20))
        assert same.result == second.result
    assert await rows(desk) == ["cancelled", "waiting"]


async def test_a_change_at_once_leaves_the_planned_one_as_it_is(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await plan(desk, actor, service_id, "HOSTING-BASIC")
    request = ChangePlan(service_id, "downgrade", NewPlan(sku="HOSTING-PRO"))
    await change_plan(desk.context, again(actor), request)
    seen = await shown(desk, service_id)
    assert (seen["name"], seen["scheduled_change"]["name"]) == ("Hosting Pro", "Hosting Basic")


async def test_a_cancelled_change_is_not_made(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await plan(desk, actor, service_id, "HOSTING-BASIC")
    await desk.sandbox.fault("whmcs", "down", count=50)  # nobody there is asked
    done = await cancel_scheduled_change(desk.context, actor, CancelScheduledChange(service_id))
    await desk.settle()
    assert await desk.context.inbox.settled(done.submission, 0.05)
    again_ = await cancel_scheduled_change(desk.context, actor, CancelScheduledChange(service_id))
    assert again_.submission is None
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert (await shown(desk, service_id))["scheduled_change"] is None
    assert [(each["kind"], each["notifies"]) for each in await told(desk, service_id)] == [
        ("change_scheduled", False),
        ("change_dropped", False),
    ]
    assert (await on_its_day(desk, service_id))["state"] == "cancelled"
    assert await upgrades(desk, service_id) == []
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.mails") == 0


async def test_only_own_and_only_scheduled_changes_can_be_cancelled(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    with pytest.raises(NotFound) as nothing:
        await cancel_scheduled_change(desk.context, actor, CancelScheduledChange(service_id))
    assert nothing.value.code == "no_scheduled_change"
    await plan(desk, actor, service_id, "HOSTING-BASIC")
    stranger, _ = await someone_with(desk, "sim")
    for caller, subscription_id in ((stranger, service_id), (actor, "99999999")):
        with pytest.raises(NotFound) as absent:
            await cancel_scheduled_change(desk.context, caller, CancelScheduledChange(subscription_id))
        assert absent.value.code == "subscription_not_found"
        with pytest.raises(NotFound) as absent:
            await change_plan(desk.context, caller, wish(subscription_id, "HOSTING-BASIC"))
        assert absent.value.code == "subscription_not_found"
    assert await rows(desk) == ["waiting"]


async def test_while_the_billing_system_is_away_nothing_is_planned(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    await desk.sandbox.fault("whmcs", "down", count=50)
    with pytest.raises(UpstreamUnavailable):
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC"))
    assert await rows(desk) == []
