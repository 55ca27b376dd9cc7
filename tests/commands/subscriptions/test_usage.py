"""Usage of a service and access to its control panel: requested live from the provider, for own services alone."""

from typing import Any

import pytest

from app.commands.execution.context import Actor
from app.commands.subscriptions.create_control_panel_link import OpenControlPanel, create_control_panel_link
from app.commands.subscriptions.usage import ReadUsage, Usage, read_usage
from app.errors import Conflict, NotFound, UpstreamError, UpstreamUnavailable
from tests.commands.conftest import EID
from tests.commands.subscriptions.running_services import held, shown, someone_with


async def usage(desk: Any, actor: Actor, service_id: str) -> Usage:
    found: Usage = (await read_usage(desk.context, actor, ReadUsage(service_id))).result
    return found


async def forget(desk: Any) -> None:
    """Age the answers of the provider by more than a minute."""
    async for key in desk.context.redis.scan_iter("portal:*:usage/*"):
        kept = await desk.context.redis.get(key)
        await desk.context.redis.set(key, kept.replace(b'"as_of":"20', b'"as_of":"19'))


async def test_a_sim_shows_its_line_and_its_data(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    number = (await held(desk, "services", service_id))["domain"]
    found = await usage(desk, actor, service_id)
    assert found.sim is not None
    assert found.hosting is None
    assert (found.sim.phone_number, found.sim.state, found.sim.sim_type) == (number, "active", "physical")
    assert found.sim.today_kilobytes == int(number[-5:])
    assert len(found.sim.recent_days_kilobytes) == 4
    assert not found.stale


async def test_a_sim_that_the_portal_activated_is_found_by_the_number_it_was_given(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    service_id = (await desk.salesforce_items(order_id))[0]["WHMCS_Service_ID__c"]
    found = await usage(desk, actor, service_id)
    assert found.sim is not None
    assert found.sim.sim_type == "esim"
    assert (await shown(desk, service_id))["line"] == found.sim.phone_number
    await desk.sandbox.control.patch(f"/whmcs/services/{service_id}", json={"domain": "", "silent": True})
    await desk.resources.inbox.submit([desk.whmcs_news("service", service_id)])
    assert (await shown(desk, service_id))["line"] is None
    await forget(desk)
    assert (await usage(desk, actor, service_id)).sim == found.sim, "fulfilment remembers the number too"
    lines = (await desk.sandbox.control.get("/freebit/lines", params={"eid": EID})).json()["records"]
    assert [line["account"] for line in lines] == [found.sim.phone_number]


async def test_hosting_shows_its_disk(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "hosting")
    service = await held(desk, "services", service_id)
    found = await usage(desk, actor, service_id)
    assert found.hosting is not None
    assert found.hosting.domain == service["domain"]
    assert found.hosting.disk_limit_megabytes in (5 * 1024, 20 * 1024, 100 * 1024)
    assert 0 <= (found.hosting.disk_used_megabytes or 0) < 900


async def test_the_provider_is_called_once_a_minute_however_often_usage_is_read(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    first = await usage(desk, actor, service_id)
    assert await usage(desk, actor, service_id) == first
    asked = [call["operation"] for call in await desk.sandbox.calls("freebit")]
    assert asked.count("mvno/getTrafficInfo") == 1
    await forget(desk)
    assert (await usage(desk, actor, service_id)).as_of > first.as_of


@pytest.mark.parametrize("kind", ["down", "timeout", "reset", "garbage", "status"])
async def test_while_the_network_is_away_the_last_figures_are_given_with_their_age(desk: Any, kind: str) -> None:
    actor, service_id = await someone_with(desk, "sim")
    await desk.sandbox.fault("freebit", kind, "mvno/getTrafficInfo", count=5, status=500)
    with pytest.raises(UpstreamError):
        await usage(desk, actor, service_id)
    await desk.sandbox.clear_faults()
    desk.let_in()
    first = await usage(desk, actor, service_id)
    await forget(desk)
    await desk.sandbox.fault("freebit", kind, "mvno/getTrafficInfo", count=5, status=500)
    kept = await usage(desk, actor, service_id)
    assert kept.stale
    assert kept.sim == first.sim
    assert kept.as_of < first.as_of


async def test_a_sim_needs_no_billing_system_to_show_its_usage(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "sim")
    await desk.sandbox.fault("whmcs", "down", count=50)
    assert (await usage(desk, actor, service_id)).sim is not None


async def test_other_services_and_other_customers_have_no_usage(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "vpn")
    stranger, sim = await someone_with(desk, "sim")
    with pytest.raises(Conflict) as refused:
        await usage(desk, actor, service_id)
    assert refused.value.code == "no_usage"
    await usage(desk, stranger, sim)
    for subscription_id in (sim, "99999999", "x"):
        with pytest.raises(NotFound) as absent:
            await usage(desk, actor, subscription_id)
        assert absent.value.code == "subscription_not_found"
        with pytest.raises(NotFound):
            await create_control_panel_link(desk.context, actor, OpenControlPanel(subscription_id))


async def test_a_control_panel_link_is_whms_own_and_kept_nowhere(desk: Any) -> None:
    actor, service_id = await someone_with(desk, "hosting")
    username = (await held(desk, "services", service_id))["username"]
    links = [
        (await create_control_panel_link(desk.context, actor, OpenControlPanel(service_id))).result for _ in range(2)
    ]
    assert links[0].url != links[1].url
    assert f"session={username}:" in links[0].url
    assert 0 < links[0].expires_in_seconds <= 900
    session = links[0].url.rsplit("session=", 1)[1]
    for table in ("portal.audit", "portal.commands", "ingest.inbox", "read_model.documents", "mirror.records"):
        rows = await desk.pool.fetch(f"SELECT t::text AS row FROM {table} t")
        assert not any(session in row["row"] or username in row["row"] for row in rows), table


async def test_an_order_under_another_customers_domain_gives_no_access_to_that_account(desk: Any) -> None:
    owner, service_id = await someone_with(desk, "hosting")
    victim = (await held(desk, "services", service_id))["domain"]
    thief = await desk.customer(number=1)
    order = {
        "clientid": thief.whmcs_client_id,
        "pid": ["501"],
        "billingcycle": ["monthly"],
        "domain": [victim],
        "paymentmethod": "stripe",
        "noinvoice": True,
    }
    placed = await desk.resources.whmcs.call("AddOrder", order, write=True, timeout_seconds=30)
    await desk.resources.whmcs.accept_order(str(placed["orderid"]))
    await desk.resources.inbox.submit([desk.whmcs_news("client_services", thief.whmcs_client_id)])
    await desk.settle()
    stolen = str(placed["serviceids"])
    with pytest.raises(Conflict) as refused:
        await create_control_panel_link(desk.context, thief, OpenControlPanel(stolen))
    assert refused.value.code == "not_provided_yet"
    with pytest.raises(Conflict):
        await usage(desk, thief, stolen)
    assert await create_control_panel_link(desk.context, owner, OpenControlPanel(service_id))


async def test_hosting_that_the_portal_made_is_found_by_its_order(desk: Any) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("hosting", actor)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    service_id = (await desk.salesforce_items(order_id))[0]["WHMCS_Service_ID__c"]
    found = await usage(desk, actor, service_id)
    assert found.hosting is not None
    assert await create_control_panel_link(desk.context, actor, OpenControlPanel(service_id))


async def test_there_is_no_way_in_without_hosting_or_while_it_is_suspended(desk: Any) -> None:
    sim_owner, sim = await someone_with(desk, "sim")
    with pytest.raises(Conflict) as refused:
        await create_control_panel_link(desk.context, sim_owner, OpenControlPanel(sim))
    assert refused.value.code == "no_control_panel"
    actor, service_id = await someone_with(desk, "hosting")
    username = (await held(desk, "services", service_id))["username"]
    await desk.resources.whm.suspend(username, "Overdue")
    with pytest.raises(Conflict) as suspended:
        await create_control_panel_link(desk.context, actor, OpenControlPanel(service_id))
    assert suspended.value.code == "subscription_not_active"
    await desk.resources.whm.unsuspend(username)
    await desk.sandbox.fault("whm", "down", count=10)
    with pytest.raises(UpstreamUnavailable):
        await create_control_panel_link(desk.context, actor, OpenControlPanel(service_id))
