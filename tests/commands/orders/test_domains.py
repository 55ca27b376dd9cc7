"""One domain, one hosting account: also against other customers and the server, of whom nobody learns anything."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.commands.execution.context import Actor
from app.commands.fulfilment import overview
from app.commands.orders.check_order import check_order
from app.commands.orders.place_order import place_order
from app.errors import RuleViolated
from app.integrations.whm.client import NewHostingAccount
from tests.fixtures.staff_orders import cancel_order, staff_order

DOMAIN = "日本語.example"
ASCII = "xn--wgv71a119e.example"
PLAN = "HOSTING-PRO"


async def said(desk: Any, actor: Actor, domain: str = ASCII) -> list[str]:
    """Return the codes of check and order, which must agree and must not say whose the domain is."""
    basket = await desk.basket("hosting", configuration={"domain": domain})
    found = (await check_order(desk.context, actor, basket)).result.violations
    for each in found:
        assert each.message == (
            f"{domain} cannot be used for web hosting with us. Please give another domain, or contact support if this "
            "one is yours."
        )
    if found:
        with pytest.raises(RuleViolated) as refused:
            await place_order(desk.context, msgspec.structs.replace(actor, command_key=uuid4().hex), basket)
        assert list(refused.value.errors) == found
    return [each.code for each in found]


async def paused(desk: Any, order_id: str) -> str:
    """Approve and fulfil an order that must pause before anything is billed; its code."""
    await desk.sandbox.control.delete("/calls")
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "paused"
    assert not {"AddOrder", "AcceptOrder"} & {each["operation"] for each in await desk.sandbox.calls("whmcs")}
    assert "createacct" not in {each["operation"] for each in await desk.sandbox.calls("whm")}
    return str((await overview.one(desk.pool, order_id)).fulfilment.error_code)


async def on_server(desk: Any, domain: str = ASCII, owner: str = "") -> str:
    """Somebody else creates an account on the server; its name."""
    name = f"x{uuid4().hex[:7]}"
    await desk.context.whm.create_account(NewHostingAccount(name, domain, "default", "a@example.com"))
    if owner:
        (await desk.sandbox.control.patch(f"/whm/accounts/{name}", json={"owner": owner})).raise_for_status()
    return name


async def removed(desk: Any, name: str) -> None:
    (await desk.sandbox.control.delete(f"/whm/accounts/{name}")).raise_for_status()


async def test_a_domain_of_another_customer_cannot_be_ordered_whatever_its_spelling(desk: Any) -> None:
    owner, actor = await desk.customer(), await desk.customer(number=1)
    order_id = await desk.place(owner, await desk.basket("hosting", configuration={"domain": DOMAIN}))
    for spelled in (ASCII, DOMAIN, "XN--WGV71A119E.EXAMPLE"):
        assert await said(desk, actor, spelled) == ["domain_unavailable"], "an open order"
    await desk.approve(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    assert await said(desk, actor) == ["domain_unavailable"], "a service"
    assert await paused(desk, await staff_order(desk, actor, PLAN, domain=ASCII)) == "DOMAIN_UNAVAILABLE"
    await desk.settle()
    document = await desk.pool.fetchval(
        "SELECT document FROM read_model.orders WHERE account_id = $1 AND status = 'paused'", actor.account_id
    )
    shown = msgspec.json.decode(document)
    assert (shown["reason"]["code"], shown["next_step"]) == ("domain_unavailable", "contact_support")
    assert await said(desk, actor, "other.example") == []


async def test_of_two_customers_orders_for_one_domain_the_earlier_goes_on(desk: Any) -> None:
    one, other = await desk.customer(), await desk.customer(number=1)
    first, second = [await staff_order(desk, actor, PLAN, domain=ASCII) for actor in (one, other)]
    assert await paused(desk, second) == "DOMAIN_UNAVAILABLE"
    await desk.approve(first)
    assert await desk.fulfil(first) == "done"
    await desk.hurry(second)
    assert await desk.fulfil(second) == "paused", "there is a service now"


async def test_a_cancelled_order_of_another_frees_the_domain(desk: Any) -> None:
    owner, actor = await desk.customer(), await desk.customer(number=1)
    order_id = await staff_order(desk, owner, PLAN, domain=ASCII)
    assert await said(desk, actor) == ["domain_unavailable"]
    await cancel_order(desk, order_id)
    assert await said(desk, actor) == []


@pytest.mark.parametrize(("status", "codes"), [("Suspended", ["domain_unavailable"]), ("Terminated", [])])
async def test_a_hosting_service_of_another_counts_until_it_has_ended(desk: Any, status: str, codes: list[str]) -> None:
    owner, actor = await desk.customer(), await desk.customer(number=1)
    pid = await desk.pool.fetchval("SELECT whmcs_product_id FROM read_model.catalog WHERE sku = $1", PLAN)
    service = {"clientid": owner.whmcs_client_id, "pid": int(pid), "status": status, "domain": " Old.Example"}
    (await desk.sandbox.control.post("/whmcs/services", json=service)).raise_for_status()
    await desk.reread("client_services", owner.whmcs_client_id)
    assert await said(desk, actor, "old.example") == codes


async def test_an_account_on_the_server_that_is_nobodys_pauses_before_anything_is_billed(desk: Any) -> None:
    actor = await desk.customer()
    name = await on_server(desk)
    assert await said(desk, actor) == [], "what is not known does not stand in the way of an order"
    order_id = await desk.place(actor, await desk.basket("hosting", configuration={"domain": ASCII}))
    assert await paused(desk, order_id) == "DOMAIN_UNAVAILABLE"
    await removed(desk, name)
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_while_the_server_does_not_answer_nothing_is_billed(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.place(actor, await desk.basket("hosting"))
    await desk.sandbox.fault("whm", "status", operation="listaccts", status=500, count=None)
    assert await said(desk, actor, "new.example") == []
    assert await paused(desk, order_id) == "WHM_UNAVAILABLE"
    await desk.sandbox.clear_faults()
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_an_account_that_appears_after_billing_is_found_before_the_creation(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("hosting", actor, configuration={"domain": ASCII})
    await desk.sandbox.fault("whmcs", "status", operation="AcceptOrder", status=500, count=None)
    assert await desk.fulfil(order_id) == "paused"
    name = await on_server(desk)
    await desk.sandbox.clear_faults()
    await desk.sandbox.control.delete("/calls")
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "paused"
    assert (await overview.one(desk.pool, order_id)).fulfilment.error_code == "DOMAIN_UNAVAILABLE"
    assert "createacct" not in {each["operation"] for each in await desk.sandbox.calls("whm")}
    await removed(desk, name)
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"


async def test_an_account_that_the_token_does_not_see_pauses_the_order_and_a_corrected_domain_continues_it(
    desk: Any,
) -> None:
    """So does a domain that is an additional one of another account: only the creation tells."""
    actor = await desk.customer()
    await on_server(desk, owner="another reseller")
    order_id = await desk.ordered("hosting", actor, configuration={"domain": ASCII})
    assert await desk.fulfil(order_id) == "paused"
    story = (await overview.one(desk.pool, order_id)).fulfilment
    assert (story.step, story.error_code) == ("hosting", "DOMAIN_UNAVAILABLE")
    await desk.resources.salesforce.update("Order", order_id, {"Domain__c": "corrected.example"})
    await desk.hurry(order_id)
    assert await desk.fulfil(order_id) == "done"
    assert (await desk.hosted(order_id))["domain"] == "corrected.example"


MIRRORED = """
INSERT INTO read_model.provider_accounts (account_id, account_name, present, domain, package, suspended, suspended_by,
    suspend_reason, version, as_of)
