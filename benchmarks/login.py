"""Log-ins: how much a flood of them stalls other requests, and how well the time of an answer hides who has an account.

The flood comes from as many addresses as there are requests, so that no limit but the hashing itself bounds it. The
second measurement alternates an unknown address with a wrong password and computes how well their times tell them
apart: 0.5 is not at all.
"""

import asyncio
import os
import random
import time
from itertools import product
from statistics import median, quantiles
from typing import Any

import httpx

from benchmarks.harness.report import Result
from benchmarks.harness.stack import State, logged_in, members, running

AT_ONCE = 64
SECONDS = 15.0
PAUSE_SECONDS = 0.01
BAR_STALL, BAR_TOLD_APART = 3.0, 0.55
PAIRS = 400


async def run(url: str, *, rounds: int, quick: bool) -> list[Result]:
    """Two rows. Idle and flooded take turns."""
    os.environ |= {"AUTH_RATE_PER_MINUTE": "10000000", "TRUSTED_PROXIES": "127.0.0.1"}
    seconds, pairs = (1.0, 20) if quick else (SECONDS / rounds, PAIRS)
    with running() as state:
        reader = await logged_in(state, members(state)[0])
        try:
            idle: list[float] = []
            flooded: list[float] = []
            logins = 0
            for _ in range(rounds):
                idle += await _read(reader, seconds)
                more, done = await _flooded(state, reader, seconds)
                flooded, logins = flooded + more, logins + done
            timed = await _timed(state, pairs)
        finally:
            await reader.aclose()
    return [_stall(idle, flooded, logins / (seconds * rounds)), _told_apart(*timed)]


async def _read(reader: httpx.AsyncClient, seconds: float) -> list[float]:
    """Milliseconds of each read of the invoice list."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        (await reader.get("/api/invoices")).raise_for_status()
        found.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)
    return found


async def _flooded(state: State, reader: httpx.AsyncClient, seconds: float) -> tuple[list[float], int]:
    """Measure the same reads while strangers log in. Return also how many log-ins were judged."""
    judged = 0

    async def stranger(api: httpx.AsyncClient) -> None:
        nonlocal judged
        while True:
            response = await _login(api, f"{random.random()}@example.jp")
            judged += response.status_code == httpx.codes.UNAUTHORIZED

    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=state["api_url"], timeout=60, trust_env=False, limits=limits) as api:
        flood = [asyncio.create_task(stranger(api)) for _ in range(AT_ONCE)]
        try:
            await asyncio.sleep(0.2)
            return await _read(reader, seconds), judged
        finally:
            for each in flood:
                each.cancel()
            await asyncio.gather(*flood, return_exceptions=True)


async def _login(api: httpx.AsyncClient, email: str) -> httpx.Response:
    address = ".".join(str(random.randrange(1, 255)) for _ in range(4))
    body = {"email": email, "password": "wrong wrong wrong"}
    return await api.post("/api/auth/login", json=body, headers={"x-forwarded-for": address})


async def _timed(state: State, pairs: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of refused log-ins, of an unknown address and of a customer's.

    Only a few per customer, because their lockout is no secret.
    """
    emails = [customer["email"] for customer in members(state)]
    unknown: list[float] = []
    wrong: list[float] = []
    async with httpx.AsyncClient(base_url=state["api_url"], timeout=60, trust_env=False) as api:
        for number in range(pairs):
            order = [(unknown, f"{number}@example.jp"), (wrong, emails[number % len(emails)])]
            for times, email in random.sample(order, 2):
                began = time.perf_counter()
                response = await _login(api, email)
                if response.status_code == httpx.codes.UNAUTHORIZED:
                    times.append((time.perf_counter() - began) * 1000)
    return unknown, wrong


def _stall(idle: list[float], flooded: list[float], per_second: float) -> Result:
    p99_idle, p99_flooded = (quantiles(times, n=100)[98] for times in (idle, flooded))
    return Result(
        name="query p99 in a login flood",
        unit="ms",
        ours=p99_flooded,
        baseline=p99_idle,
        against="the same query while nobody logs in",
        ratio=p99_flooded / p99_idle,
        bar=BAR_STALL,
        at_most=True,
        detail=f"{per_second:.0f} logins/s judged, {AT_ONCE} at once; median {median(idle):.1f} idle, "
        f"{median(flooded):.1f} ms flooded",
    )


def _told_apart(unknown: list[float], wrong: list[float]) -> Result:
    slower = sum((a > b) + (a == b) / 2 for a, b in product(unknown, wrong)) / (len(unknown) * len(wrong))
    told: Any = max(slower, 1 - slower)
    return Result(
        name="unknown e-mail told from wrong password",
        unit="ms",
        ours=median(unknown),
        baseline=median(wrong),
        against="a wrong password of a customer",
        ratio=told,
        bar=BAR_TOLD_APART,
        at_most=True,
        detail=f"{told:.3f} of pairs ordered rightly by time; 0.5 is chance; {len(unknown)} and {len(wrong)} answers",
    )
