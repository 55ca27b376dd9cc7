"""A hosting account follows what WHMCS says: suspended, resumed, moved to another package, removed after its grace."""

from typing import Any

import pytest

from tests.commands.providers.provided import provided


async def test_a_new_account_is_taken_up_once_and_found_as_billed(desk: Any) -> None:
    service = await provided(desk, "hosting")
    row = await service.journal()
    assert (row["provider"], row["state"], row["actual"], row["desired"]) == ("whm", "settled", "active", "active")
    await service.follow()
    assert await service.steps() == []


async def test_an_overdue_service_is_suspended_and_back_once_it_is_paid(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Suspended", "Overdue on Payment")
    await service.follow()
    account = await service.account() or {}
    assert account["suspended"]
    assert account["suspendreason"] == f"Overdue on Payment [portal {service.subscription_id}]"
    assert (await service.journal())["actual"] == "suspended"
    await service.says("Active")
    await service.follow()
    assert not (await service.account() or {})["suspended"]
    assert await service.steps() == ["suspend", "unsuspend"]
    assert await service.calls("whm", "suspendacct") == await service.calls("whm", "unsuspendacct") == 1


@pytest.mark.parametrize("status", ["Terminated", "Cancelled"])
async def test_an_ended_service_is_switched_off_and_removed_only_after_its_grace(desk: Any, status: str) -> None:
    service = await provided(desk, "hosting")
    await service.says(status)
    await service.follow()
    await service.follow()
    row = await service.journal()
    assert (row["state"], row["actual"]) == ("following", "suspended")
    assert (row["remove_at"] - row["updated_at"]).days in (13, 14)
    assert await service.calls("whm", "removeacct") == 0
    assert f"will be removed from {row['remove_at']:%Y-%m-%d} on" in await service.text()
    await service.grace_over()
    await service.follow()
    assert await service.account() is None
    row = await service.journal()
    assert (row["state"], row["actual"], row["remove_at"]) == ("settled", "removed", None)
    assert "What was stored with it was removed" in await service.text()
    await service.follow()
    assert await service.calls("whm", "removeacct") == 1
