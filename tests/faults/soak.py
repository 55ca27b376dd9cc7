"""A whole portal among rude upstreams: each kind of fault at one answer in a hundred, under load.

`python -m tests.faults.soak --minutes 10 --seed 7` is the whole of it; the suite runs a slice.

When the load ends, so do the random faults. What they made the portal believe of healthy records must be right again
within half a minute, with one run of the reconciliation that a timer would start; what cannot be right must have been
named to operators.
"""

import argparse
import asyncio
import contextlib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.resources import Resources, open_resources
from app.settings import load
from tests.faults import truth
from tests.faults.books import Books
from tests.faults.conftest import Victims, environment_of, settle
from tests.faults.load import Load
from tests.faults.oddities import Odd, plant
from tests.faults.shoppers import Market, Purchase, Shopper, shoppers
from tests.journey.conftest import Running, stack

HEAL_SECONDS = 30.0
SHOPPERS = 4
PATHS = (
    *("/api/account/profile", "/api/account/summary", "/api/orders", "/api/invoices", "/api/subscriptions"),
    *("/api/cases", "/api/payment-gateways"),
)
NAMED = (
    "SELECT record_id || ' ' || error FROM ingest.dead_letters WHERE resolved_at IS NULL "
    "UNION ALL SELECT record_id || ' ' || object || ' ' || field FROM ingest.unreadables"
)
IMPATIENT = {
    "SALESFORCE_TIMEOUT_SECONDS": "2",
    "WHMCS_READ_TIMEOUT_SECONDS": "2",
    "WHMCS_WRITE_TIMEOUT_SECONDS": "2",
    "FREEBIT_TIMEOUT_SECONDS": "2",
    "WHM_TIMEOUT_SECONDS": "2",
    "TRUSTED_PROXIES": "127.0.0.1/32",
}


@dataclass(frozen=True)
class Plan:
    """How long, how rude, and from which seed. `heal_seconds` is what healthy records are given afterwards."""

    seconds: float
    seed: int
    rate: float = 0.01
    heal_seconds: float = HEAL_SECONDS
    kinds: tuple[str, ...] = ()


@dataclass
class Report:
    """What came of it. A soak that went well has no `problems`."""

    changes: int = 0
    met: dict[str, int] = field(default_factory=dict)
    answers: Counter[int] = field(default_factory=Counter)
    not_yet: int = 0
    """Rows that were not right yet when the load ended."""

    named: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        """For people."""
        lines = [
            f"{self.changes} changes; faults met: {sum(self.met.values())} of {len(self.met)} kinds",
            f"answers to customers: {dict(sorted(self.answers.items()))}",
            f"rows not right when the load ended: {self.not_yet}",
            *(f"named: {line[:160]}" for line in self.named),
            *(f"PROBLEM: {line[:300]}" for line in self.problems),
        ]
        return "\n".join(lines)


class Browsing(Market):
    """Customers who order and look around, while nobody approves: what is approved is another test's business."""

    async def _approve(self, purchase: Purchase) -> None:
        return

    async def look(self, everybody: list[Shopper], answers: Counter[int]) -> None:
        """Read pages until stopped; count how each was answered."""
        while True:
            shopper, path = self._random.choice(everybody), self._random.choice(PATHS)
            headers = {"authorization": f"Bearer {shopper.token}", "x-forwarded-for": shopper.address}
            with contextlib.suppress(httpx.HTTPError):
                answers[(await self._api.get(path, headers=headers)).status_code] += 1
            await asyncio.sleep(0.05)


async def soak(running: Running, resources: Resources, plan: Plan) -> Report:
    """Load and rudeness for as long as planned; then the judgement."""
    report = Report()
    control_url = running.state["control_url"]
    linked = {row["id"] for row in await resources.pool.fetch("SELECT whmcs_client_id AS id FROM portal.id_mappings")}
    customers = [each for each in running.state["customers"] if each["whmcs_client_id"] and each["has_payment_method"]]
    everybody = await shoppers(resources, customers[:SHOPPERS])
    odd_one, *_ = await shoppers(resources, customers[SHOPPERS : SHOPPERS + 1])
    clients = sorted(linked - {each.whmcs_client_id for each in (*everybody, odd_one)})
    changes, market = (
        Load(control_url, clients, plan.seed, per_second=20),
        Browsing(running.state["api_url"], control_url, plan.seed),
    )
    second = Victims(environment_of(running), plan.seed)
    second.start("worker")
    books = Books(resources, control_url)
    try:
        async with httpx.AsyncClient(base_url=control_url, timeout=30) as control:
            with contextlib.suppress(TimeoutError):
                await settle(resources)
            odd = await plant(control, odd_one.whmcs_client_id, odd_one.salesforce_account_id)
            async with _rude(control, plan, report), _meanwhile(changes.run(), market.look(everybody, report.answers)):
                await market.shop(everybody, plan.seconds)
            report.changes = changes.done
        await _judge(running, resources, plan, report, odd, odd_one)
        report.problems += [line for line in await books.wrong(everybody) if "nobody approved" not in line]
        if report.answers[500]:
            report.problems.append(f"{report.answers[500]} answers to customers were 500")
    finally:
        second.stop()
        await books.close()
        await market.close()
    return report


