"""What commands write is pending until the commit that shows it, and each end of it is told in that commit."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from app.audit import Operator
from app.clock import now
from app.ingest.apply import drain, resolve
from app.ingest.inbox import claims, inbox, pending, rechecks
from app.ingest.inbox.inbox import Inbox, open_shards
from app.ingest.inbox.pending import Pending
from app.projections import rebuild
from app.projections.engine import recompute
from app.projections.registry import projectors
from app.queries.changes import since
from app.queries.reading.pending_writes import of_slice
from app.queries.reading.store import Store
from app.settings import Settings
from tests.fixtures.changes import CLIENT, INVOICE, change
from tests.fixtures.linked import add_account
from tests.ingest.poisoned import DUE, refuse_poison
from tests.projections.conftest import first_generations

__all__ = ["first_generations"]

OWNER = {"owner_id": "1001"}


async def quiet(pairs: Iterable[tuple[str, int]] = ()) -> None:
    return None


class Worker:
    """Commands submit, and this applies."""

    def __init__(self, pool: asyncpg.Pool, settings: Settings, account: UUID) -> None:
        self.pool, self.account, self.inbox = pool, account, Inbox(pool, quiet)
        self.store = Store(pool, settings.salesforce_channel, "Asia/Tokyo")
        self.projectors = projectors(settings)

    def write(self, **facts: Any) -> Pending:
        value = {"city": "Osaka"}
        recheck = ("whmcs", "client", "1001")
        made = Pending(
            account_id=self.account,
            slice="profiles",
            item_id="",
            command_id=uuid4(),
            command="change_address",
            value=value,
            recheck=recheck,
        )
        return msgspec.structs.replace(made, **facts)

    async def submit(self, write: Pending, at: int = 5000, **data: str) -> int:
        read = change("whmcs", "client", "1001", {**CLIENT, **data}, at=at, **OWNER)
        read = msgspec.structs.replace(read, origin="command")
        number = await self.inbox.submit([read], pending=[write])
        assert number is not None
        return number

    async def apply(self) -> None:
        async def project(connection: Any, changed: Sequence[Any], *more: Any) -> None:
            refuse_poison(changed)
            await recompute.project(self.projectors, connection, changed, *more)

        for lane, shard in await open_shards(self.pool):
            if lane == "apply":
                await drain.drain(self.pool, shard, project, quiet, partial(quiet, ()))

    async def version(self) -> int:
        found = await self.pool.fetchval(
            "SELECT version FROM read_model.account_versions WHERE account_id = $1", self.account
        )
        return int(found or 0)

    async def told(self, after: int = 0) -> list[tuple[str, str | None]]:
        """(id, outcome) of every command that was told after a version."""
        news = await since(self.store, self.account, after)
        return [(each.id, each.outcome) for each in news.events if each.name == "command.settled"]

    async def shown(self) -> list[tuple[str, str | None]]:
        """(state, code of the reason) of the writes beside the profile."""
        writes = await of_slice(self.store, self.account, "profiles")
        return [(each.state, each.reason.code if each.reason else None) for each in writes]


@pytest.fixture
async def worker(pool: asyncpg.Pool, settings: Settings, account: UUID) -> Worker:
    found = Worker(pool, settings, account)
    await found.inbox.submit([change("whmcs", "client", "1001", CLIENT, **OWNER)])
    await found.apply()
    return found


async def test_a_write_is_pending_from_before_the_call_until_the_commit_that_shows_it(worker: Worker) -> None:
    write, before = worker.write(), await worker.version()
    await pending.begin(worker.pool, write)
    assert await worker.shown() == [("pending", None)]
    number = await worker.submit(write, city="Osaka")
    assert await worker.shown() == [("pending", None)]
    assert await worker.inbox.consistency(number, 0) == "pending"
    await worker.apply()
    assert await worker.shown() == []
    assert await worker.inbox.consistency(number, 0) == "reached"
    assert await worker.told(before) == [(str(write.command_id), "shown")]


async def test_the_end_is_told_in_the_commit_that_shows_the_write(worker: Worker) -> None:
    """Whoever sees the value does not see it pending, and has been told; at every instant."""
    write, before = worker.write(), await worker.version()
    await worker.submit(write, city="Osaka")
    seen = set()

    async def watch() -> None:
        while True:
            seen.add(
                tuple(
                    await worker.pool.fetchrow(
                        "SELECT (SELECT convert_from(document, 'UTF8')::jsonb #>> '{address,city}' "
                        "FROM read_model.profiles WHERE account_id = $1), "
                        "EXISTS (SELECT FROM read_model.pending WHERE account_id = $1), "
                        "EXISTS (SELECT FROM ingest.notices WHERE slice = 'commands' AND version > $2), "
                        "(SELECT version > $2 FROM read_model.account_versions WHERE account_id = $1)",
                        worker.account,
                        before,
                    )
                )
            )

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(30):
        while not seen:
            await asyncio.sleep(0.01)
        await worker.apply()
        while ("Osaka", False, True, True) not in seen:
            await asyncio.sleep(0.01)
    watching.cancel()
    assert seen == {("Tokyo", True, False, False), ("Osaka", False, True, True)}


async def test_a_write_that_changes_nothing_is_told_as_unchanged(worker: Worker) -> None:
    write, before = worker.write(), await worker.version()
    await worker.submit(write)
    await worker.apply()
    assert await worker.told(before) == [(str(write.command_id), "unchanged")]


async def test_a_write_that_an_event_has_overtaken_ends_all_the_same(worker: Worker) -> None:
    write = worker.write()
    await pending.begin(worker.pool, write)
    await worker.inbox.submit([change("whmcs", "client", "1001", {**CLIENT, "city": "Osaka"}, at=9000, **OWNER)])
    await worker.apply()
    before = await worker.version()
    await worker.submit(write, at=5000, city="Osaka")
    await worker.apply()
    assert await worker.shown() == []
    assert await worker.told(before) == [(str(write.command_id), "unchanged")]


async def test_the_last_of_several_changes_ends_a_write(worker: Worker) -> None:
    """Changes of one submission in two shards that are applied one after the other."""
    write, before = worker.write(), await worker.version()
    changes = [
        change("whmcs", "client", "1001", {**CLIENT, "city": "Osaka"}, at=5000, **OWNER),
        change("whmcs", "invoice", "7", {"note": "poison"}, at=5000, **OWNER),
    ]
    commands = [msgspec.structs.replace(each, origin="command") for each in changes]
    number = await worker.inbox.submit(commands, pending=[write])
    assert number is not None
    await worker.apply()
    assert await worker.shown() == [("pending", None)]
    assert await worker.told(before) == []


async def test_what_cannot_be_applied_is_given_up_and_whoever_waits_is_told_at_once(worker: Worker) -> None:
    write, before = worker.write(), await worker.version()
    number = await worker.submit(write, city="Osaka", note="poison")
    waiting = asyncio.create_task(worker.inbox.consistency(number, 60))
    for _ in range(drain.ATTEMPTS):
        await worker.pool.execute(DUE)
        await worker.apply()
    async with asyncio.timeout(20):
        assert await waiting == "given_up"
    assert await worker.shown() == [("given_up", None)]
    assert await worker.told(before) == [(str(write.command_id), "given_up")]


async def test_staff_who_discard_a_change_end_the_write_as_given_up(worker: Worker) -> None:
    write = worker.write()
    number = await worker.submit(write, city="Osaka", note="poison")
    for _ in range(drain.ATTEMPTS):
        await worker.pool.execute(DUE)
        await worker.apply()
    before = await worker.version()
    [letter] = await worker.pool.fetch("SELECT id FROM ingest.dead_letters WHERE resolved_at IS NULL")
    await resolve.discard(worker.pool, quiet, [letter["id"]], _operator(), "wrong")
    assert await worker.shown() == []
    assert await worker.told(before) == [(str(write.command_id), "given_up")]
    assert await worker.inbox.consistency(number, 0) == "given_up"


async def test_a_newer_record_heals_what_was_given_up(worker: Worker) -> None:
    write = worker.write()
    number = await worker.submit(write, city="Osaka", note="poison")
    for _ in range(drain.ATTEMPTS):
        await worker.pool.execute(DUE)
        await worker.apply()
    read = change("whmcs", "client", "1001", {**CLIENT, "city": "Osaka"}, at=9000, read_at=now(), **OWNER)
    await worker.inbox.submit([read])
    await worker.apply()
    assert await worker.shown() == []
    assert await worker.inbox.consistency(number, 0) == "reached"


async def test_a_refused_write_says_why_until_another_attempt(worker: Worker) -> None:
    write, before = worker.write(), await worker.version()
    await pending.begin(worker.pool, write)
    async with worker.pool.acquire() as connection, connection.transaction():
        assert await pending.reject(connection, write.command_id, "details_refused", "Please correct them.")
    assert await worker.shown() == [("rejected", "details_refused")]
    assert await worker.told(before) == [(str(write.command_id), "rejected")]
    await pending.begin(worker.pool, worker.write())
    assert await worker.shown() == [("pending", None)]


async def test_a_refused_write_is_forgotten_in_a_version_of_its_own(worker: Worker) -> None:
    write = worker.write()
    await pending.begin(worker.pool, write)
    async with worker.pool.acquire() as connection, connection.transaction():
        await pending.reject(connection, write.command_id, "details_refused", "")
    before = await worker.version()
    await pending.forget_pending(worker.pool)
    assert await worker.version() == before
    await worker.pool.execute("UPDATE read_model.pending SET ended_at = now() - interval '1 hour'")
    await pending.forget_pending(worker.pool)
    assert (await worker.shown(), await worker.version()) == ([], before + 1)
    assert not (await since(worker.store, worker.account, before)).lost, "versions stay gapless"


async def test_a_write_of_a_killed_process_is_looked_up(worker: Worker) -> None:
    """Killed between the upstream's answer and the record of it."""
    write, before = worker.write(), await worker.version()
    await pending.begin(worker.pool, write)
    assert await rechecks.recheck_lost(worker.pool, quiet) == 0, "it may still be at work"
    await worker.pool.execute("UPDATE read_model.pending SET created_at = now() - interval '10 minutes'")
    assert await rechecks.recheck_lost(worker.pool, quiet) == 1
    assert await rechecks.recheck_lost(worker.pool, quiet) == 0
    hint = await worker.pool.fetchrow(
        "SELECT id, submission, source, object, record_id FROM ingest.inbox WHERE kind = 'hint'"
    )
    assert (hint["source"], hint["object"], hint["record_id"]) == ("whmcs", "client", "1001")
    assert await worker.shown() == [("pending", None)]
    await _answered(worker, hint, city="Osaka")
    assert await worker.shown() == []
    assert await worker.told(before) == [(str(write.command_id), "shown")]


