"""Whatever changes what a customer may see is heard at its commit, what changes nothing is not, and silence is not
believed."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.cache.lease import LEASE_SECONDS, Lease
from app.commands.identity.sessions import session_store
from app.settings import Settings
from tests.fixtures.changes import INVOICE, change
from tests.projections.conftest import account, feed, first_generations

__all__ = ["account", "feed", "first_generations"]


class Ear:
    """What a watch hears."""

    def __init__(self, watch: Lease) -> None:
        self.watch, self.words = watch, list[str]()

    async def heard(self) -> set[str]:
        """Since the last call, once everything committed before this call must have been heard."""
        await asyncio.sleep(LEASE_SECONDS)
        async with asyncio.timeout(30):  # a busy machine may miss a lease
            while not await self.watch.held():
                await asyncio.sleep(0.01)
        found, self.words[:] = set(self.words), []
        return found


@pytest.fixture
async def ear(engines: tuple[str, str], pool: asyncpg.Pool) -> AsyncIterator[Ear]:
    watch = Lease()
    found = Ear(watch)
    watch.open(engines[0], found.words.append)
    while not await watch.held():
        await asyncio.sleep(0.01)
    await found.heard()
    yield found
    await watch.close()


async def test_a_projected_change_names_its_account_and_a_mere_verification_nobody(
    ear: Ear, account: UUID, feed: Any
) -> None:
    await feed([change("whmcs", "invoice", "7", INVOICE, owner_id="1001")])
    assert f"a{account}" in await ear.heard()
    again = change("whmcs", "invoice", "7", INVOICE, at=5_000, owner_id="1001", origin="refetch")
    await feed([again])
    assert await ear.heard() == set()


async def test_a_backfill_of_very_many_accounts_names_each(ear: Ear, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO read_model.account_versions (account_id, version) SELECT gen_random_uuid(), 1 "
        "FROM generate_series(1, 1000)"
    )
    assert len(await ear.heard()) == 1_000
    await pool.execute("UPDATE read_model.account_versions SET changed_at = now()")
    assert await ear.heard() == set()
    await pool.execute("UPDATE read_model.account_versions SET version = version + 1")
    assert len(await ear.heard()) == 1_000


PENDING = (
    "INSERT INTO read_model.pending (account_id, slice, item_id, submission, summary, document) "
    "VALUES ($1, 'orders', '1', 1, '', '')"
)
ENTRY = (
    "WITH entry AS (INSERT INTO ingest.inbox (source, event_id, object, record_id, kind, origin, version, occurred_at, "
    "owner_id, submission, lane, shard) SELECT 'whmcs', 'e', 'invoice', '7', 'full', 'refetch', 1, now(), "
    "whmcs_client_id, 1, 'apply', 1 FROM portal.id_mappings WHERE account_id = $1 RETURNING id) "
    "INSERT INTO ingest.dead_letters (entry_id, source, object, record_id, error, stack, attempts) "
    "SELECT id, 'whmcs', 'invoice', '7', 'e', 's', 5 FROM entry"
)


@pytest.mark.parametrize(
    "statements",
    [
        (PENDING, "DELETE FROM read_model.pending WHERE account_id = $1"),
        (
            ENTRY,
            "UPDATE ingest.dead_letters SET resolved_at = now(), resolution = 'discarded' WHERE $1::uuid IS NOT NULL",
        ),
        ("UPDATE portal.id_mappings SET whmcs_client_id = '2002' WHERE account_id = $1",),
    ],
)
async def test_a_change_of_answers_without_a_version_names_the_account(
    ear: Ear, pool: asyncpg.Pool, account: UUID, statements: tuple[str, ...]
) -> None:
    await ear.heard()
    for statement in statements:
        await pool.execute(statement, account)
        assert await ear.heard() == {f"a{account}"}


@pytest.mark.parametrize(
    ("statement", "heard"),
    [
        ("UPDATE portal.sessions SET revoked_at = now()", True),
        ("UPDATE portal.sessions SET expires_at = now()", True),
        ("UPDATE portal.sessions SET mfa = true", True),
        ("UPDATE portal.sessions SET last_seen_at = now() - interval '1 day'", True),
        ("DELETE FROM portal.sessions", True),
        ("UPDATE portal.users SET role = 'support'", True),
        ("UPDATE portal.id_mappings SET salesforce_account_id = 'other'", True),
        ("UPDATE portal.sessions SET last_seen_at = now() + interval '1 second'", False),
        ("UPDATE portal.users SET updated_at = now()", False),
        ("UPDATE portal.id_mappings SET told_at = now()", False),
    ],
)
async def test_ending_or_changing_a_session_names_it_and_using_it_does_not(
    ear: Ear, pool: asyncpg.Pool, settings: Settings, account: UUID, statement: str, heard: bool
) -> None:
    user = await pool.fetchval("SELECT user_id FROM portal.id_mappings")
    opened = await session_store.open_session(pool, settings, user, "", "")
    await ear.heard()
    await pool.execute(statement)
    words = {word for word in await ear.heard() if word.startswith("s")}
    assert words == ({f"s{session_store.digest(opened.token).hex()}"} if heard else set())


async def test_another_generation_is_everybodys_news_and_the_progress_of_filling_nobodys(
    ear: Ear, pool: asyncpg.Pool, first_generations: None
) -> None:
    await pool.execute("UPDATE read_model.generations SET filled = filled + 1, cursor = 'x' WHERE slice = 'invoices'")
    assert await ear.heard() == set()
    await pool.execute("UPDATE read_model.generations SET epoch = epoch + 1 WHERE slice = 'invoices'")
    assert await ear.heard() == {"*"}


async def test_a_rolled_back_change_is_not_announced(ear: Ear, pool: asyncpg.Pool, account: UUID, feed: Any) -> None:
    await ear.heard()
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(PENDING, account)
        await transaction.rollback()
    assert await ear.heard() == set()


async def lease_again(ear: Ear) -> None:
    """Wait until the lease is back, which takes as long as the machine needs."""
    async with asyncio.timeout(30):
        while not await ear.watch.held():
            await asyncio.sleep(0.02)


async def test_a_broken_connection_ends_the_lease_and_everything_is_forgotten(ear: Ear, pool: asyncpg.Pool) -> None:
    await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portal-watch'")
    await asyncio.sleep(LEASE_SECONDS)
    assert not ear.watch.holds()
    await lease_again(ear)
    assert "*" in ear.words, "what changed meanwhile was told to nobody"


async def test_without_an_answer_to_its_pings_a_process_holds_no_lease(ear: Ear, pool: asyncpg.Pool) -> None:
    """A server that hangs keeps its connections open: only the age of its last answer shows it."""
    async with pool.acquire() as connection:
        pid = await connection.fetchval("SELECT pid FROM pg_stat_activity WHERE application_name = 'portal-watch'")
        try:
            os.kill(pid, signal.SIGSTOP)
        except PermissionError:
            pytest.skip("the database is not on this machine")
        try:
            await asyncio.sleep(LEASE_SECONDS * 2)
            assert not ear.watch.holds()
            assert not await ear.watch.held()
        finally:
            os.kill(pid, signal.SIGCONT)
    await lease_again(ear)


async def test_a_session_given_to_somebody_else_by_a_pooler_is_noticed(
    ear: Ear, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen from here: the backend that answers does not listen."""
    from app.cache import lease

    monkeypatch.setattr(lease, "_PING", "SELECT 'another_channel' IN (SELECT pg_listening_channels())")
    await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'portal-watch'")
    await asyncio.sleep(lease.RETRY_SECONDS * 1.5)
    assert not await ear.watch.held()
