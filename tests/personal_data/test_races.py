"""An erasure while workers are in the middle of something."""

import asyncio
from typing import Any

import asyncpg

from app.ingest.privacy import strip_personal_data
from app.ingest.refetch import owners
from app.personal_data.steps import quiet
from app.personal_data.subject import Subject
from app.projections import rebuild
from app.projections.registry import projectors
from app.resources import Resources
from tests.fixtures.linked import settle_all as settle
from tests.personal_data.test_erase import erased, leaks

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'portal'"


async def until_blocked(pool: asyncpg.Pool) -> None:
    async with asyncio.timeout(60):
        while not await pool.fetchval(BLOCKED):
            await asyncio.sleep(0.02)


async def test_a_newer_state_that_is_being_written_is_not_undone(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    record = await resources.pool.fetchrow(
        "SELECT record_id, data FROM mirror.records WHERE object = 'invoice' AND owner_id = $1 LIMIT 1",
        subject.whmcs_client_id,
    )
    newer = {**record["data"], "status": "Refunded", "items": []}
    async with resources.pool.acquire() as worker, worker.transaction():
        await worker.execute(
            "UPDATE mirror.records SET data = $2 WHERE object = 'invoice' AND record_id = $1",
            record["record_id"],
            newer,
        )
        stripped = asyncio.create_task(strip_personal_data.mirror(resources.pool, subject.owner_ids))
        await until_blocked(resources.pool)
    await stripped
    found = await resources.pool.fetchval(
        "SELECT data FROM mirror.records WHERE object = 'invoice' AND record_id = $1", record["record_id"]
    )
    assert found["status"] == "Refunded"


async def test_erasure_waits_for_work_that_began_before_it(resources: Resources, subject: Subject) -> None:
    async with resources.pool.acquire() as worker:
        open_one = worker.transaction()
        await open_one.start()
        await worker.execute("SELECT 1")
        waiting = asyncio.create_task(quiet(resources, subject))
        done, _ = await asyncio.wait([waiting], timeout=0.6)
        assert not done
        await open_one.commit()
        await asyncio.wait_for(waiting, 5)


async def test_it_does_not_wait_for_an_analyst(resources: Resources, subject: Subject) -> None:
    analyst = await asyncpg.connect(resources.settings.database_url)
    try:
        async with analyst.transaction():
            await analyst.execute("SELECT 1")
            await asyncio.wait_for(quiet(resources, subject), 5)
    finally:
        await analyst.close()


async def test_done_twice_is_done_once(resources: Resources, subject: Subject, person: dict[str, Any]) -> None:
    await erased(resources, subject)
    state = "SELECT array_agg(r::text ORDER BY record_id) FROM mirror.records r"
    before = await resources.pool.fetchval(state)
    await resources.pool.execute("UPDATE portal.erasures SET steps = '{}', finished_at = NULL")
    await erased(resources, subject)
    assert await resources.pool.fetchval(state) == before
    assert await leaks(resources, person) == []


async def test_reading_the_erased_again_changes_nothing_for_anybody(resources: Resources, subject: Subject) -> None:
    await erased(resources, subject)
    await settle(resources)
    version = "SELECT version FROM read_model.account_versions WHERE account_id = $1"
    before = await resources.pool.fetchval(version, subject.account_id)
    hints = [owners.whmcs_hint(each, subject.whmcs_client_id, "again") for each in owners.WHMCS_RESOURCES]
    await resources.inbox.submit(hints)
    await settle(resources)
    outcomes = await resources.pool.fetch("SELECT outcome FROM ingest.inbox WHERE event_id LIKE 'again:%'")
    assert {row["outcome"] for row in outcomes} == {"refetched"}
    assert await resources.pool.fetchval(version, subject.account_id) == before


async def test_what_slipped_in_is_stripped_when_it_is_read_again(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    await erased(resources, subject)
    client = await resources.whmcs.client(subject.whmcs_client_id)
    await resources.pool.execute(
        "UPDATE mirror.records SET data = $2 WHERE object = 'client' AND record_id = $1",
        subject.whmcs_client_id,
        client.data,
    )
    await rebuild.rebuild_account(resources.pool, projectors(resources.settings), subject.account_id)
    await settle(resources)
    assert await leaks(resources, person)
    await resources.inbox.submit([owners.whmcs_hint("client", subject.whmcs_client_id, "again")])
    await settle(resources)
    assert await leaks(resources, person) == []
