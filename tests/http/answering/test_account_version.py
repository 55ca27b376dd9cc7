"""The version in each answer of an account: the one that the body shows, whatever layer answers, whatever happens."""

import asyncio
import re
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from redis.asyncio import Redis

from app.cache.lease import heard_everywhere
from app.http.policies.policy import CUSTOMER
from app.http.policies.table import routes_of
from app.projections import rebuild
from app.projections.registry import projectors
from app.queries import profiles
from app.queries.cache import answer_cache
from app.settings import Settings
from tests.http.fast.test_path import OWN, hana, invoice
from tests.projections.conftest import feed, first_generations

__all__ = ["feed", "first_generations", "hana"]

INVOICES = "/api/invoices"
ORDINARY = {"Prefer": "wait=0"}
LIVE = ("/api/cases", "/api/events", "/plans")


async def version_of(pool: asyncpg.Pool) -> int:
    return int(
        await pool.fetchval(
            "SELECT version FROM read_model.account_versions JOIN portal.id_mappings m USING (account_id) "
            "WHERE m.whmcs_client_id = 'client-hana'"
        )
    )


async def test_every_answer_of_an_account_has_it_and_no_public_one(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool
) -> None:
    found, version = 0, str(await version_of(pool))
    for route in routes_of(running[0]):
        if route.method != "GET" or any(part in route.path for part in LIVE):
            continue
        if not set(re.findall(r"{(\w+)}", route.path)) <= set(OWN):
            continue
        answer = await api.get(route.path.format(**OWN), headers=hana)
        if route.policy.roles != CUSTOMER:
            assert "account-version" not in answer.headers, route.path
        elif answer.status_code == 200:
            found += 1
            assert answer.headers["account-version"] == version, route.path
            again = await api.get(
                route.path.format(**OWN), headers={**hana, "if-none-match": answer.headers.get("etag", "")}
            )
            assert (again.status_code, again.headers["account-version"]) == (304, version), route.path
    assert found > 14


async def test_a_body_and_its_version_belong_together_while_everything_changes(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, feed: Any
) -> None:
    """Readers of both paths during many commits: what is shown under a version is what that version is."""
    truth: dict[str, str] = {}
    path, seen, done = f"{INVOICES}/77", [], asyncio.Event()

    async def write() -> None:
        for number in range(40):
            await feed([invoice(77, at=10_000 + number, invoicenum=f"N{number}")])
            truth[str(await version_of(pool))] = f"N{number}"
        done.set()

    async def read(headers: dict[str, str]) -> None:
        while not done.is_set():
            answer = await api.get(path, headers=headers)
            if answer.status_code == 200:  # a fast machine is told that this is too much
                seen.append((answer.headers["account-version"], answer.json()["number"]))
            await asyncio.sleep(0.02)

    await asyncio.gather(write(), read(hana), read(hana), read(hana | ORDINARY))
    known = [(version, number) for version, number in seen if version in truth]
    assert len({version for version, _ in known}) > 3, "the readers met several versions"
    assert [(version, number) for version, number in known if truth[version] != number] == []


async def test_an_answer_that_a_commit_overtook_is_not_kept_under_the_version_before(
    running: Any, api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool
) -> None:
    cache = running[0].state.layers.cache
    owner = str(await pool.fetchval("SELECT account_id FROM portal.id_mappings WHERE whmcs_client_id = 'client-hana'"))
    async with asyncio.timeout(20):  # on a busy machine, the lease of what is known may just have run out
        while (version := cache.version_of(owner)) is None:
            await api.get(INVOICES, headers=hana)
    before = (version[0] - 1, *version[1:])

    async def render() -> Any:
        return await profiles.profile(running[0].state.store, UUID(owner))

    stale = await cache.rendering(owner, "test", before, render)
    fresh = await cache.rendering(owner, "test", version, render)
    assert (stale.body, bool(fresh.body)) == (b"", True)
    assert answer_cache.UNKEPT_SECONDS <= 1


async def test_it_outlives_redis_and_the_process(
    running: Any,
    api: httpx.AsyncClient,
    hana: dict[str, str],
    pool: asyncpg.Pool,
    redis: Redis,
    serve: Any,
    settings: Settings,
) -> None:
    before = (await api.get(INVOICES, headers=hana)).headers["account-version"]
    await redis.flushall()
    running[0].state.layers.cache.forget_all()
    assert (await api.get(INVOICES, headers=hana)).headers["account-version"] == before
    async with serve(settings) as another:
        for headers in (hana, hana | ORDINARY):
            assert (await another.get(INVOICES, headers=headers)).headers["account-version"] == before


@pytest.mark.usefixtures("first_generations")
@pytest.mark.parametrize("name", ["invoices", "profiles", "orders"])
async def test_a_promoted_generation_and_its_rollback_are_versions_of_their_own(
    api: httpx.AsyncClient, hana: dict[str, str], pool: asyncpg.Pool, settings: Settings, name: str
) -> None:
    """Another generation may show something else, so a client must learn of it; and numbers never go back."""
    known = projectors(settings)
    projector = next(each for each in known if each.name == name)
    seen = [int((await api.get(INVOICES, headers=hana)).headers["account-version"])]
    await rebuild.rebuild(pool, projector)
    await heard_everywhere()
    seen.append(int((await api.get(INVOICES, headers=hana)).headers["account-version"]))
    await rebuild.rollback(pool, known, name)
    await heard_everywhere()
    seen.append(int((await api.get(INVOICES, headers=hana)).headers["account-version"]))
    assert seen == [seen[0], seen[0] + 1, seen[0] + 2]
    told = await pool.fetch("SELECT version FROM ingest.notices WHERE slice = $1 AND item_id = ''", name)
    assert {row["version"] for row in told} >= set(seen[1:])
    gaps = "SELECT count(DISTINCT version) FROM ingest.notices WHERE account_id = $1"
    owner = await pool.fetchval("SELECT account_id FROM portal.id_mappings WHERE whmcs_client_id = 'client-hana'")
    assert await pool.fetchval(gaps, owner) == seen[-1]
