"""Reads: our invoice list from memory, Redis and Postgres, and the catalog, against a bare handler and against what
people build instead. All take turns within a round; one core serves, another asks.
"""

import asyncio
import random
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.harness import read_data, setup
from benchmarks.harness.load import Seen, resident_bytes, wrk
from benchmarks.harness.read_check import Check
from benchmarks.harness.read_servers import NOBODY, Servers, servers
from benchmarks.harness.report import Result

ACCOUNTS, MIXED_ACCOUNTS, GROWN = 500, 10_000, (1_000, 100_000, 1_000_000)
SECONDS, MIXED_SECONDS, WARM_UP_SECONDS, WRITES_A_SECOND = 3.0, 15.0, 10.0, 200
LIST, CATALOG = "/api/invoices", "/api/public/services/sim"
BARS = {"memory": 2.0, "Redis": 1.2, "Postgres": 0.3, "catalog": 1.7}
PEER_BARS = {"NestJS": 8.0, "FastAPI": 4.0, "Fastify": 1.5}
P99_BAR, MIXED_BAR, GROWTH_BAR = 2.0, 0.6, 1.2

Runs = dict[str, list[Seen]]


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """One row a comparison; medians of requests a second."""
    accounts, seconds = (50, 1.0) if quick else (ACCOUNTS, SECONDS)
    with servers(url) as started, tempfile.TemporaryDirectory() as folder:
        async with setup.pool(url) as pool:
            await read_data.fill(pool, accounts)
        runs = await asyncio.to_thread(_compare, started, Path(folder), accounts, rounds, seconds)
        results = _results(runs)
        results += await _mixed(url, started, runs["A"], quick, Path(folder))
        results.append(await _growth(url, started, quick, Path(folder)))
    return results


def _compare(started: Servers, folder: Path, accounts: int, rounds: int, seconds: float) -> Runs:
    """Everybody is asked by the same kind of script, which costs the asking side more than the bare wrk does."""
    script = read_data.wrk_script(folder, list(range(1, accounts + 1)))
    public = read_data.wrk_script(folder, list(range(1, accounts + 1)), CATALOG, bearer=False)
    ours = {
        "memory": started.portal("memory") + LIST,
        "Redis": started.portal("redis", ANSWER_MEMORY_MIB="0") + LIST,
        "Postgres": started.portal("postgres", ANSWER_MEMORY_MIB="0", REDIS_URL=NOBODY) + LIST,
    }
    bodies = {number: _body(ours["memory"], number) for number in range(1, accounts + 1)}
    sides = {"A": started.plain(bodies[1]) + LIST, **ours}
    sides |= {name: base + LIST for name, base in started.peers(bodies).items()}
    sides["catalog"] = ours["memory"].replace(LIST, CATALOG)
    runs: Runs = {name: [] for name in sides}
    for number in range(rounds + 1):  # round 0 warms up and does not count
        for name, address in sides.items():
            process = started.process(address.removesuffix(LIST).removesuffix(CATALOG))
            seen = wrk(process, address, seconds if number else 1.0, public if name == "catalog" else script)
            runs[name] += [seen] if number else []
    return runs


def _body(address: str, number: int) -> bytes:
    response = httpx.get(address, headers={"Authorization": f"Bearer {read_data.token_of(number)}"}, trust_env=False)
    response.raise_for_status()
    return response.content


def _results(runs: Runs) -> list[Result]:
    found = [_row(f"reads, {name}", runs[name], runs["A"], "A, a bare handler", bar) for name, bar in BARS.items()]
    found += [
        _row(f"reads, memory against {name}", runs["memory"], runs[name], name, bar)
        for name, bar in PEER_BARS.items()
        if name in runs
    ]
    p99, plain = (statistics.median(each.p99_ms for each in runs[name]) for name in ("memory", "A"))
    found.append(
        Result(
            name="reads, p99 from memory",
            unit="ms",
            ours=p99,
            baseline=plain,
            against="A, a bare handler",
            ratio=p99 / plain,
            bar=P99_BAR,
            at_most=True,
        )
    )
    return found


