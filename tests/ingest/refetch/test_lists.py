"""WHMCS lists that are read again: only what changed is written, and nothing is deleted because it is missing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from app.clock import now
from app.errors import UpstreamNotFound
from app.ingest.inbox import inbox
from app.ingest.refetch import absence, lists, owners
from app.ingest.refetch.fetchers import FETCHERS
from app.ingest.refetch.owners import whmcs_hint
from app.ingest.refetch.upstreams import Upstreams
from app.integrations.whmcs.client import RecordList, WhmcsClient, WhmcsRecord
from app.processes.worker import WorkerJobs
from app.resources import Resources
from tests.fixtures.linked import add_account
from tests.integrations.scripted import Asked, Reply, scripted

CLIENT = "1001"


async def until_quiet(resources: Resources, work: WorkerJobs | None = None) -> None:
    work = work or WorkerJobs(resources)
    async with asyncio.timeout(60):
        while await resources.pool.fetchval("SELECT EXISTS (SELECT FROM ingest.inbox WHERE settled_at IS NULL)"):
            await work.sweep()
            await asyncio.sleep(0.02)


async def present(resources: Resources, member: str, owner: str = CLIENT) -> list[str]:
    rows = await resources.pool.fetch(
        "SELECT record_id FROM mirror.records WHERE object = $1 AND owner_id = $2 AND NOT deleted ORDER BY record_id",
        member,
        owner,
    )
    return [row["record_id"] for row in rows]


class Install:
    """A scripted WHMCS: services and pay methods, and what its lists leave out."""

    def __init__(self) -> None:
        self.services = {str(n): {"id": n, "clientid": CLIENT, "name": "SIM", "status": "Active"} for n in (1, 2, 3)}
        self.methods = ["11", "12"]
        self.left_out: set[str] = set()
        self.empty_lists = 0
        self.filter_ignored = False
        self.asked: list[dict[str, str]] = []

    def answer(self, asked: Asked) -> Reply:
        form = asked.form
        self.asked.append(form)
        if form["action"] == "GetClientsAddons":
            return _success(addons="")
        if form["action"] == "GetPayMethods":
            shown = [] if self.empty_lists else self.methods
            self.empty_lists = max(self.empty_lists - 1, 0)
            return _success(clientid=CLIENT, paymethods=[{"id": n, "type": "CreditCard"} for n in shown])
        if alone := form.get("serviceid"):
            rows = [self.services[alone]] if alone in self.services else []
            rows = [*self.services.values()] if self.filter_ignored else rows
        else:
            rows = [row for n, row in self.services.items() if n not in self.left_out]
        return _success(totalresults=len(rows), products={"product": rows})

    def alone(self) -> list[str]:
        return [form["serviceid"] for form in self.asked if "serviceid" in form]


def _success(**fields: Any) -> Reply:
    return Reply({"result": "success", **fields})


@pytest.fixture
def install() -> Install:
    return Install()


@pytest.fixture
async def rude(resources: Resources, install: Install) -> AsyncIterator[Resources]:
    """The same portal, its WHMCS scripted."""
    async with scripted() as upstream:
        upstream.answer = install.answer
        whmcs = await WhmcsClient.open(structs.replace(resources.settings, whmcs_url=upstream.url))
        yield structs.replace(resources, whmcs=whmcs)
        await whmcs.close()


async def read(resources: Resources, resource: str, reason: str) -> None:
    await resources.inbox.submit([whmcs_hint(resource, CLIENT, reason)])
    await until_quiet(resources)


async def test_a_living_member_that_a_list_lacks_is_asked_for_alone_and_stays(
    rude: Resources, install: Install
) -> None:
    await read(rude, "client_services", "before")
    install.left_out = {"2"}
    await read(rude, "client_services", "moved between pages")
    assert await present(rude, "service") == ["1", "2", "3"]
    assert install.alone() == ["2"]


async def test_a_member_that_whmcs_says_does_not_exist_is_gone(rude: Resources, install: Install) -> None:
    await read(rude, "client_services", "before")
    del install.services["2"]
    await read(rude, "client_services", "after")
    assert await present(rude, "service") == ["1", "3"]
    install.services["2"] = {"id": 2, "clientid": CLIENT, "name": "SIM", "status": "Active"}
    await read(rude, "client_services", "restored")
    assert await present(rude, "service") == ["1", "2", "3"], "a living record that is read later revives"


async def test_other_services_in_answer_to_one_prove_nothing(rude: Resources, install: Install) -> None:
    await read(rude, "client_services", "before")
    del install.services["2"]
    install.filter_ignored = True
    await rude.inbox.submit([whmcs_hint("client_services", CLIENT, "after")])
    for _ in range(3):
        await WorkerJobs(rude).sweep()
    assert await present(rude, "service") == ["1", "2", "3"]


async def test_an_empty_list_deletes_nothing_and_at_most_twenty_are_asked_for(
    rude: Resources, install: Install
) -> None:
    install.services = {str(n): {"id": n, "clientid": CLIENT, "name": "SIM", "status": "Active"} for n in range(1, 51)}
    await read(rude, "client_services", "before")
    install.left_out = set(install.services)
    for number, asked in ((1, 20), (2, 40), (3, 50)):
        await read(rude, "client_services", f"empty {number}")
        assert len(set(install.alone())) == asked, "the rest with the next reading"
    assert len(await present(rude, "service")) == 50


async def test_what_cannot_be_asked_for_alone_must_be_missing_twice(rude: Resources, install: Install) -> None:
    await read(rude, "pay_methods", "before")
    install.empty_lists = 1
    await read(rude, "pay_methods", "one empty list")
    assert await present(rude, "pay_method") == ["11", "12"]
    install.methods = ["11"]
    await read(rude, "pay_methods", "removed")
    assert await present(rude, "pay_method") == ["11"]


async def test_a_list_that_is_not_complete_deletes_nothing_and_is_not_fresh(rude: Resources, install: Install) -> None:
    await read(rude, "pay_methods", "before")

    async def part() -> RecordList[WhmcsRecord]:
        return RecordList(complete=False)

    hint = whmcs_hint("pay_methods", CLIENT, "test")
    async with rude.pool.acquire() as connection:
        assert await lists.whole(connection, hint, {"pay_method": part}) == []
    await read(rude, "client_services", "before")
    hint = whmcs_hint("client_services", CLIENT, "test")
    async with rude.pool.acquire() as connection:
        assert await lists.whole(connection, hint, {"service": part}) == []


async def test_members_that_are_as_they_were_are_verified_without_an_entry_each(
    rude: Resources, install: Install
) -> None:
    await read(rude, "client_services", "before")
    count = "SELECT count(*) FROM ingest.inbox WHERE lane = 'apply'"
    before, seen = await rude.pool.fetchval(count), await _verified(rude)
    install.services["3"]["status"] = "Suspended"
    await read(rude, "client_services", "after")
    assert await rude.pool.fetchval(count) == before + 2, "the list, and the one that changed"
    assert all(late > early for late, early in zip(await _verified(rude), seen, strict=True))
    marker = await rude.pool.fetchval("SELECT data FROM mirror.records WHERE object = 'client_services'")
    assert marker == {"ids": ["1", "2", "3"]}


async def test_an_older_read_that_comes_between_makes_the_list_be_read_again(rude: Resources, install: Install) -> None:
    await read(rude, "client_services", "before")
    upstreams = Upstreams(rude.salesforce, rude.whmcs)
    began = now()
    hint = whmcs_hint("client_services", CLIENT, "slow")
    async with rude.pool.acquire() as connection:
        answer = await FETCHERS["whmcs", "client_services"](upstreams, connection, hint)
        assert [each.object for each in answer] == ["client_services"]
        old = WhmcsRecord("service", "2", CLIENT, {"id": "2", "status": "older"})
        await rude.inbox.submit([lists.whmcs_records.change(old, origin="command", read_at=began)])
        await until_quiet(rude)
        await inbox.append(connection, answer)
    await until_quiet(rude)
    data = await rude.pool.fetchval("SELECT data FROM mirror.records WHERE object = 'service' AND record_id = '2'")
    assert data["status"] == "Active"


async def test_many_hooks_of_one_customer_write_little(rude: Resources, install: Install) -> None:
    install.services = {str(n): {"id": n, "clientid": CLIENT, "name": "SIM", "status": "Active"} for n in range(1, 61)}
    await read(rude, "client_services", "before")
    before = await rude.pool.fetchval("SELECT count(*) FROM ingest.inbox")
    hints = [structs.replace(whmcs_hint("client_services", CLIENT, f"{n}"), origin="webhook") for n in range(100)]
    for hint in hints:
        await rude.inbox.submit([hint])
    await until_quiet(rude)
    added = await rude.pool.fetchval("SELECT count(*) FROM ingest.inbox") - before
    assert added <= 2 * len(hints)


@pytest.mark.parametrize(
    ("object_name", "action", "sentence", "proves"),
    [
        ("invoice", "GetInvoice", "Invoice ID Not Found", True),
        ("invoice", "GetClientsDetails", "Client Not Found", False),
        ("client", "GetClientsDetails", "Client Not Found", True),
        ("service", "GetClientsProducts", "no service 7", True),
        ("service", "GetClientsProducts", "not service 7", False),
        ("pay_method", "GetPayMethods", "Client Not Found", False),
    ],
)
def test_only_the_sentence_for_that_very_record_proves_its_absence(
    object_name: str, action: str, sentence: str, proves: bool
) -> None:
    assert absence.proven(UpstreamNotFound("whmcs", action, sentence), object_name) is proves


async def test_subscriptions_are_as_fresh_as_their_list(sandbox: Any, resources: Resources) -> None:
    customer = sandbox.customer(with_whmcs=True)
    _, account_id = await add_account(resources.pool, customer)
    await owners.link(resources.inbox, account_id, str(customer["whmcs_client_id"]), customer["salesforce_account_id"])
    await until_quiet(resources)
    before = await _as_of(resources, account_id)
    assert before
    await resources.inbox.submit([whmcs_hint("client_services", str(customer["whmcs_client_id"]), "again")])
    await until_quiet(resources)
    assert all(late > early for late, early in zip(await _as_of(resources, account_id), before, strict=True))


async def _as_of(resources: Resources, account_id: UUID) -> list[Any]:
    rows = await resources.pool.fetch(
        "SELECT as_of FROM read_model.subscriptions WHERE account_id = $1 ORDER BY subscription_id", account_id
    )
    return [row["as_of"] for row in rows]


async def _verified(resources: Resources) -> list[Any]:
    rows = await resources.pool.fetch("SELECT verified_at FROM mirror.records WHERE object = 'service' ORDER BY 1")
    return [row["verified_at"] for row in rows]
