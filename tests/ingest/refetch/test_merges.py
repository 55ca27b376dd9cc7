"""Staff merge two customers upstream; the portal account follows the one that is left, with its history."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.clock import now
from app.events import Change, milliseconds
from app.ingest.refetch import merges, owners
from app.integrations.whmcs.webhook import decode
from app.resources import Resources
from tests.fixtures.linked import add_account, settle

DUE = "UPDATE ingest.inbox SET next_attempt_at = now() - interval '1 second' WHERE settled_at IS NULL"


@pytest.fixture
def customers(sandbox: Any) -> list[dict[str, Any]]:
    """Two who have everything: the first will be merged into the second."""
    return [each for each in sandbox.state["customers"] if each["whmcs_client_id"]][:2]


async def link(resources: Resources, customer: dict[str, Any]) -> UUID:
    _, account_id = await add_account(resources.pool, customer)
    await owners.link(resources.inbox, account_id, customer["whmcs_client_id"], customer["salesforce_account_id"])
    await settle(resources)
    return account_id


async def rows(resources: Resources, slice_name: str) -> dict[UUID, int]:
    found = await resources.pool.fetch(f"SELECT account_id, count(*) FROM read_model.{slice_name} GROUP BY 1")
    return {row["account_id"]: row["count"] for row in found}


async def tell(resources: Resources, source: str, object_name: str, record_id: str) -> None:
    """Submit the deletion as the feed would."""
    at = now()
    gone = Change(
        source=source,
        object=object_name,
        record_id=record_id,
        kind="deleted",
        event_id=f"test:{record_id}:gone",
        version=milliseconds(at),
        occurred_at=at,
        origin="cdc",
    )
    await resources.inbox.submit([gone])
    await settle(resources)


async def follow(resources: Resources) -> None:
    await merges.request(resources.pool, resources.inbox)
    await settle(resources)


async def test_an_account_merged_in_salesforce_is_followed_with_its_orders(
    sandbox: Any, resources: Resources, customers: list[dict[str, Any]]
) -> None:
    first, second = customers
    account_id = await link(resources, first)
    own, others = [await _orders(sandbox, each["salesforce_account_id"]) for each in customers]
    assert own
    assert (await rows(resources, "orders"))[account_id] == own
    into = second["salesforce_account_id"]
    merged = await sandbox.control.post(
        f"/salesforce/accounts/{first['salesforce_account_id']}/merge", json={"into": into}
    )
    assert merged.status_code == 200, merged.text
    await tell(resources, "salesforce", "Account", first["salesforce_account_id"])
    await follow(resources)
    assert await _mapped(resources, account_id, "salesforce_account_id") == into
    assert await _mapped(resources, account_id, "customer_number") == second["customer_number"]
    assert (await rows(resources, "orders")) == {account_id: own + others}
    audited = await resources.pool.fetchrow("SELECT * FROM portal.audit WHERE action = 'follow_merge'")
    assert (audited["account_id"], audited["target"]) == (account_id, into)


async def test_an_account_that_was_only_deleted_is_asked_about_once(
    sandbox: Any, resources: Resources, customers: list[dict[str, Any]]
) -> None:
    first = customers[0]
    account_id = await link(resources, first)
    deleted = await sandbox.control.delete(f"/salesforce/accounts/{first['salesforce_account_id']}")
    assert deleted.status_code == 200
    await tell(resources, "salesforce", "Account", first["salesforce_account_id"])
    assert await merges.request(resources.pool, resources.inbox) == 1
    await settle(resources)
    assert await merges.request(resources.pool, resources.inbox) == 0
    assert await _mapped(resources, account_id, "salesforce_account_id") == first["salesforce_account_id"]


@pytest.mark.parametrize("told", [True, False], ids=["the hook told it", "silently"])
async def test_a_client_merged_in_whmcs_is_followed_with_its_invoices(
    sandbox: Any, resources: Resources, customers: list[dict[str, Any]], told: bool
) -> None:
    gone, into = (each["whmcs_client_id"] for each in customers)
    account_id = await link(resources, customers[0])
    before = await rows(resources, "invoices")
    assert before[account_id]
    merged = await sandbox.control.post(f"/whmcs/clients/{gone}/merge", json={"into": into})
    assert merged.status_code == 200, merged.text
    hints = [owners.whmcs_hint("client", gone, "test")]
    if told:
        hints.append(_merge_hint(gone, into))
    await resources.inbox.submit(hints)
    await settle(resources)
    if not told:
        await follow(resources)
    assert await _mapped(resources, account_id, "whmcs_client_id") == into
    everything = (await sandbox.control.get("/whmcs/invoices", params={"userid": into})).json()["total"]
    assert everything > before[account_id]
    assert (await rows(resources, "invoices")) == {account_id: everything}
    profile = await resources.pool.fetchval(
        "SELECT whmcs_client_id FROM read_model.profiles WHERE account_id = $1", account_id
    )
    assert profile == into


async def test_a_merge_that_keeps_the_linked_client_reads_what_it_was_given(
    sandbox: Any, resources: Resources, customers: list[dict[str, Any]]
) -> None:
    gone, into = (each["whmcs_client_id"] for each in customers)
    account_id = await link(resources, customers[1])
    await sandbox.control.post(f"/whmcs/clients/{gone}/merge", json={"into": into})
    await resources.inbox.submit([_merge_hint(gone, into)])
    await settle(resources)
    everything = (await sandbox.control.get("/whmcs/invoices", params={"userid": into})).json()["total"]
    assert (await rows(resources, "invoices")) == {account_id: everything}


async def test_the_hook_of_a_merge_names_both_clients(sandbox: Any, customers: list[dict[str, Any]]) -> None:
    gone, into = (each["whmcs_client_id"] for each in customers)
    await sandbox.control.put("/whmcs/webhook-target", json={"url": "http://127.0.0.1:9/"})
    await sandbox.control.post(f"/whmcs/clients/{gone}/merge", json={"into": into})
    spooled = (await sandbox.control.get("/whmcs/webhooks")).json()["spooled"]
    assert (spooled[-1]["event"], spooled[-1]["record_id"], spooled[-1]["merged_into"]) == (
        "AfterClientMerge",
        gone,
        into,
    )


async def test_two_portal_accounts_that_became_one_customer_wait_for_staff(
    sandbox: Any, resources: Resources, customers: list[dict[str, Any]]
) -> None:
    first, second = customers
    linked = [await link(resources, each) for each in customers]
    await sandbox.control.post(
        f"/salesforce/accounts/{first['salesforce_account_id']}/merge", json={"into": second["salesforce_account_id"]}
    )
    await tell(resources, "salesforce", "Account", first["salesforce_account_id"])
    await merges.request(resources.pool, resources.inbox)
    for _ in range(8):
        await resources.pool.execute(DUE)
        await settle(resources)
    parked = await resources.pool.fetchrow("SELECT object, record_id, error FROM ingest.dead_letters")
    assert (parked["object"], parked["record_id"]) == ("merge", first["salesforce_account_id"])
    assert "both have a portal account" in parked["error"]
    assert await _mapped(resources, linked[0], "salesforce_account_id") == first["salesforce_account_id"]


def _merge_hint(gone: str, into: str) -> Change:
    body = {
        "event": "AfterClientMerge",
        "object": "client",
        "id": gone,
        "client_id": into,
        "merged_into": into,
        "occurred_at": now(),
    }
    heard = decode("w1", msgspec.json.encode(body))
    assert [each.object for each in heard.changes] == ["client", "merge"]
    return heard.changes[1]


async def _mapped(resources: Resources, account_id: UUID, column: str) -> str:
    found: str = await resources.pool.fetchval(
        f"SELECT {column} FROM portal.id_mappings WHERE account_id = $1", account_id
    )
    return found


async def _orders(sandbox: Any, salesforce_account_id: str) -> int:
    answer = await sandbox.control.get("/salesforce/orders", params={"AccountId": salesforce_account_id})
    return int(answer.json()["total"])
