"""Plan changes: WHMCS's price before the decision, one order whatever happens, and the provider updated once it is
paid."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from app.audit import Operator
from app.commands.execution.context import Actor
from app.commands.subscriptions import staff
from app.commands.subscriptions.change_plan import ChangePlan, NewPlan, change_plan
from app.commands.subscriptions.plan_changes import journal
from app.commands.subscriptions.plan_changes.follow import TRIES, follow
from app.commands.subscriptions.preview_plan_change import PlanPreview, PreviewPlanChange, preview_plan_change
from app.commands.subscriptions.service import find_own
from app.commands.subscriptions.target_plan import target
from app.errors import Conflict, NotFound, OutcomeUnknown, RuleViolated, UpstreamUnavailable
from app.money import Money
from tests.commands.subscriptions.running_services import held, shown, someone_with, upgrades

AYA = Operator(name="aya")


async def on_plan(desk: Any, category: str, sku: str, number: int = 0) -> tuple[Actor, str]:
    """Return a customer whose service has exactly this plan, from the middle of a period on."""
    actor, service_id = await someone_with(desk, category, number)
    plan = await desk.pool.fetchrow("SELECT whmcs_product_id, unit_price FROM read_model.catalog WHERE sku = $1", sku)
    fields = {"pid": plan["whmcs_product_id"], "recurringamount": str(plan["unit_price"])}
    await desk.resources.whmcs.call(
        "UpdateClientProduct", {"serviceid": service_id, **fields}, write=True, timeout_seconds=30
    )
    await desk.resources.inbox.submit([desk.whmcs_news("client_services", actor.whmcs_client_id)])
    await desk.settle()
    return actor, service_id


def wish(service_id: str, sku: str, direction: Any = "upgrade", **price: Money) -> ChangePlan:
    return ChangePlan(service_id, direction, NewPlan(sku=sku, **price))


def again(actor: Actor) -> Actor:
    """Return the same customer with another request."""
    return msgspec.structs.replace(actor, command_key=uuid4().hex)


async def price_of(desk: Any, actor: Actor, service_id: str, sku: str) -> PlanPreview:
    found: PlanPreview = (await preview_plan_change(desk.context, actor, PreviewPlanChange(service_id, sku))).result
    return found


async def pay(desk: Any, invoice_id: str) -> None:
    (await desk.sandbox.control.post(f"/whmcs/invoices/{invoice_id}/pay", json={})).raise_for_status()
    await desk.resources.inbox.submit([desk.whmcs_news("invoice", invoice_id)])
    await desk.settle()


async def followed(desk: Any, service_id: str, rounds: int = 6) -> str:
    """Let the worker follow without sitting out its waits; the state it comes to."""
    for _ in range(rounds):
        await desk.pool.execute("UPDATE portal.plan_changes SET next_attempt_at = now()")
        await follow(desk.context)
        await desk.settle()
    return str(
        await desk.pool.fetchval(
            "SELECT state FROM portal.plan_changes WHERE subscription_id = $1 ORDER BY created_at DESC LIMIT 1",
            service_id,
        )
    )


async def test_the_price_is_the_billing_systems_and_asking_changes_nothing(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    before = await held(desk, "services", service_id)
    price = await price_of(desk, actor, service_id, "HOSTING-BUSINESS")
    days = Decimal(price.days_left) / price.days_in_period
    assert (price.direction, price.takes_effect, price.in_progress) == ("upgrade", "when_paid", False)
    assert Decimal(price.due_now.amount) == round((3_800 - 800) * days)
    assert (price.credit.amount, price.price) == ("0", Money("3800", "JPY"))
    assert await held(desk, "services", service_id) == before
    assert await upgrades(desk, service_id) == []


async def test_an_upgrade_waits_for_its_payment_and_then_reaches_the_server(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    price = await price_of(desk, actor, service_id, "HOSTING-PRO")

    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO", due_now=price.due_now))

    assert done.result.state == "awaiting_payment"
    seen = await shown(desk, service_id)
    assert seen["name"] == "Hosting Basic"
    assert seen["pending_change"]["product_name"] == "Hosting Pro"
    assert seen["pending_change"]["invoice_id"] == done.result.invoice_id
    total = await desk.pool.fetchval(
        "SELECT subtotal FROM read_model.invoices WHERE invoice_id = $1", done.result.invoice_id
    )
    assert total == Decimal(price.due_now.amount)
    assert await followed(desk, service_id) == "awaiting_payment"

    await pay(desk, done.result.invoice_id)
    assert await followed(desk, service_id) == "done"
    seen = await shown(desk, service_id)
    assert (seen["name"], seen["amount"]["amount"], seen["pending_change"]) == ("Hosting Pro", "1800", None)
    username = (await held(desk, "services", service_id))["username"]
    [account] = (await desk.sandbox.control.get("/whm/accounts", params={"user": username})).json()["records"]
    assert account["plan"] == "Hosting Pro"


async def test_a_downgrade_takes_effect_at_once_and_gives_credit(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BUSINESS")
    price = await price_of(desk, actor, service_id, "HOSTING-BASIC")
    assert (price.direction, price.takes_effect, price.due_now.amount) == ("downgrade", "at_once", "0")
    assert Decimal(price.credit.amount) > 0
    before = Decimal((await held(desk, "clients", actor.whmcs_client_id))["credit"])

    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade", credit=price.credit))

    assert (done.result.state, done.result.invoice_id) == ("providing", None)
    assert (await shown(desk, service_id))["name"] == "Hosting Basic"
    assert Decimal((await held(desk, "clients", actor.whmcs_client_id))["credit"]) - before == Decimal(
        price.credit.amount
    )
    assert await followed(desk, service_id) == "done"


async def test_a_sim_gets_its_new_plan_from_the_network(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "sim", "SIM-DATA-5GB")
    done = await change_plan(desk.context, actor, wish(service_id, "SIM-DATA-25GB"))
    await pay(desk, done.result.invoice_id)
    assert await followed(desk, service_id) == "done"
    number = (await held(desk, "services", service_id))["domain"]
    line = (await desk.sandbox.control.get(f"/freebit/lines/{number}")).json()
    assert line["plan_code"] == "PASI_DATA_25GB"
    calls = [call["operation"] for call in await desk.sandbox.calls("freebit")]
    assert calls.count("mvno/changePlan") == 1


@pytest.mark.parametrize(
    ("have", "want", "code"),
    [
        ("SIM-DATA-5GB", "SIM-VOICE-10GB", "plan_not_available"),
        ("SIM-DATA-5GB", "SIM-DATA-10GB-FAMILY", "plan_not_available"),
        ("SIM-DATA-5GB", "HOSTING-PRO", "plan_not_available"),
        ("SIM-DATA-5GB", "SIM-ADDON-VOICE-MAIL", "plan_not_available"),
        ("SIM-DATA-5GB", "NOTHING", "plan_not_available"),
        ("SIM-DATA-10GB", "SIM-DATA-5GB", "wrong_direction"),
        ("SIM-DATA-5GB", "SIM-DATA-5GB", "same_plan"),
    ],
)
async def test_a_plan_that_does_not_fit_is_refused_before_anything_is_asked(
    desk: Any, have: str, want: str, code: str
) -> None:
    actor, service_id = await on_plan(desk, "sim", have)
    with pytest.raises((RuleViolated, Conflict)) as refused:
        await change_plan(desk.context, actor, wish(service_id, want))
    assert refused.value.code == code
    assert await upgrades(desk, service_id) == []
    assert await desk.pool.fetchval("SELECT count(*) FROM portal.plan_changes") == 0


async def test_no_plan_is_an_upgrade_while_the_present_price_is_unknown(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await desk.pool.execute("UPDATE read_model.catalog SET whmcs_product_id = NULL WHERE sku = 'HOSTING-PRO'")
    service = await find_own(desk.context, actor, service_id, live=True)
    with pytest.raises(RuleViolated) as refused:
        await target(desk.context, msgspec.structs.replace(service, amount_known=False), "HOSTING-BASIC")
    assert refused.value.code == "plan_not_available"
    assert (await target(desk.context, service, "HOSTING-BASIC"))[1] == "downgrade"


async def test_another_price_than_the_one_agreed_to_orders_nothing(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    with pytest.raises(Conflict) as refused:
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO", due_now=Money("1", "JPY")))
    assert refused.value.code == "price_changed"
    assert await upgrades(desk, service_id) == []


async def test_while_an_upgrade_is_unpaid_no_second_one_is_made(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    first = await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO"))
    assert (await price_of(desk, actor, service_id, "HOSTING-BUSINESS")).in_progress
    with pytest.raises(Conflict) as refused:
        await change_plan(desk.context, again(actor), wish(service_id, "HOSTING-BUSINESS"))
    assert refused.value.code == "change_in_progress"
    repeated = await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO"))
    assert repeated.result == first.result
    assert len(await upgrades(desk, service_id)) == 1


async def test_an_upgrade_ordered_in_the_billing_system_itself_is_in_the_way_too(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    params = {"serviceid": service_id, "type": "product", "newproductid": "502", "paymentmethod": "stripe"}
    await desk.resources.whmcs.call(
        "UpgradeProduct", {**params, "newproductbillingcycle": "monthly"}, write=True, timeout_seconds=30
    )
    with pytest.raises(Conflict) as refused:
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-BUSINESS"))
    assert refused.value.code == "change_in_progress"
    assert len(await upgrades(desk, service_id)) == 1


async def test_an_upgrade_whose_invoice_is_cancelled_is_over_and_another_may_be_ordered(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    done = await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO"))
    await desk.sandbox.control.patch(f"/whmcs/invoices/{done.result.invoice_id}", json={"status": "Cancelled"})
    await desk.resources.inbox.submit([desk.whmcs_news("invoice", done.result.invoice_id)])
    assert (await shown(desk, service_id))["pending_change"] is None
    assert await followed(desk, service_id) == "withdrawn"
    other = await change_plan(desk.context, again(actor), wish(service_id, "HOSTING-BUSINESS"))
    assert other.result.state == "awaiting_payment"


@pytest.mark.parametrize("kind", ["timeout_after_write", "garbage", "reset", "timeout", "refused"])
@pytest.mark.parametrize("sku", ["HOSTING-BUSINESS", "HOSTING-BASIC"])
async def test_a_doubtful_order_is_looked_for_and_never_placed_twice(desk: Any, kind: str, sku: str) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    direction = "upgrade" if sku == "HOSTING-BUSINESS" else "downgrade"
    name, more = ("status", {"status": 500}) if kind == "refused" else (kind, {})
    # The first call of the action asks for the price, the second orders.
    await desk.sandbox.fault("whmcs", name, "UpgradeProduct", skip=1, **more)
    try:
        done = await change_plan(desk.context, actor, wish(service_id, sku, direction))
        state = done.result.state
    except OutcomeUnknown:
        await desk.sandbox.clear_faults()
        desk.let_in()
        assert await upgrades(desk, service_id) == []
        with pytest.raises(OutcomeUnknown):  # still in doubt: it may yet be worked on
            await change_plan(desk.context, actor, wish(service_id, sku, direction))
        await desk.pool.execute("UPDATE portal.plan_changes SET created_at = now() - interval '5 minutes'")
        state = (await change_plan(desk.context, actor, wish(service_id, sku, direction))).result.state
    assert len(await upgrades(desk, service_id)) == 1
    assert state == ("awaiting_payment" if direction == "upgrade" else "providing")
    seen = await shown(desk, service_id)
    if direction == "upgrade":
        assert seen["pending_change"]["invoice_id"]
    else:
        assert seen["name"] == "Hosting Basic"


async def test_an_order_in_doubt_that_nobody_repeats_is_cleared_up_by_the_worker(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    service = await desk.pool.fetchrow("SELECT * FROM read_model.subscriptions WHERE subscription_id = $1", service_id)
    await desk.pool.execute(
        "INSERT INTO portal.plan_changes (change_id, account_id, subscription_id, whmcs_client_id, command_digest, "
        "category, sku, product_id, product_name, plan_code, state, created_at) VALUES ($1, $2, $3, $4, 'k', "
        "'hosting', 'HOSTING-PRO', '502', 'Hosting Pro', '', 'asked', now() - interval '5 minutes')",
        uuid4(),
        service["account_id"],
        service_id,
        actor.whmcs_client_id,
    )
    assert await followed(desk, service_id, 1) == "withdrawn"
    done = await change_plan(desk.context, again(actor), wish(service_id, "HOSTING-PRO"))
    assert done.result.state == "awaiting_payment"


@pytest.mark.parametrize(
    ("category", "have", "want", "upstream", "operation"),
    [
        ("hosting", "HOSTING-PRO", "HOSTING-BASIC", "whm", "changepackage"),
        ("sim", "SIM-DATA-10GB", "SIM-DATA-5GB", "freebit", "mvno/changePlan"),
    ],
)
@pytest.mark.parametrize("kind", ["timeout_after_write", "garbage", "reset", "timeout", "status", "down"])
async def test_whatever_happens_to_the_provider_it_has_the_plan_in_the_end(
    desk: Any, category: str, have: str, want: str, upstream: str, operation: str, kind: str
) -> None:
    actor, service_id = await on_plan(desk, category, have)
    await desk.sandbox.fault(upstream, kind, operation, status=500)
    await change_plan(desk.context, actor, wish(service_id, want, "downgrade"))
    assert await followed(desk, service_id, 10) == "done"
    change = await desk.pool.fetchrow("SELECT * FROM portal.plan_changes")
    assert change["error_code"] is None


async def test_what_the_provider_refuses_waits_for_staff_and_says_why(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade"))
    await desk.sandbox.control.patch("/whmcs/products/501", json={"name": "Hosting Nowhere"})
    assert await followed(desk, service_id) == "failed"
    [change] = await journal.listed(desk.pool, 10)
    assert change.error_code == "upstream_rejected"
    assert "changepackage" in (change.error_message or "")
    await desk.sandbox.control.patch("/whmcs/products/501", json={"name": "Hosting Basic"})
    assert (await staff.retry(desk.context, AYA, change.change_id)).state == "providing"
    assert await followed(desk, service_id) == "done"
    with pytest.raises(Conflict) as over:
        await staff.retry(desk.context, AYA, change.change_id)
    assert over.value.code == "plan_change_not_failed"
    with pytest.raises(NotFound):
        await staff.retry(desk.context, AYA, uuid4())


async def test_an_unavailable_provider_is_not_retried_forever(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade"))
    await desk.pool.execute("UPDATE portal.plan_changes SET attempts = $1", TRIES)
    await desk.sandbox.fault("whm", "down", count=5)
    assert await followed(desk, service_id, 1) == "failed"


async def test_a_change_goes_on_as_soon_as_the_provider_s_breaker_closes(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-PRO")
    await desk.sandbox.fault("whm", "down", count=50)
    await change_plan(desk.context, actor, wish(service_id, "HOSTING-BASIC", "downgrade"))
    await followed(desk, service_id, 1)
    await desk.pool.execute("UPDATE portal.plan_changes SET next_attempt_at = now() + interval '10 minutes'")
    await follow(desk.context)
    assert await desk.pool.fetchval("SELECT state FROM portal.plan_changes") == "providing"

    await desk.sandbox.clear_faults()
    desk.let_in()
    await desk.pool.execute(
        "INSERT INTO read_model.upstreams (upstream, state, since) VALUES ('whm', 'closed', clock_timestamp()) "
        "ON CONFLICT (upstream) DO UPDATE SET state = 'closed', since = clock_timestamp(), "
        "version = upstreams.version + 1"
    )
    await follow(desk.context)

    assert await desk.pool.fetchval("SELECT state FROM portal.plan_changes") == "done"


async def test_only_ones_own_service_and_only_while_the_billing_system_answers(desk: Any) -> None:
    actor, service_id = await on_plan(desk, "hosting", "HOSTING-BASIC")
    stranger, _ = await someone_with(desk, "sim")
    with pytest.raises(NotFound):
        await change_plan(desk.context, stranger, wish(service_id, "HOSTING-PRO"))
    with pytest.raises(NotFound):
        await preview_plan_change(desk.context, stranger, PreviewPlanChange(service_id, "HOSTING-PRO"))
    await desk.sandbox.fault("whmcs", "down", count=50)
    with pytest.raises(UpstreamUnavailable):
        await change_plan(desk.context, actor, wish(service_id, "HOSTING-PRO"))
    await desk.sandbox.clear_faults()
    desk.let_in()
    assert await upgrades(desk, service_id) == []