@contextlib.asynccontextmanager
async def _rude(control: httpx.AsyncClient, plan: Plan, report: Report) -> AsyncIterator[None]:
    """The upstreams are rude meanwhile."""
    wish: dict[str, Any] = {"rate": plan.rate, "seed": plan.seed}
    (
        await control.post("/rudeness", json=wish | ({"kinds": list(plan.kinds)} if plan.kinds else {}))
    ).raise_for_status()
    try:
        yield
    finally:
        report.met = (await control.request("DELETE", "/rudeness")).raise_for_status().json()["met"]


@contextlib.asynccontextmanager
async def _meanwhile(*works: Any) -> AsyncIterator[None]:
    """Things that go on until the block ends; one that failed is raised."""
    tasks = [asyncio.create_task(each) for each in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _judge(
    running: Running, resources: Resources, plan: Plan, report: Report, odd: list[Odd], odd_one: Shopper
) -> None:
    """What each read model says when the time is up, against what it must say."""
    ended_at, unreadable = time.monotonic(), list[str]()
    at_the_end = await truth.held(resources, resources.pool)
    wanted = asyncio.create_task(truth.expected(resources, unreadable))
    for source in ("whmcs", "salesforce"):
        report.problems += await _command(running, "reconcile", source, *(("--clients", "1000") * (source == "whmcs")))
    await asyncio.sleep(max(0.0, ended_at + plan.heal_seconds - time.monotonic()))
    at_last = await truth.held(resources, resources.pool)
    right = await wanted
    report.problems += [f"cannot be read or stored, though it was only odd: {line}" for line in unreadable]
    report.not_yet = len(truth.compared(right, at_the_end))
    excused = [str(odd_one.account_id), *(word for each in odd for word in each.excused)]
    report.problems += [line for line in truth.compared(right, at_last) if not any(word in line for word in excused)]
    await _check_named(running, resources, report, odd)


async def _check_named(running: Running, resources: Resources, report: Report, odd: list[Odd]) -> None:
    """Whoever operates the portal is told of every record that is not well."""
    report.named = [row[0] for row in await resources.pool.fetch(NAMED)]
    told = "\n".join([*report.named, *await _said(running, "lag", "--json"), *await _said(running, "doctor")])
    for each in odd:
        if each.words and not any(word in told for word in each.words):
            report.problems.append(f"nobody is told of {each.what} ({each.object} {each.record_id})")


async def _command(running: Running, *arguments: str) -> list[str]:
    """A command of the portal that must end well; what it said when it did not."""
    done = await asyncio.to_thread(_run, running, arguments)
    return [] if done.returncode == 0 else [f"portal {' '.join(arguments)}: {(done.stderr or done.stdout)[-400:]}"]


async def _said(running: Running, *arguments: str) -> list[str]:
    done = await asyncio.to_thread(_run, running, arguments)
    return [done.stdout, done.stderr]


def _run(running: Running, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "app.cli", *arguments]
    environment = environment_of(running) | IMPATIENT | {"COLUMNS": "400"}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)


async def _alone(plan: Plan) -> Report:
    with stack(**IMPATIENT) as running:
        async with open_resources(load(environment_of(running) | IMPATIENT), pool_size=8) as resources:
            return await soak(running, resources, plan)


def main() -> int:
    """The whole of it, on a portal of its own; 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rate", type=float, default=0.01, help="how often each answer meets each kind of fault")
    parser.add_argument("--heal-seconds", type=float, default=HEAL_SECONDS)
    parser.add_argument("--kinds", nargs="*", default=[], help="only these kinds, as POST /rudeness names them")
    given = parser.parse_args()
    plan = Plan(given.minutes * 60, given.seed, given.rate, given.heal_seconds, tuple(given.kinds))
    report = asyncio.run(_alone(plan))
    sys.stdout.write(report.text() + "\n")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
