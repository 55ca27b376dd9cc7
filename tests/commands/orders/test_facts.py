"""What an account has decides what it may order: services, and no fees or add-ons, whatever WHMCS calls active."""

from typing import Any

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.orders.check_order import check_order
from app.queries import catalog, plans
from app.queries.reading.store import Store

PLAN, ONCE, MONTHS_12, MONTHS_24, WEEKEND, PHONE, PHONE_INSTALLATION = 182, 242, 243, 244, 245, 246, 247
SIM, VOICE_MAIL, ACTIVATION = 301, 331, 333
FEED = "/data/Portal__chn"


async def give(desk: Any, actor: Actor, *services: tuple[int, str]) -> list[str]:
    """Give the client services in WHMCS, by product and status."""
    found = []
    for pid, status in services:
        body = {"clientid": int(actor.whmcs_client_id), "pid": pid, "status": status, "silent": True}
        response = await desk.sandbox.control.post("/whmcs/services", json=body)
        response.raise_for_status()
        found.append(str(response.json()["id"]))
    await desk.reread("client_services", actor.whmcs_client_id)
    return found


async def refused(desk: Any, actor: Actor, basket: Any) -> set[str]:
    return {each.code for each in (await check_order(desk.context, actor, basket)).result.violations}


async def shop(desk: Any, actor: Actor, category: str) -> list[Any]:
    """The plans of the account's catalog."""
    store = Store(desk.pool, FEED, "Asia/Tokyo")
    answer = await catalog.account_category(store, actor.account_id, category)
    found: list[Any] = msgspec.json.decode(answer.body)["plans"]
    return found


async def blocked_in_shop(desk: Any, actor: Actor) -> bool:
    codes = {each["availability"]["code"] for each in await shop(desk, actor, "internet")}
    return "duplicate_internet" in codes and codes <= {"duplicate_internet", "not_eligible"}


@pytest.mark.parametrize("left", [ONCE, MONTHS_12, MONTHS_24, WEEKEND, PHONE, PHONE_INSTALLATION])
async def test_what_a_cancelled_line_leaves_behind_does_not_block_the_next_one(desk: Any, left: int) -> None:
    hana = await desk.customer(internet="Home 1G")
    await give(desk, hana, (PLAN, "Cancelled"), (left, "Active"))
    assert await refused(desk, hana, await desk.basket("internet")) == set()
    assert not await blocked_in_shop(desk, hana)


@pytest.mark.parametrize("status", ["Active", "Pending", "Suspended"])
async def test_a_line_that_has_not_ended_blocks_the_next_one_everywhere(desk: Any, status: str) -> None:
    hana = await desk.customer(internet="Home 1G")
    await give(desk, hana, (PLAN, status))
    assert await refused(desk, hana, await desk.basket("internet")) == {"duplicate_internet"}
    assert await blocked_in_shop(desk, hana)


@pytest.mark.parametrize(
    ("held", "offered"),
    [([], False), ([ACTIVATION], False), ([VOICE_MAIL], False), ([SIM], True), ([VOICE_MAIL, ACTIVATION, SIM], True)],
)
async def test_family_plans_are_for_accounts_with_a_sim_and_not_with_its_extras(
    desk: Any, held: list[int], offered: bool
) -> None:
    hana = await customer_without_sim(desk)
    await give(desk, hana, *((pid, "Active") for pid in held))
    basket = await desk.basket("sim")
    family = await desk.skus("sim", "service", sim_has_family_discount=True)
    items = [msgspec.structs.replace(basket.items[0], sku=family[0]), *basket.items[1:]]
    wanted = msgspec.structs.replace(basket, items=items)
    assert await refused(desk, hana, wanted) == (set() if offered else {"product_not_orderable"})
    assert any(each["product"]["family_only"] for each in await shop(desk, hana, "sim")) is offered


async def test_an_add_on_is_a_service_and_no_plan(desk: Any) -> None:
    hana = await customer_without_sim(desk)
    [number] = await give(desk, hana, (VOICE_MAIL, "Active"))
    row = await desk.pool.fetchrow("SELECT * FROM read_model.subscriptions WHERE subscription_id = $1", number)
    assert (row["category"], row["item_class"], row["billing_cycle"]) == ("sim", "add_on", "monthly")
    other = msgspec.json.decode((await plans.plans(Store(desk.pool, FEED, "Asia/Tokyo"), hana.account_id, number)).body)
    assert (other["sku"], other["items"]) == (None, [])


async def customer_without_sim(desk: Any) -> Actor:
    """Return a customer none of whose services in the sandbox is a SIM."""
    for number in range(20):
        actor = await desk.customer(number=number)
        services = await desk.resources.whmcs.services(actor.whmcs_client_id)
        if not any(service.data["groupname"] == "SIM" for service in services):
            found: Actor = actor
            return found
        await desk.pool.execute("DELETE FROM portal.id_mappings WHERE account_id = $1", actor.account_id)
        await desk.pool.execute("DELETE FROM portal.users WHERE id = $1", actor.user_id)
    raise AssertionError("every sample customer has a SIM")
