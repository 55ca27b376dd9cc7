"""A line follows billing as far as Freebit can; what it cannot do is a task for staff, and customers read the truth."""

from datetime import date
from typing import Any

import pytest

from tests.commands.providers.provided import provided


async def test_a_line_cannot_be_suspended_so_staff_get_one_case_and_the_customer_reads_that_it_works(desk: Any) -> None:
    service = await provided(desk, "sim")
    await service.says("Suspended", "Overdue on Payment")
    for _ in range(3):
        await service.follow()
    row = await service.journal()
    assert (row["state"], row["task_code"], row["actual"]) == ("staff", "LINE_CANNOT_BE_SUSPENDED", "active")
    [case] = await service.cases()
    assert service.name not in case["Description"]
    assert "Freebit cannot suspend a line" in case["Description"]
    assert case["Origin"] is None, "no origin of the portal: customers do not see it"
    assert (await service.text()).startswith("A payment is overdue. Your SIM still works;")
    assert (await service.line())["state"] == "active"
    await service.says("Active")
    await service.follow()
    row = await service.journal()
    assert (row["state"], row["task_code"]) == ("settled", None)
    await service.says("Suspended")
    await service.follow()
    assert len(await service.cases()) == 2, "another suspension is another case"


async def test_an_ended_line_is_closed_after_its_grace_and_only_then_said_to_be(desk: Any) -> None:
    service = await provided(desk, "sim")
    (await desk.sandbox.control.put("/freebit/settings", json={"cancel_seconds": 0.4})).raise_for_status()
    await service.says("Terminated")
    await service.follow()
    assert (await service.line())["state"] == "active"
    assert "will be closed from" in await service.text()
    await service.grace_over()
    await service.follow()
    row = await service.journal()
    assert (row["state"], row["step"], row["actual"]) == ("following", "cancel", "active")
    assert "was closed" not in await service.text()
    for _ in range(40):
        await service.follow()
        if (await service.journal())["state"] == "settled":
            break
    assert (await service.journal())["actual"] == "removed"
    assert "Its line was closed" in await service.text()
    assert await service.calls("freebit", "master/cnclAcnt") == 1


@pytest.mark.parametrize("kind", ["timeout_after_write", "reset", "status", "garbage"])
async def test_the_end_of_a_line_in_doubt_is_looked_at(desk: Any, kind: str) -> None:
    service = await provided(desk, "sim")
    await service.says("Cancelled")
    await service.follow()
    await desk.sandbox.fault("freebit", kind, "master/cnclAcnt", status=500)
    await service.grace_over()
    for _ in range(4):
        await service.follow()
    assert (await service.line())["state"] == "cancelled"
    assert (await service.journal())["actual"] == "removed"


async def test_a_line_that_freebit_does_not_know_is_for_staff(desk: Any) -> None:
    service = await provided(desk, "sim")
    await desk.resources.freebit.cancel_line(service.name, date(2026, 1, 1))
    await service.says("Suspended")
    await service.follow()
    assert (await service.journal())["task_code"] == "LINE_MISSING"


async def test_freebit_that_stays_away_becomes_a_task_and_the_portal_keeps_trying(desk: Any) -> None:
    service = await provided(desk, "sim")
    await service.says("Terminated")
    await desk.sandbox.fault("freebit", "down", count=1_000)
    for _ in range(13):
        await service.follow()
    row = await service.journal()
    assert (row["state"], row["task_code"], row["error_code"]) == ("staff", "PROVIDER_AWAY", "upstream_busy")
    assert len(await service.cases()) == 1
    await desk.sandbox.clear_faults()
    await service.follow()
    row = await service.journal()
    assert (row["state"], row["task_code"], row["error_code"]) == ("following", None, None)
    assert row["remove_at"] is not None
