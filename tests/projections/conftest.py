"""A drained inbox: changes in, read models out, over the real database."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.events import Change, Record
from app.ingest.apply import drain
from app.ingest.inbox.inbox import Inbox, open_shards
from app.projections.engine import recompute
from app.projections.registry import projectors
from app.settings import Settings
from tests.fixtures.linked import add_account
from tests.ingest.poisoned import refuse_poison

type_of_feed = Callable[[Sequence[Change]], Awaitable[None]]


@pytest.fixture
async def account(pool: asyncpg.Pool) -> UUID:
    """A linked account: WHMCS client 1001, Salesforce account 001A."""
    ids = {"whmcs_client_id": "1001", "salesforce_account_id": "001A", "customer_number": "C-000001"}
    _, account_id = await add_account(pool, {"email": "hana@example.jp", **ids})
    return account_id


@pytest.fixture
def feed(pool: asyncpg.Pool, settings: Settings) -> type_of_feed:
    """Submit changes one after the other and drain until nothing is left to apply. A record with the note `poison`
    cannot be projected."""

    async def nobody() -> None:
        return None

    async def wake(pairs: Iterable[tuple[str, int]]) -> None:
        return None

    async def project(connection: Any, changed: Sequence[Record], verified: Sequence[Record], *more: Any) -> None:
        refuse_poison(changed)
        await recompute.project(projectors(settings), connection, changed, verified, *more)

    async def run(changes: Sequence[Change]) -> None:
        for change in changes:
            await Inbox(pool, wake).submit([change])
            for lane, shard in await open_shards(pool):
                if lane == "apply":
                    await drain.drain(pool, shard, project, wake, nobody)

    return run


@pytest.fixture
async def first_generations(pool: asyncpg.Pool, settings: Settings) -> AsyncIterator[None]:
    """Leave every slice with one generation, made by this release."""
    yield
    await pool.execute("DROP VIEW IF EXISTS read_model.of_an_analyst")
    for row in await pool.fetch("SELECT slice, generation FROM read_model.generations WHERE generation > 1"):
        name = row["slice"]
        await pool.execute(f"CREATE OR REPLACE VIEW read_model.{name} AS SELECT * FROM generations.{name}_1")
        await pool.execute(f"DROP TABLE generations.{name}_{row['generation']}")
    await pool.execute("DELETE FROM read_model.generations WHERE generation > 1")
    await _made_by_this_release(pool, settings)


@pytest.fixture
async def current_generations(pool: asyncpg.Pool, settings: Settings) -> None:
    """Let every slice be made by this release: migrations leave the version that they knew."""
    await _made_by_this_release(pool, settings)


async def _made_by_this_release(pool: asyncpg.Pool, settings: Settings) -> None:
    for each in projectors(settings):
        await pool.execute(
            "UPDATE read_model.generations SET state = 'serving', epoch = 1, projector_version = $2 WHERE slice = $1",
            each.name,
            each.version,
        )