async def test_a_write_that_cannot_be_looked_up_is_given_up(worker: Worker) -> None:
    write, before = worker.write(recheck=None), await worker.version()
    await pending.begin(worker.pool, write)
    await worker.pool.execute("UPDATE read_model.pending SET created_at = now() - interval '10 minutes'")
    assert await rechecks.recheck_lost(worker.pool, quiet) == 1
    assert await worker.shown() == [("given_up", None)]
    assert await worker.told(before) == [(str(write.command_id), "given_up")]


async def test_two_writes_of_one_item_are_two(worker: Worker) -> None:
    first, second = worker.write(), worker.write()
    await worker.submit(first, city="Osaka")
    await worker.submit(second, at=6000, city="Kyoto")
    assert await worker.shown() == [("pending", None), ("pending", None)]
    before = await worker.version()
    await worker.apply()
    assert await worker.shown() == []
    assert sorted(await worker.told(before)) == sorted((str(each.command_id), "shown") for each in (first, second))


async def _answered(worker: Worker, hint: Any, **data: str) -> None:
    """The worker of the other lane reads the record: its answer joins the submission of the hint."""
    read = change("whmcs", "client", "1001", {**CLIENT, **data}, at=9000, read_at=now(), **OWNER)
    read = msgspec.structs.replace(read, origin="refetch")
    async with worker.pool.acquire() as connection, connection.transaction():
        await inbox.append(connection, [read], submission=hint["submission"])
        await inbox.settle(connection, [(hint["id"], "refetched")], [hint["submission"]])
    await worker.apply()


