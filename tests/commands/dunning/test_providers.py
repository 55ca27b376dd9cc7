"""What WHMCS suspends for an unpaid invoice stands still at its provider too, and comes back with the payment."""

from typing import Any

from app.commands.execution.context import Actor
from tests.commands.dunning.collecting import DECLINED, MONDAY, Collecting
from tests.commands.providers.provided import Provided, provided


async def walked(c: Collecting, actor: Actor, service: Provided) -> str:
    """Let an invoice of the service stay unpaid until its suspension."""
    await c.card(actor, DECLINED, only=True)
    invoice = await c.bill(actor, MONDAY, service.subscription_id)
    await c.days(MONDAY, 15)
    return invoice


async def test_a_hosting_account_follows_and_is_told_once(collecting: Collecting) -> None:
    c = collecting
    service = await provided(c.desk, "hosting")
    invoice = await walked(c, service.actor, service)
    await service.follow()
    account: Any = await service.account()
    assert (await c.status(service.subscription_id), account["suspended"]) == ("Suspended", True)
    assert await calls(c, "ModuleSuspend") == 0  # WHMCS's own module would be a second writer
    await c.pay(invoice)
    await c.follow()
    await service.follow()
    account = await service.account()
    assert (await c.status(service.subscription_id), account["suspended"]) == ("Active", False)
    assert (await service.steps()) == ["suspend", "unsuspend"]


async def test_a_line_that_cannot_be_suspended_becomes_a_task_for_staff(collecting: Collecting) -> None:
    c = collecting
    service = await provided(c.desk, "sim")
    invoice = await walked(c, service.actor, service)
    await service.follow()
    assert (await c.status(service.subscription_id), (await service.line())["state"]) == ("Suspended", "active")
    assert (await service.journal())["task_code"] == "LINE_CANNOT_BE_SUSPENDED"
    await c.pay(invoice)
    await c.follow()
    await service.follow()
    assert (await service.journal())["task_code"] is None


async def calls(c: Collecting, operation: str) -> int:
    return [each["operation"] for each in await c.desk.sandbox.calls("whmcs")].count(operation)
