"""What the process never does: touch what is another's, act on what is unknown, lift or remove what others decided."""

from typing import Any

import msgspec
import pytest

from app.commands.providers.follow import follow_one
from app.commands.providers.take_up import take_up
from app.readmodels.provider_accounts import DESIRED
from tests.commands.providers.provided import Provided, provided
from tests.commands.subscriptions.running_services import held, someone_with

WRITES = ("suspendacct", "unsuspendacct", "changepackage", "removeacct")


async def writes(service: Provided) -> dict[str, int]:
    return {each: count for each in WRITES if (count := await service.calls("whm", each))}


async def other(service: Provided, **changed: Any) -> None:
    """Somebody else on the server changes the account."""
    path = f"/whm/accounts/{service.name}"
    (await service.desk.sandbox.control.patch(path, json=changed)).raise_for_status()


async def test_a_service_of_whmcs_s_own_module_is_never_touched(desk: Any) -> None:
    """It is in no fulfilment of the portal, so no state of billing reaches its account."""
    mine = await provided(desk, "hosting", number=2)
    _, service_id = await someone_with(desk, "hosting")
    username = (await held(desk, "services", service_id))["username"]
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"status": "Terminated", "silent": True})
    await desk.reread("service", service_id)
    await mine.follow()
    rows = (await desk.sandbox.control.get("/whm/accounts", params={"user": username})).json()["records"]
    assert len(rows) == 1
    assert not rows[0]["suspended"]
    assert await writes(mine) == {}


async def test_a_suspension_of_somebody_else_is_never_lifted_and_becomes_one_case(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Suspended", "Overdue on Payment")
    await other(service, suspendreason="Phishing reported", locked=False)
    await service.follow()
    assert (await service.journal())["actual"] == "suspended"
    await service.says("Active")
    await service.follow()
    await service.follow()
    row = await service.journal()
    assert (row["state"], row["task_code"]) == ("staff", "SUSPENDED_BY_OTHERS")
    assert (await service.account() or {})["suspendreason"] == "Phishing reported"
    assert await writes(service) == {}
    [case] = await service.cases()
    assert "not suspended by the portal" in case["Description"]
    assert row["case_id"] == case["Id"]
    assert (await service.text()).startswith("Active, but still switched off.")
    await other(service, suspendreason="")  # whoever suspended it lifts it
    await service.follow()
    row = await service.journal()
    assert (row["state"], row["task_code"], row["actual"]) == ("settled", None, "active")
    assert await service.text() == "Active."


async def test_the_portal_s_own_suspension_is_not_lifted_once_root_locked_it(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Suspended")
    await service.follow()
    reason = (await service.account() or {})["suspendreason"]
    await other(service, suspendreason=reason, locked=True)
    await service.says("Active")
    await service.follow()
    assert (await service.journal())["task_code"] == "SUSPENDED_BY_OTHERS"
    assert "unsuspendacct" not in await writes(service)


async def test_an_account_suspended_by_others_is_not_removed_with_its_service(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await other(service, suspendreason="Court order", locked=True)
    await service.says("Terminated")
    await service.follow()
    await service.grace_over()
    await service.follow()
    assert (await service.journal())["task_code"] == "SUSPENDED_BY_OTHERS"
    assert await writes(service) == {}


@pytest.mark.parametrize("changed", [{"domain": "another.example.jp"}, {"domain": ""}])
async def test_an_account_with_another_domain_is_never_touched(desk: Any, changed: dict[str, str]) -> None:
    service = await provided(desk, "hosting")
    await service.says("Terminated")
    await service.follow()
    before = await writes(service)
    await other(service, **changed)
    await service.grace_over()
    await service.follow()
    assert (await service.journal())["task_code"] == "ACCOUNT_OF_ANOTHER_DOMAIN"
    assert await writes(service) == before
    assert await service.account() is not None


async def test_an_account_of_another_reseller_is_for_staff(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await other(service, owner="somebody")
    await service.says("Terminated")
    await service.follow()
    row = await service.journal()
    assert (row["task_code"], row["error_code"]) == ("REFUSED", "upstream_rejected")
    assert await writes(service) == {}


async def test_a_stale_read_model_removes_nothing_because_whmcs_is_read_right_before(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Terminated")
    await service.follow()
    await service.grace_over()
    # WHMCS reactivated it, and the portal has not heard of that yet.
    path = f"/whmcs/services/{service.subscription_id}"
    await desk.sandbox.control.patch(path, json={"status": "Active", "silent": True})
    await service.follow()
    assert await service.calls("whm", "removeacct") == 0
    assert not (await service.account() or {})["suspended"]
    assert (await service.journal())["remove_at"] is None


async def test_an_account_switched_on_during_the_grace_is_kept_for_staff(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Cancelled")
    await service.follow()
    await other(service, suspendreason="")
    await service.grace_over()
    await service.follow()
    assert (await service.journal())["task_code"] == "SWITCHED_ON_AGAIN"
    assert await service.account() is not None
    assert await writes(service) == {"suspendacct": 1}


@pytest.mark.parametrize("status", ["Pending", "Completed", "Frozen by staff", ""])
async def test_a_status_that_asks_for_nothing_changes_nothing(desk: Any, status: str) -> None:
    assert status.lower() not in DESIRED
    service = await provided(desk, "hosting")
    await service.says(status)
    await service.follow()
    assert await writes(service) == {}
    assert (await service.journal())["state"] == "settled"


async def test_a_service_that_whmcs_deleted_or_gave_away_changes_nothing(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await desk.sandbox.control.delete(f"/whmcs/services/{service.subscription_id}")
    await service.hurry()
    await desk.pool.execute("UPDATE portal.provided_services SET state = 'following'")
    await service.follow()
    assert await writes(service) == {}
    assert (await service.journal())["state"] == "settled"


async def test_while_whmcs_is_away_nothing_is_done_and_nobody_is_bothered(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Terminated")
    await take_up(desk.pool, desk.resources.inbox)
    await desk.sandbox.fault("whmcs", "down", count=1_000)
    for _ in range(14):
        await service.hurry()
        desk.let_in()
        await follow_one(desk.context, service.subscription_id)
    assert await writes(service) == {}
    row = await service.journal()
    assert (row["state"], row["task_code"]) == ("following", None)


async def test_an_account_that_whmcs_s_module_manages_is_left_to_it(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.billing(username="whmcsmod", status="Suspended")
    await service.follow()
    assert (await service.journal())["task_code"] == "OTHER_WRITER"
    assert await writes(service) == {}


async def test_the_switch_stops_everything(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Suspended")
    stopped = msgspec.structs.replace(desk.context.settings, provider_follow=False)
    was, desk.context = desk.context, msgspec.structs.replace(desk.context, settings=stopped)
    await service.follow()
    assert await writes(service) == {}
    desk.context = was
    await service.follow()
    assert await writes(service) == {"suspendacct": 1}


@pytest.mark.parametrize(("most", "days", "code"), [(0, 14.0, "TOO_MANY_REMOVALS"), (20, -1.0, "REMOVAL_BY_HAND")])
async def test_removals_are_bounded_and_can_be_left_to_staff(desk: Any, most: int, days: float, code: str) -> None:
    service = await provided(desk, "hosting")
    settings = msgspec.structs.replace(
        desk.context.settings, provider_removals_per_day=most, provider_removal_grace_days=days
    )
    desk.context = msgspec.structs.replace(desk.context, settings=settings)
    await service.says("Terminated")
    await service.follow()
    await service.grace_over()
    await service.follow()
    assert (await service.journal())["task_code"] == code
    assert await writes(service) == {"suspendacct": 1}
