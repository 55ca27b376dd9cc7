"""A list that is whole has what it lacks asked for, or read again; any other list proves nothing."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from app.events import Change
from app.ingest.refetch.fetchers import FETCHERS
from app.ingest.refetch.owners import whmcs_hint
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.whmcs.client import WhmcsClient
from tests.integrations.conftest import settings
from tests.integrations.scripted import Asked, Reply, Upstream, scripted


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with scripted() as running:
        yield running


@pytest.fixture
async def upstreams(upstream: Upstream) -> AsyncIterator[Upstreams]:
    whmcs = await WhmcsClient.open(settings(whmcs_url=upstream.url))
    yield Upstreams(None, whmcs)  # type: ignore[arg-type]
    await whmcs.close()


async def mirrored(pool: asyncpg.Pool, object_name: str, ids: list[str], owner: str | None, **data: Any) -> None:
    await pool.executemany(
        "INSERT INTO mirror.records (source, object, record_id, owner_id, data, version, occurred_at, verified_at, "
        "deleted) VALUES ('whmcs', $1, $2, $3, $4, 1, now(), now(), false)",
        [(object_name, each, owner, data) for each in ids],
    )


async def fetched(pool: asyncpg.Pool, upstreams: Upstreams, hint: Change) -> list[Change]:
    async with pool.acquire() as connection:
        return await FETCHERS["whmcs", hint.object](upstreams, connection, hint)


def gone(changes: list[Change]) -> list[str]:
    return [each.record_id for each in changes if each.kind == "deleted"]


def asked_alone(changes: list[Change]) -> list[str]:
    """Nothing is deleted for being absent: what a whole list lacks is asked for by itself."""
    return [each.record_id for each in changes if each.kind == "hint" and each.object == "service"]


def service(number: object, client: object = "1001") -> dict[str, Any]:
    return {"id": number, "clientid": client, "name": "x", "status": "Active"}


def answers(upstream: Upstream, *rows: Any, total: int | None = None) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.form["action"] == "GetClientsAddons":
            return Reply({"result": "success", "totalresults": 0, "addons": ""})
        count = len(rows) if total is None else total
        return Reply({"result": "success", "totalresults": count, "products": {"product": list(rows)}})

    upstream.will().answer = answer


@pytest.mark.parametrize(
    ("rows", "total", "missing"),
    [
        ([service(1)], None, ["2", "3"]),
        ([service(1), service(2, "x")], None, ["3"]),
        ([service(1), {"name": "?"}], None, []),
        ([service(1), "text"], None, []),
        ([service(1)], 3, []),
        ([], None, ["1", "2", "3"]),
    ],
    ids=["gone", "unreadable row", "unreadable id", "no object", "total", "empty"],
)
async def test_only_what_a_whole_list_lacks_is_asked_for(
    pool: asyncpg.Pool, upstream: Upstream, upstreams: Upstreams, rows: list[Any], total: int | None, missing: list[str]
) -> None:
    await mirrored(pool, "service", ["1", "2", "3"], "1001")
    answers(upstream, *rows, total=total)
    changes = await fetched(pool, upstreams, whmcs_hint("client_services", "1001", "test"))
    assert gone(changes) == []
    assert sorted(asked_alone(changes)) == missing
    assert [each.record_id for each in changes if each.kind == "full" and each.object == "service"] == (
        ["1"] if rows else []
    )


def requests(upstream: Upstream, count: int) -> None:
    def answer(asked: Asked) -> Reply:
        start, size = int(asked.form["limitstart"]), int(asked.form["limitnum"])
        found = [
            {"id": number, "relid": number, "type": "Immediate", "date": "2026-02-01 00:00:00"}
            for number in range(start + 1, min(start + size, count) + 1)
        ]
        return Reply({"result": "success", "totalresults": count, "packages": {"package": found}})

    upstream.will().answer = answer


async def test_a_webhook_about_one_request_reads_the_newest_and_deletes_nothing(
    pool: asyncpg.Pool, upstream: Upstream, upstreams: Upstreams
) -> None:
    ids = [str(number) for number in range(1, 10_001)]
    await mirrored(pool, "cancel_request", [*ids, "20000"], None, type="Immediate", date="2026-02-01 00:00:00")
    requests(upstream, 10_001)
    hint = whmcs_hint("cancel_requests", "all", "test")
    changes = await fetched(pool, upstreams, hint)
    assert "10001" in {each.record_id for each in changes}
    assert gone(changes) == []
    assert len(upstream.asked) <= 3
    whole = await fetched(pool, upstreams, msgspec.structs.replace(hint, data={"whole": True}))
    assert gone(whole) == ["20000"]