def _operator() -> Operator:
    return Operator(name="op")


@pytest.mark.usefixtures("first_generations")
async def test_a_rebuild_in_between_neither_ends_a_write_nor_hides_its_end(worker: Worker, settings: Settings) -> None:
    write, before = worker.write(), await worker.version()
    await worker.submit(write, city="Osaka")
    known = projectors(settings)
    await rebuild.rebuild(worker.pool, next(each for each in known if each.name == "profiles"))
    assert await worker.shown() == [("pending", None)]
    await worker.apply()
    assert await worker.shown() == []
    assert await worker.told(before) == [(str(write.command_id), "shown")]
    after = await worker.version()
    await rebuild.rollback(worker.pool, known, "profiles")
    assert await worker.version() == after + 1
    city = "SELECT convert_from(document, 'UTF8')::jsonb #>> '{address,city}' FROM read_model.profiles"
    assert await worker.pool.fetchval(city) == "Osaka", "the generation before was fed as well"
    assert not (await since(worker.store, worker.account, before)).lost


async def test_the_end_of_a_write_is_told_to_the_account_that_made_it_although_its_client_was_merged_away(
    worker: Worker,
) -> None:
    write = worker.write()
    await worker.submit(write, city="Osaka")
    await worker.pool.execute("UPDATE portal.id_mappings SET whmcs_client_id = '1002'")
    before = await worker.version()
    await worker.apply()
    assert await worker.shown() == []
    assert await worker.told(before) == [(str(write.command_id), "shown")]
    assert await worker.version() > before