VALUES ($1, 'cabcdefg', $2, $3, 'HOSTING-PRO', true, 'portal', '', 1, now() - $4 * interval '1 second')
"""


@pytest.mark.parametrize(
    ("present", "age_seconds", "codes"),
    [(True, 60, ["domain_unavailable"]), (True, 90_000, []), (False, 60, [])],
    ids=["fresh", "stale", "removed"],
)
async def test_an_account_in_the_mirror_counts_while_the_mirror_is_fresh(
    desk: Any, present: bool, age_seconds: int, codes: list[str]
) -> None:
    """Such as the account of an ended service that waits for its removal, the customer's own too."""
    actor = await desk.customer()
    await desk.pool.execute(MIRRORED, actor.account_id, present, ASCII, age_seconds)
    assert await said(desk, actor) == codes


async def test_the_order_finds_its_own_account_and_is_not_held_up_by_it(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("hosting", actor, configuration={"domain": ASCII})
    await desk.sandbox.fault("whm", "timeout_after_write", operation="createacct")
    assert await desk.fulfil(order_id) == "done"
    await desk.assert_whole(actor, order_id)


async def test_whose_a_domain_is_is_found_without_reading_every_service(desk: Any) -> None:
    await desk.pool.execute("SET enable_seqscan = off")
    plan = "EXPLAIN SELECT FROM {} WHERE {} AND lower(btrim({})) = ANY(ARRAY['a'])"
    for table, condition, column in (
        ("read_model.subscriptions", "category = 'hosting'", "domain"),
        ("mirror.records r", "object = 'Order'", "data ->> 'Domain__c'"),
    ):
        rows = await desk.pool.fetch(plan.format(table, condition, column))
        assert "Index" in "".join(row[0] for row in rows), rows
