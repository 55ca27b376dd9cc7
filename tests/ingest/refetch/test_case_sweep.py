"""Support cases in the mirror: swept from Salesforce, those of the portal alone, and without what was written."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from app.errors import UpstreamUnavailable
from app.ingest.refetch import case_sweep, owners
from app.processes.worker import WorkerJobs
from app.resources import Resources
from tests.fixtures.linked import add_account

WORDS = "My neighbour hears everything I say"


@pytest.fixture
async def account(resources: Resources, sandbox: Any) -> UUID:
    """The first sample customer, linked."""
    _, account_id = await add_account(resources.pool, sandbox.customer(with_whmcs=True))
    return account_id


async def opened(sandbox: Any, **more: Any) -> str:
    """Open a case as the portal does."""
    body = {
        "AccountId": sandbox.customer(with_whmcs=True)["salesforce_account_id"],
        "Subject": "No signal",
        "Description": WORDS,
        "Origin": "Portal Website",
        **more,
    }
    return str((await sandbox.control.post("/salesforce/Case", json=body)).json()["Id"])


async def answered(sandbox: Any, case_id: str, *, public: bool = True) -> str:
    body = {"ParentId": case_id, "CommentBody": WORDS, "IsPublished": public}
    return str((await sandbox.control.post("/salesforce/CaseComment", json=body)).json()["Id"])


async def swept(resources: Resources) -> int:
    """Until the workers have nothing left: two changes within one second are settled by reading the record again."""
    found = await case_sweep.sweep(resources.pool, resources.inbox, resources.salesforce)
    for _ in range(3):
        await WorkerJobs(resources).sweep()
    return found


async def kinds(resources: Resources) -> list[str]:
    rows = await resources.pool.fetch("SELECT kind FROM read_model.timeline_cases ORDER BY kind")
    return [row["kind"] for row in rows]


async def test_cases_answers_and_closings_reach_the_timeline(resources: Resources, sandbox: Any, account: UUID) -> None:
    case_id = await opened(sandbox)
    await swept(resources)
    assert await kinds(resources) == ["case_opened"]
    await answered(sandbox, case_id)
    await answered(sandbox, case_id, public=False)
    await sandbox.control.patch(f"/salesforce/Case/{case_id}", json={"Status": "Closed"})
    await swept(resources)
    assert await kinds(resources) == ["case_answered", "case_closed", "case_opened"]


async def test_what_was_swept_once_is_not_submitted_again(resources: Resources, sandbox: Any, account: UUID) -> None:
    case_id = await opened(sandbox)
    await answered(sandbox, case_id)
    assert await swept(resources) == 2
    assert await swept(resources) == 0


async def test_nothing_that_was_written_is_mirrored(resources: Resources, sandbox: Any, account: UUID) -> None:
    await answered(sandbox, await opened(sandbox))
    await swept(resources)
    held = await resources.pool.fetch("SELECT data::text FROM mirror.records UNION SELECT data::text FROM ingest.inbox")
    assert held
    assert not any(WORDS in row["data"] for row in held)


async def test_what_staff_took_down_themselves_is_left_where_it_is(
    resources: Resources, sandbox: Any, account: UUID
) -> None:
    await answered(sandbox, await opened(sandbox, Origin="Phone"))
    assert await swept(resources) == 0
    assert await resources.pool.fetchval("SELECT count(*) FROM mirror.records WHERE object LIKE 'Case%'") == 0


async def test_a_case_that_is_not_the_portals_any_more_leaves_the_timeline(
    resources: Resources, sandbox: Any, account: UUID
) -> None:
    case_id = await opened(sandbox)
    await swept(resources)
    await sandbox.control.patch(f"/salesforce/Case/{case_id}", json={"Origin": "Phone"})
    await swept(resources)
    assert await kinds(resources) == []


async def test_deleted_answers_and_cases_leave_it_too(resources: Resources, sandbox: Any, account: UUID) -> None:
    case_id = await opened(sandbox)
    comment_id = await answered(sandbox, case_id)
    await swept(resources)
    (await sandbox.control.delete(f"/salesforce/CaseComment/{comment_id}")).raise_for_status()
    await swept(resources)
    assert await kinds(resources) == ["case_opened"]
    (await sandbox.control.delete(f"/salesforce/Case/{case_id}")).raise_for_status()
    await swept(resources)
    assert await kinds(resources) == []


async def test_a_sweep_that_salesforce_cut_short_is_made_up_for(
    resources: Resources, sandbox: Any, account: UUID
) -> None:
    case_id = await opened(sandbox)
    await swept(resources)
    as_of = await resources.pool.fetchval("SELECT as_of FROM read_model.feeds WHERE feed = $1", case_sweep.FEED)
    await answered(sandbox, case_id)
    await sandbox.fault("salesforce", "down", count=None)
    with pytest.raises(UpstreamUnavailable):
        await swept(resources)
    assert await resources.pool.fetchval("SELECT as_of FROM read_model.feeds WHERE feed = $1", case_sweep.FEED) == as_of
    await sandbox.clear_faults()
    await swept(resources)
    assert await kinds(resources) == ["case_answered", "case_opened"]


async def test_a_newly_linked_customer_finds_what_was_asked_before(
    resources: Resources, sandbox: Any, account: UUID
) -> None:
    await answered(sandbox, await opened(sandbox))
    person = sandbox.customer(with_whmcs=True)
    await owners.link(resources.inbox, account, person["whmcs_client_id"], person["salesforce_account_id"])
    for _ in range(3):
        await WorkerJobs(resources).sweep()
    assert await kinds(resources) == ["case_answered", "case_opened"]
    document = await resources.pool.fetchval(
        "SELECT document FROM read_model.timeline_cases WHERE kind = 'case_opened'"
    )
    assert "No signal" in msgspec.json.decode(document)["text"]