async def test_what_is_replayed_is_what_was_told(worker: Worker) -> None:
    """A command that failed and was sent again: whoever resumes in between learns of both ends, in order."""
    write, start = worker.write(), await worker.version()
    async with worker.pool.acquire() as connection, connection.transaction():
        await pending.note(connection, worker.account, write.command_id, "given_up")
    between = await worker.version()
    await worker.submit(write, city="Osaka")
    await worker.apply()
    assert await worker.told(between) == [(str(write.command_id), "shown")]
    for _ in range(2):
        assert await worker.told(start) == [(str(write.command_id), "shown")], "the last one counts"
    first = await worker.pool.fetch("SELECT outcome FROM ingest.notices WHERE slice = 'commands' ORDER BY version")
    assert [row["outcome"] for row in first] == ["given_up", "shown"]


async def test_two_batches_that_end_writes_of_each_others_accounts_do_not_deadlock(worker: Worker) -> None:
    """Each changes one account and ends a write of the other, for which a newer record is known already."""
    ken = {"email": "ken@example.jp", "whmcs_client_id": "1002", "salesforce_account_id": "001B"}
    _, second = await add_account(worker.pool, {**ken, "customer_number": "C-000002"})
    accounts = {"1001": worker.account, "1002": second}
    for client in accounts:
        await worker.inbox.submit([change("whmcs", "client", client, CLIENT, at=9000, owner_id=client)])
    await worker.apply()
    for client, account in accounts.items():
        old = change("whmcs", "client", client, {**CLIENT, "city": "Old"}, at=5, owner_id=client)
        await worker.inbox.submit(
            [msgspec.structs.replace(old, origin="command")], pending=[worker.write(account_id=account)]
        )
        await worker.inbox.submit([change("whmcs", "invoice", f"{client}7", INVOICE, owner_id=client)])
    batches, computed, both = await _crossed(worker.pool), 0, asyncio.Event()

    async def project(connection: Any, changed: Sequence[Any], *more: Any) -> None:
        nonlocal computed
        await recompute.project(worker.projectors, connection, changed, *more)
        computed += 1
        if computed == 2:
            both.set()
        with contextlib.suppress(TimeoutError):  # with locks in one order the second does not come this far
            async with asyncio.timeout(1):
                await both.wait()

    async def run(entries: Sequence[Any]) -> None:
        async with worker.pool.acquire() as connection:
            await drain.apply_or_isolate(connection, entries, project, set())

    async with asyncio.timeout(60):
        await asyncio.gather(*(run(each) for each in batches))
    assert computed == 2, "no batch failed and was tried in halves"
    assert await worker.pool.fetchval("SELECT count(*) FROM ingest.notices WHERE slice = 'commands'") == 2
    assert not await worker.pool.fetchval("SELECT EXISTS (SELECT FROM read_model.pending)")


async def _crossed(pool: asyncpg.Pool) -> list[list[Any]]:
    """The open entries as two batches: the old record of one client with the invoice of the other."""
    async with pool.acquire() as connection:
        entries = await claims.claim_of_many(connection, "apply", list(range(inbox.SHARDS)), 10)
    ends = {each.change.record_id: each for each in entries if each.change.object == "client"}
    bills = {each.change.owner_id: each for each in entries if each.change.object == "invoice"}
    return [[ends["1001"], bills["1002"]], [ends["1002"], bills["1001"]]]