def _row(name: str, ours: list[Seen], other: list[Seen], against: str, bar: float | None) -> Result:
    mine, theirs = (statistics.median(each.per_second for each in runs) for runs in (ours, other))
    return Result(
        name=name,
        unit="requests/s",
        ours=mine,
        baseline=theirs,
        against=against,
        ratio=mine / theirs,
        bar=bar,
        detail=f"ours {_told(ours)}; {against} {_told(other)}",
    )


def _told(runs: list[Seen]) -> str:
    rates = [each.per_second for each in runs]
    p50, p99, cpu = (statistics.median(getattr(each, name) for each in runs) for name in ("p50_ms", "p99_ms", "cpu_us"))
    return f"{min(rates):,.0f}–{max(rates):,.0f}/s, p50 {p50:.2f} ms, p99 {p99:.2f} ms, CPU {cpu:.1f} µs a request"


async def _mixed(url: str, started: Servers, plain: list[Seen], quick: bool, folder: Path) -> list[Result]:
    """Zipf reads of many accounts from memory while webhooks change 200 invoices a second, and a judge reads along."""
    accounts, seconds = (200, 3.0) if quick else (MIXED_ACCOUNTS, MIXED_SECONDS)
    async with setup.pool(url) as pool:
        ids = await read_data.fill(pool, accounts, invoices=24)
        address = started.portal("mixed")
        script = read_data.wrk_script(folder, _zipf(accounts, 5 * accounts))
        check = Check(pool, setup.settings(url), [int(address.rsplit(":", 1)[1])], ids, first_invoice=10**9)
        await check.prepare()
        process = started.process(address)
        await asyncio.to_thread(wrk, process, address + LIST, 2 if quick else WARM_UP_SECONDS, script)
        judged = check.run(seconds, readers=2, writes_a_second=WRITES_A_SECOND)
        load = asyncio.to_thread(wrk, process, address + LIST, seconds, script)
        _, seen = await asyncio.gather(judged, load)
    wrong = {name: check.counts[name] for name in ("stale", "behind", "foreign", "revived")}
    row = _row("reads, mixed", [seen], plain, "A, a bare handler", MIXED_BAR)
    told = f"{check.counts['writes'] / seconds:.0f} writes/s, {check.counts['reads']} answers judged: {wrong}"
    judge = Result(name="reads, wrong answers", unit="", ours=sum(wrong.values()), bar=0, at_most=True, detail=told)
    return [row, judge]


def _zipf(accounts: int, count: int) -> list[int]:
    chance = random.Random(5)
    weights = [1 / rank for rank in range(1, accounts + 1)]
    return chance.choices(range(1, accounts + 1), weights, k=count)


async def _growth(url: str, started: Servers, quick: bool, folder: Path) -> Result:
    """Latency of reads that neither memory nor Redis holds, of a thousand accounts among ever more."""
    medians: dict[int, Seen] = {}
    resident_mib: dict[int, float] = {}
    sizes: Sequence[int] = (50, 200) if quick else GROWN
    for size in sizes:
        async with setup.pool(url) as pool:
            await read_data.fill(pool, size, invoices=3)
        address = started.portal(f"grown {size}", ANSWER_MEMORY_MIB="0", REDIS_URL=NOBODY)
        chosen = random.Random(size).sample(range(1, size + 1), min(size, GROWN[0]))
        script = read_data.wrk_script(folder, chosen)
        process = started.process(address)
        for _ in range(2):  # the first run warms up: sessions, plans, pages of the tables
            medians[size] = await asyncio.to_thread(wrk, process, address + LIST, 2 if quick else 8, script, 4)
        resident_mib[size] = resident_bytes(process) / 2**20
    first, last = medians[sizes[0]], medians[sizes[-1]]
    told = ", ".join(
        f"{size:,} accounts: {_told([seen])}, {resident_mib[size]:.0f} MiB" for size, seen in medians.items()
    )
    return Result(
        name="reads, growth",
        unit="ms",
        ours=last.p50_ms,
        baseline=first.p50_ms,
        against=f"{sizes[-1]:,} accounts against {sizes[0]:,}",
        ratio=last.p50_ms / first.p50_ms,
        bar=GROWTH_BAR,
        at_most=True,
        detail=told,
    )
