"""Staff and running services: looked up first, changed once whatever the call returns, recorded in WHMCS, audited."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.audit import Operator
from app.commands.subscriptions import staff, suspension
from app.commands.subscriptions.staff_view import ServiceView, view_of
from app.commands.subscriptions.usage import ReadUsage, read_usage
from app.errors import Conflict, NotFound, OutcomeUnknown, UpstreamUnavailable
from tests.commands.subscriptions.running_services import held, shown, someone_with

AYA = Operator(name="aya")
DOUBTS = ("timeout_after_write", "garbage", "reset", "timeout", "status")
VOICE_MAIL = 331
Do = Callable[[], Awaitable[ServiceView]]


async def account_of(desk: Any, service_id: str) -> dict[str, Any] | None:
    username = (await held(desk, "services", service_id))["username"]
    rows = (await desk.sandbox.control.get("/whm/accounts", params={"user": username})).json()["records"]
    return dict(rows[0]) if rows else None


async def line_of(desk: Any, service_id: str) -> dict[str, Any]:
    number = (await held(desk, "services", service_id))["domain"]
    found: dict[str, Any] = (await desk.sandbox.control.get(f"/freebit/lines/{number}")).json()
    return found


async def finally_(do: Do) -> ServiceView:
    """As staff do it: what is in doubt is asked again."""
    try:
        return await do()
    except OutcomeUnknown:
        return await do()


async def test_hosting_is_suspended_everywhere_and_the_customer_sees_why(desk: Any) -> None:
    _, service_id = await someone_with(desk, "hosting")
    await suspension.suspend(desk.context, AYA, service_id, "Overdue on Payment")
    assert (await account_of(desk, service_id) or {})["suspendreason"] == f"Overdue on Payment [portal {service_id}]"
    assert (await held(desk, "services", service_id))["status"] == "Suspended"
    assert (await shown(desk, service_id))["status_text"].startswith("Suspended because a payment is overdue.")
    await suspension.suspend(desk.context, AYA, service_id, "Overdue on Payment")  # again is the same
    await suspension.unsuspend(desk.context, AYA, service_id)
    assert not (await account_of(desk, service_id) or {})["suspended"]
    service = await held(desk, "services", service_id)
    assert (service["status"], service["suspensionreason"]) == ("Active", "")
    assert (await shown(desk, service_id))["status_text"] == "Active."
    await suspension.unsuspend(desk.context, AYA, service_id)
    rows = await desk.pool.fetch(
        "SELECT action, target, detail FROM portal.audit WHERE action LIKE 'service.%' ORDER BY id"
    )
    assert [row["action"] for row in rows] == ["service.suspend"] * 2 + ["service.unsuspend"] * 2
    assert rows[0]["target"] == service_id
    assert rows[0]["detail"] == {"operator": "aya", "reason": "Overdue on Payment"}


@pytest.mark.parametrize("kind", DOUBTS)
@pytest.mark.parametrize("function", ["suspendacct", "unsuspendacct", "removeacct"])
async def test_a_doubtful_answer_of_the_server_is_looked_at(desk: Any, function: str, kind: str) -> None:
    _, service_id = await someone_with(desk, "hosting")
    if function == "unsuspendacct":
        await suspension.suspend(desk.context, AYA, service_id, "x")
    await desk.sandbox.fault("whm", kind, function, status=500)
    do: dict[str, Do] = {
        "suspendacct": lambda: suspension.suspend(desk.context, AYA, service_id, "x"),
        "unsuspendacct": lambda: suspension.unsuspend(desk.context, AYA, service_id),
        "removeacct": lambda: staff.terminate(desk.context, AYA, service_id, "abuse"),
    }
    await finally_(do[function])
    account, service = await account_of(desk, service_id), await held(desk, "services", service_id)
    if function == "removeacct":
        assert (account, service["status"]) == (None, "Terminated")
        assert (await shown(desk, service_id))["status_text"].startswith("Ended.")
        return
    assert account is not None
    suspended = function == "suspendacct"
    assert (account["suspended"], service["status"]) == (suspended, "Suspended" if suspended else "Active")


async def test_what_root_locked_is_said_so(desk: Any) -> None:
    _, service_id = await someone_with(desk, "hosting")
    username = (await held(desk, "services", service_id))["username"]
    lock = {"user": username, "reason": "Abuse", "disallowun": "1"}
    await desk.resources.whm._call("suspendacct", lock, write=True)
    with pytest.raises(Conflict) as locked:
        await suspension.unsuspend(desk.context, AYA, service_id)
    assert locked.value.code == "suspension_locked"


async def test_an_account_that_is_gone_already_is_ended_in_billing_and_a_strangers_is_never_removed(desk: Any) -> None:
    _, service_id = await someone_with(desk, "hosting")
    service = await held(desk, "services", service_id)
    path = f"/whmcs/services/{service_id}"
    await desk.sandbox.control.patch(path, json={"domain": "elsewhere.example.jp", "silent": True})
    with pytest.raises(Conflict) as refused:
        await staff.terminate(desk.context, AYA, service_id, "abuse")
    assert refused.value.code == "not_provided_yet"
    assert await account_of(desk, service_id) is not None
    await desk.sandbox.control.patch(path, json={"domain": service["domain"], "silent": True})
    await desk.resources.whm.remove_account(service["username"])
    ended = await staff.terminate(desk.context, AYA, service_id, "abuse")
    assert ended.status == "Terminated"


async def test_a_line_is_ended_at_the_network(desk: Any) -> None:
    _, service_id = await someone_with(desk, "sim")
    await staff.terminate(desk.context, AYA, service_id, "asked by letter")
    assert (await line_of(desk, service_id))["state"] == "cancelled"
    assert (await shown(desk, service_id))["status"] == "terminated"
    await staff.terminate(desk.context, AYA, service_id, "again")
    calls = [call["operation"] for call in await desk.sandbox.calls("freebit")]
    assert calls.count("master/cnclAcnt") == 1


@pytest.mark.parametrize("kind", DOUBTS)
async def test_a_line_in_doubt_is_ended_by_asking_again(desk: Any, kind: str) -> None:
    _, service_id = await someone_with(desk, "sim")
    await desk.resources.freebit.detail("08000000000")  # logged in, so that the fault meets the call itself
    await desk.sandbox.fault("freebit", kind, "master/cnclAcnt", status=500)
    await finally_(lambda: staff.terminate(desk.context, AYA, service_id, "asked by letter"))
    assert (await line_of(desk, service_id))["state"] == "cancelled"


async def test_a_plan_that_the_provider_does_not_have_is_given_to_it(desk: Any) -> None:
    _, hosting = await someone_with(desk, "hosting")
    username = (await held(desk, "services", hosting))["username"]
    await desk.resources.whm.change_package(username, "default")
    await staff.sync_plan(desk.context, AYA, hosting)
    name = (await shown(desk, hosting))["name"]
    assert (await account_of(desk, hosting) or {})["plan"] == name
    _, sim = await someone_with(desk, "sim")
    before = (await line_of(desk, sim))["plan_code"]
    await staff.sync_plan(desk.context, AYA, sim)
    calls = [call["operation"] for call in await desk.sandbox.calls("freebit")]
    assert "mvno/changePlan" not in calls, "it has it already"
    assert (await line_of(desk, sim))["plan_code"] == before
    await desk.pool.execute(f"UPDATE generations.catalog_{await generation(desk)} SET whmcs_product_id = NULL")
    with pytest.raises(Conflict) as unknown:
        await staff.sync_plan(desk.context, AYA, sim)
    assert unknown.value.code == "plan_unknown"


async def generation(desk: Any) -> int:
    return int(
        await desk.pool.fetchval(
            "SELECT generation FROM read_model.generations WHERE slice = 'catalog' AND state = 'serving'"
        )
    )


@pytest.mark.parametrize("kind", [None, *DOUBTS])
async def test_an_esim_goes_to_another_phone_once(desk: Any, kind: str | None) -> None:
    actor = await desk.customer()
    order_id = await desk.ordered("sim", actor)
    assert await desk.fulfil(order_id) == "done"
    await desk.settle()
    service_id = (await desk.salesforce_items(order_id))[0]["WHMCS_Service_ID__c"]
    phone = "".join(secrets.choice("0123456789") for _ in range(32))
    if kind is not None:
        await desk.sandbox.fault("freebit", kind, "mvno/esim/addAcnt", status=500)
    await finally_(lambda: staff.reissue(desk.context, AYA, service_id, phone))
    await staff.reissue(desk.context, AYA, service_id, phone)
    lines = (await desk.sandbox.control.get("/freebit/lines", params={"eid": phone})).json()["records"]
    assert len(lines) == 1
    for row in await desk.pool.fetch("SELECT detail::text AS detail FROM portal.audit"):
        assert phone not in row["detail"]


async def test_what_does_not_fit_is_refused(desk: Any) -> None:
    _, sim = await someone_with(desk, "sim")
    _, vpn = await someone_with(desk, "vpn")
    for do, code in (
        (lambda: suspension.suspend(desk.context, AYA, sim, "x"), "service_kind_wrong"),
        (lambda: suspension.unsuspend(desk.context, AYA, vpn), "service_kind_wrong"),
        (lambda: staff.reissue(desk.context, AYA, vpn, "1" * 32), "service_kind_wrong"),
        (lambda: staff.reissue(desk.context, AYA, sim, "1" * 32), "not_an_esim"),
    ):
        with pytest.raises(Conflict) as refused:
            await do()
        assert refused.value.code == code
    with pytest.raises(NotFound):
        await view_of(desk.context, "99999999")
    with pytest.raises(NotFound):
        await staff.terminate(desk.context, AYA, "99999999", "x")
    await desk.sandbox.fault("freebit", "down", count=5)
    with pytest.raises(UpstreamUnavailable):
        await staff.terminate(desk.context, AYA, sim, "x")
    assert (await held(desk, "services", sim))["status"] == "Active", "billing follows the network, not the wish"


async def test_ending_an_add_on_ends_no_line(desk: Any) -> None:
    """Voice mail is sold apart from the line that it belongs to; WHMCS may name the line's number with it."""
    actor, service_id = await someone_with(desk, "sim")
    line = (await held(desk, "services", service_id))["domain"]
    body = {"clientid": int(actor.whmcs_client_id), "pid": VOICE_MAIL, "domain": line}
    add_on = (await desk.sandbox.control.post("/whmcs/services", json=body)).json()["id"]
    await desk.reread("client_services", actor.whmcs_client_id)
    with pytest.raises(Conflict) as caught:
        await read_usage(desk.context, actor, ReadUsage(str(add_on)))
    assert caught.value.code == "no_usage"
    with pytest.raises(Conflict) as caught:
        await staff.reissue(desk.context, AYA, str(add_on), "8" * 32)
    assert (caught.value.code, "an add-on" in caught.value.detail) == ("service_kind_wrong", True)
    assert (await staff.terminate(desk.context, AYA, str(add_on), "asked for")).status == "Terminated"
    assert (await line_of(desk, service_id))["state"] == "active"
