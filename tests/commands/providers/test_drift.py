"""WHM is mirrored, so what changed there by itself is found, and repaired under the same guards."""

from typing import Any

import pytest

from app.audit import Operator
from app.commands.providers.repair import repair
from app.http.monitoring.provider_metrics import provider_metrics
from app.ingest.refetch import hosting_accounts
from app.queries.provider_drift import drift
from tests.commands.providers.provided import Provided, provided

AYA = Operator(name="aya")


async def read_list(desk: Any) -> None:
    """Read WHM's list of accounts, and whatever it lacks."""
    from uuid import uuid4

    await desk.resources.inbox.submit([hosting_accounts.list_hint(uuid4().hex)])
    await desk.settle()


async def other(service: Provided, **changed: Any) -> None:
    path = f"/whm/accounts/{service.name}"
    (await service.desk.sandbox.control.patch(path, json=changed)).raise_for_status()


async def kinds(desk: Any) -> list[str]:
    return [each.kind for each in (await drift(desk.pool)).items]


@pytest.mark.parametrize("pages", [True, False])
async def test_a_new_account_is_mirrored_and_only_the_portal_s(desk: Any, pages: bool) -> None:
    await desk.server(pages=pages)
    service = await provided(desk, "hosting")
    await read_list(desk)
    rows = await desk.pool.fetch("SELECT * FROM read_model.provider_accounts")
    assert [(row["account_name"], row["present"], row["suspended"]) for row in rows] == [(service.name, True, False)]
    mirrored = await desk.pool.fetch(
        "SELECT record_id, data FROM mirror.records WHERE (source, object) = ('whm', 'account')"
    )
    assert [row["record_id"] for row in mirrored] == [service.name], "strangers' accounts are nobody's business"
    assert "email" not in mirrored[0]["data"]
    assert await kinds(desk) == []


async def test_a_list_that_agrees_verifies_without_writing_again(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await read_list(desk)
    before = await desk.pool.fetchrow("SELECT as_of, version FROM read_model.provider_accounts")
    entries = await desk.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE object = 'account'")
    await read_list(desk)
    after = await desk.pool.fetchrow("SELECT as_of, version FROM read_model.provider_accounts")
    assert after["as_of"] > before["as_of"]
    assert await desk.pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE object = 'account'") == entries
    assert service.name


async def test_a_suspension_by_others_is_found_and_a_repair_does_not_lift_it(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await other(service, suspendreason="Abuse", locked=True)
    await read_list(desk)
    [found] = (await drift(desk.pool)).items
    assert (found.kind, found.suspended_by, found.state, found.stale) == ("switched_off", "others", "settled", False)
    assert b'portal_provider_drift{kind="switched_off"} 1\n' in await provider_metrics(desk.pool)
    assert await repair(desk.context, AYA, [service.subscription_id, "99999999"]) == [service.subscription_id]
    await service.follow()
    assert (await service.journal())["task_code"] == "SUSPENDED_BY_OTHERS"
    assert (await service.account() or {})["suspended"]
    assert (
        await desk.pool.fetchval(
            "SELECT detail ->> 'operator' FROM portal.audit WHERE action = 'provider.repair' AND target = $1",
            service.subscription_id,
        )
        == "aya"
    )


async def test_an_account_switched_on_by_others_is_found_and_repaired(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await service.says("Suspended")
    await service.follow()
    await other(service, suspendreason="")
    await read_list(desk)
    await service.follow()
    assert await kinds(desk) == ["running"], "what nobody ordered in billing is reported, and not changed at once"
    await repair(desk.context, AYA, [service.subscription_id])
    await service.follow()
    await read_list(desk)
    assert await kinds(desk) == []
    assert (await service.account() or {})["suspended"]


async def test_another_package_is_found_and_repaired(desk: Any) -> None:
    service = await provided(desk, "hosting")
    billed = (await service.account() or {})["plan"]
    await other(service, plan="Hosting Pro" if billed != "Hosting Pro" else "Hosting Basic")
    await read_list(desk)
    assert await kinds(desk) == ["package"]
    await repair(desk.context, AYA, [service.subscription_id])
    await service.follow()
    await read_list(desk)
    assert await kinds(desk) == []
    assert (await service.account() or {})["plan"] == billed


async def test_an_account_that_is_gone_is_missing_only_once_whm_says_so_by_itself(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await read_list(desk)
    (await desk.sandbox.control.delete(f"/whm/accounts/{service.name}")).raise_for_status()
    await desk.sandbox.fault("whm", "down", "accountsummary", count=1)
    await read_list(desk)
    assert await kinds(desk) == ["missing"]
    assert await service.calls("whm", "accountsummary") >= 2
    await repair(desk.context, AYA, [service.subscription_id])
    await service.follow()
    assert (await service.journal())["task_code"] == "ACCOUNT_MISSING"


async def test_an_account_never_read_is_unverified_and_old_news_is_stale(desk: Any) -> None:
    service = await provided(desk, "hosting")
    await other(service, suspendreason="x")
    await read_list(desk)
    await desk.pool.execute("UPDATE generations.provider_accounts_1 SET as_of = now() - interval '1 hour'")
    [found] = (await drift(desk.pool)).items
    assert found.stale
    await desk.pool.execute("DELETE FROM generations.provider_accounts_1")
    assert await kinds(desk) == ["unverified"]


async def test_a_change_of_product_in_billing_changes_the_package_once(desk: Any) -> None:
    service = await provided(desk, "hosting")
    new = await another_product(service)
    await service.gets_product(new["pid"])
    await service.follow()
    await service.follow()
    assert (await service.account() or {})["plan"] == new["name"]
    assert ((await service.journal())["state"], await service.steps()) == ("settled", ["change_package"])


async def test_a_package_that_the_server_lacks_is_for_staff_until_it_is_there(desk: Any) -> None:
    service = await provided(desk, "hosting")
    was, new = (await service.account() or {})["plan"], await another_product(service)
    path = f"/whmcs/products/{new['pid']}"
    (await desk.sandbox.control.patch(path, json={"name": "Hosting Void", "silent": True})).raise_for_status()
    await service.gets_product(new["pid"])
    await service.follow()
    assert (await service.journal())["task_code"] == "PACKAGE_MISSING"
    assert (await service.account() or {})["plan"] == was
    (await desk.sandbox.control.patch(path, json={"name": new["name"], "silent": True})).raise_for_status()
    await service.follow()
    assert ((await service.journal())["state"], (await service.account() or {})["plan"]) == ("settled", new["name"])


async def another_product(service: Provided) -> dict[str, Any]:
    """Return a hosting product that the service does not have."""
    plan = (await service.account() or {})["plan"]
    products = (await service.desk.sandbox.control.get("/whmcs/products")).json()["records"]
    return next(each for each in products if each["name"].startswith("Hosting") and each["name"] != plan)
