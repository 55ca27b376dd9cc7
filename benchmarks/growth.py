"""Growth: what an event costs with 10⁴, 10⁵ and 10⁶ mirrored records, the accounts growing with them.

Every size has a database of its own in the one engine, so that rounds alternate between the sizes.
"""

import asyncio
import statistics
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from app.cli import migrate
from app.events import Change
from app.ingest.apply import drain
from app.ingest.inbox import inbox
from app.projections.engine import recompute
from app.projections.registry import projectors
from benchmarks.harness import mirrored, setup
from benchmarks.harness.report import Result

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 4_000)
RECORDS_PER_ACCOUNT = 20
TOUCHED = 50
"""Accounts that the events of a round are about, at every size: spread evenly over all of them."""
EVENTS = 4_000


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """One row: the cost at the largest size against that at the smallest."""
    sizes, count = (QUICK_SIZES, 400) if quick else (SIZES, EVENTS)
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    async with AsyncExitStack() as stack:
        pools = {}
        for size in sizes:
            own = await _database(url, size)
            await asyncio.to_thread(migrate.up, own)
            pools[size] = await stack.enter_async_context(setup.pool(own))
            await setup.clean(pools[size], size // RECORDS_PER_ACCOUNT)
            await mirrored.fill(pools[size], size, size // RECORDS_PER_ACCOUNT)
        for number in range(rounds + 1):  # round 0 warms up and does not count
            for size in sizes:
                cost = await _round(pools[size], url, size, count, number)
                costs[size] += [cost] if number else []
    await _drop(url, sizes)
    return [_result(costs)]


def _result(costs: dict[int, list[float]]) -> Result:
    medians = {size: statistics.median(found) for size, found in costs.items()}
    first, last = min(medians), max(medians)
    told = ", ".join(
        f"{size:,}: {medians[size]:.0f} ({min(costs[size]):.0f}–{max(costs[size]):.0f})" for size in medians
    )
    return Result(
        name="growth",
        unit="µs/event",
        ours=medians[last],
        baseline=medians[first],
        against=f"{last:,} mirrored records against {first:,}",
        ratio=medians[last] / medians[first],
        bar=1.3,
        at_most=True,
        detail=f"median µs/event by mirrored records: {told}",
    )


async def _round(pool: asyncpg.Pool, url: str, size: int, count: int, number: int) -> float:
    """Microseconds an event: half about new records, half about records that have long been mirrored."""
    stream = _stream(size, count, number)
    async with pool.acquire() as connection:
        await inbox.append(connection, stream)
    await pool.execute("VACUUM ANALYZE ingest.inbox")
    await pool.execute("CHECKPOINT")
    project = partial(recompute.project, projectors(setup.settings(url)))
    started = time.perf_counter()
    for shard in range(inbox.SHARDS):
        await drain.drain(pool, shard, project, _nothing, _nothing)
    seconds = time.perf_counter() - started
    await _check(pool, count, number)
    return seconds / len(stream) * 1e6


async def _nothing(*_: object) -> None:
    return None


async def _check(pool: asyncpg.Pool, count: int, number: int) -> None:
    """Verify the result, because a fast wrong answer is not a figure.

    Raises:
        RuntimeError: an event was not applied, or a row does not show it.
    """
    wrong = await pool.fetchval("SELECT count(*) FROM ingest.inbox WHERE outcome IS DISTINCT FROM 'applied'")
    rows = await pool.fetchval("SELECT count(*) FROM read_model.orders WHERE whmcs_order_id LIKE $1", f"{number}-%")
    if wrong or rows != min(count // 4, TOUCHED * RECORDS_PER_ACCOUNT // 2):
        raise RuntimeError(f"{wrong} events were not applied, {rows} rows show their change")


def _stream(size: int, count: int, number: int) -> list[Change]:
    accounts = size // RECORDS_PER_ACCOUNT
    new = setup.events(count // 2, TOUCHED, first=number * count)
    spread = [_elsewhere(change, accounts // TOUCHED) for change in new]
    return [*spread, *_updates(size // 2, accounts, count // 2, number)]


def _elsewhere(change: Change, stride: int) -> Change:
    """Return the same change for the account `stride` times as far on."""
    if change.owner_id is None:
        return change
    whmcs = change.source == "whmcs"
    owner = int(change.owner_id) - 1000 if whmcs else int(change.owner_id[3:])
    far = owner * stride
    return msgspec.structs.replace(change, owner_id=str(1000 + far) if whmcs else f"001{far:05d}")


def _updates(half: int, accounts: int, count: int, number: int) -> list[Change]:
    """Return changes of records that are mirrored already: of the same accounts at every size."""
    instant = setup.START + timedelta(days=1 + number)
    stride, found = accounts // TOUCHED, []
    for n in range(count // 2):
        owner, which = (n % TOUCHED + 1) * stride, n // TOUCHED
        index = (owner - 1 + which * accounts) % half
        common: dict[str, Any] = {"version": int(instant.timestamp() * 1000) + n, "occurred_at": instant}
        found += [
            Change(
                source="salesforce",
                object="Order",
                record_id=f"801B{index:09d}",
                kind="partial",
                event_id=f"growth-order-{number}-{n}",
                origin="cdc",
                data={"Status": "Approved", "WHMCS_Order_ID__c": f"{number}-{n}"},
                **common,
            ),
            Change(
                source="whmcs",
                object="invoice",
                record_id=str(mirrored.FIRST_INVOICE + index),
                kind="full",
                event_id=f"growth-invoice-{number}-{n}",
                origin="cdc",
                data={**setup.INVOICE, "status": "Paid", "invoicenum": f"{number}-{n}"},
                owner_id=str(1000 + owner),
                read_at=instant,
                **common,
            ),
        ]
    return found


def _name(size: int) -> str:
    return f"portal_bench_growth_{size}"


async def _database(url: str, size: int) -> str:
    """Create a database in the same engine and return its URL."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {_name(size)} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {_name(size)}")
    finally:
        await connection.close()
    return urlsplit(url)._replace(path=f"/{_name(size)}").geturl()


async def _drop(url: str, sizes: tuple[int, ...]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for size in sizes:
            await connection.execute(f"DROP DATABASE IF EXISTS {_name(size)} WITH (FORCE)")
    finally:
        await connection.close()
