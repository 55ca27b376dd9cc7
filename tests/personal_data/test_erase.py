"""Erasure: nothing personal stays, nothing brings it back, and the amounts are still there."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from app.commands.fulfilment import decide
from app.errors import Conflict, NotFound
from app.ingest.catch_up.reconcile import Reconcile
from app.ingest.privacy.erased_owners import without_person
from app.ingest.refetch import owners
from app.ingest.refetch.upstreams import Upstreams
from app.personal_data import subject as subjects
from app.personal_data.erase import erase
from app.personal_data.steps import STEPS, PersonalDataStep
from app.personal_data.subject import Subject
from app.projections import rebuild
from app.projections.registry import projectors
from app.resources import Resources, open_resources
from tests.fixtures.linked import settle_all as settle
from tests.personal_data.conftest import OPERATOR

SCHEMAS = ("portal", "ingest", "mirror", "read_model", "generations")


async def everywhere(resources: Resources) -> str:
    """Every row of every table, bytes as text."""
    names = await resources.pool.fetch(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1::text[])", list(SCHEMAS)
    )
    found = []
    for row in names:
        rows = await resources.pool.fetch(f"SELECT * FROM {row['name']}")
        found.append(f"{row['name']}: {[[_text(value) for value in each.values()] for each in rows]}")
    async for key in resources.redis.scan_iter("portal:*"):
        if await resources.redis.type(key) == b"hash":
            found.append(f"redis {key!r}: {await resources.redis.hgetall(key)}")
    return "\n".join(found)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else json.dumps(value, default=str)


def personal(person: dict[str, Any]) -> list[str]:
    return [person["email"], person["phone"], person["address"]["address1"], "203.0.113.7"]


async def leaks(resources: Resources, person: dict[str, Any]) -> list[str]:
    lines = (await everywhere(resources)).splitlines()
    found = [(word, line) for word in personal(person) for line in lines if word in line]
    return [f"{word} in {line.split(':')[0]}, after {line[: line.find(word)][-80:]}" for word, line in found]


async def erased(
    resources: Resources, subject: Subject, *, upstream: Mapping[str, PersonalDataStep] | None = None
) -> list[tuple[str, int, int]]:
    told: list[tuple[str, int, int]] = []
    await erase(resources, subject, OPERATOR, lambda *step: told.append(step), upstream=upstream or {})
    return told


async def totals(resources: Resources, subject: Subject) -> list[Any]:
    rows = await resources.pool.fetch(
        "SELECT invoice_id, status, total, tax, issued_on, due_on, invoice_number FROM read_model.invoices "
        "WHERE account_id = $1 ORDER BY 1",
        subject.account_id,
    )
    return [tuple(row) for row in rows]


async def test_nothing_personal_stays_and_the_amounts_do(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    before = await totals(resources, subject)
    assert before
    assert await leaks(resources, person)
    told = await erased(resources, subject)
    assert [name for name, *_ in told] == list(STEPS)
    assert await leaks(resources, person) == []
    assert await totals(resources, subject) == before
    orders = await resources.pool.fetchval(
        "SELECT count(*) FROM read_model.orders WHERE account_id = $1", subject.account_id
    )
    assert orders > 0


async def test_nothing_brings_it_back(
    resources: Resources, subject: Subject, person: dict[str, Any], sandbox: Any
) -> None:
    await erased(resources, subject)
    before = await totals(resources, subject)
    client, account = subject.whmcs_client_id, subject.salesforce_account_id
    hints = [owners.whmcs_hint(resource, client, "later") for resource in owners.WHMCS_RESOURCES]
    await resources.inbox.submit([*hints, owners.account_history_hint(account, "later")])
    await settle(resources)
    run = Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))
    _ = [each async for each in run.salesforce()]
    _ = [each async for each in run.whmcs(50)]
    await settle(resources)
    for projector in projectors(resources.settings):
        await rebuild.rebuild(resources.pool, projector, swap=False)
    await settle(resources)
    assert await leaks(resources, person) == []
    assert await totals(resources, subject) == before
    await _drop_filled(resources)


async def _drop_filled(resources: Resources) -> None:
    from app.projections.engine import generations

    async with resources.pool.acquire() as connection:
        for each in await generations.existing(connection):
            if each.state != "serving":
                await connection.execute(f"DROP TABLE IF EXISTS generations.{each.slice}_{each.generation}")
        await connection.execute("DELETE FROM read_model.generations WHERE state <> 'serving'")


async def test_an_erased_customer_is_no_drift(resources: Resources, subject: Subject) -> None:
    await erased(resources, subject)
    run = Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))
    for resource in owners.WHMCS_RESOURCES:
        finding = await run.whmcs_resource(resource, [subject.whmcs_client_id])
        assert finding.differing == 0, resource


async def test_a_run_that_was_stopped_goes_on_under_the_same_address(
    resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    away = msgspec.structs.replace(resources.settings, redis_url="redis://127.0.0.1:9/0")
    async with open_resources(away) as without_redis:
        with pytest.raises(Conflict) as stopped:
            await erased(without_redis, subject)
    assert stopped.value.code == "erasure_unfinished"
    again = await subjects.to_erase(resources.pool, person["email"].upper(), [])
    await erased(resources, again)
    assert await leaks(resources, person) == []
    with pytest.raises(NotFound, match=r"was erased on .* --upstream"):
        await subjects.to_erase(resources.pool, person["email"], [])


@pytest.mark.parametrize("state", ["running", "paused", "failed"])
async def test_an_order_that_is_being_provisioned_comes_first(
    resources: Resources, subject: Subject, state: str
) -> None:
    await resources.pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step) VALUES ('801A', $1, $2, 'sim')",
        subject.account_id,
        state,
    )
    with pytest.raises(Conflict, match="801A") as refused:
        await erased(resources, subject)
    assert refused.value.code == "fulfilment_open"
    assert await resources.pool.fetchval("SELECT count(*) FROM portal.erasures") == 0


async def test_a_failed_order_that_nobody_can_cancel_is_never_tried_again(
    resources: Resources, subject: Subject
) -> None:
    await resources.pool.execute(
        "INSERT INTO portal.fulfilments (order_id, account_id, state, step, facts) "
        "VALUES ('801A', $1, 'failed', 'sim', $2)",
        subject.account_id,
        {"sim_asked_at": "2026-11-21T00:00:00Z", "sim_account": "0700"},
    )
    await erased(resources, subject)
    with pytest.raises(Conflict) as refused:
        await decide.retry(resources.context, OPERATOR, "801A")
    assert refused.value.code == "fulfilment_over"


def test_a_field_nobody_thought_of_is_erased() -> None:
    data = {"id": "1", "status": "Paid", "total": "10.00", "nickname": "Hana", "age": 41, "tags": ["a", {"x": "b"}]}
    assert without_person("invoice", data) == {
        "id": "1",
        "status": "Paid",
        "total": "10.00",
        "nickname": "",
        "age": None,
        "tags": ["", {"x": ""}],
    }
