"""A whole portal among rude upstreams: each kind of fault at one answer in a hundred, under load.

`python -m tests.faults.soak --minutes 10 --seed 7` is the whole of it; the suite runs a slice.

When the load ends, so do the random faults. What they made the portal believe of healthy records must be right again
within half a minute, with one run of the reconciliation that a timer would start; what cannot be right must have been
named to operators. An event that nobody can decode is kept as a dead letter and says nothing of its record: that one is
right after the next reconciliation, which leaves alone what changed a moment ago.
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx

from app.resources import Resources, open_resources
from app.settings import load
from tests.faults.books import Books
from tests.faults.conftest import IMPATIENT, Victims, environment_of, settle
from tests.faults.judgement import judge
from tests.faults.load import Load
from tests.faults.oddities import plant, unheard
from tests.faults.report import HEAL_SECONDS, Plan, Report
from tests.faults.shoppers import Market, Purchase, Shopper, shoppers
from tests.journey.conftest import Running, stack

SHOPPERS = 4
PATHS = (
    *("/api/account/profile", "/api/account/summary", "/api/orders", "/api/invoices", "/api/subscriptions"),
    *("/api/cases", "/api/payment-gateways"),
)


class Browsing(Market):
    """Customers who order and look around, while nobody approves: what is approved is another test's business.

    A product whose record was spoilt on its way is not for sale until it was read again, which the judgement sees to.
    """

    passing = frozenset({"product_not_orderable"})

    async def _approve(self, purchase: Purchase) -> None:
        return

    async def look(self, everybody: list[Shopper], report: Report) -> None:
        """Read pages until stopped; count how each was answered."""
        while True:
            shopper, path = self._random.choice(everybody), self._random.choice(PATHS)
            headers = {"authorization": f"Bearer {shopper.token}", "x-forwarded-for": shopper.address}
            with contextlib.suppress(httpx.HTTPError):
                answer = await self._api.get(path, headers=headers)
                report.answers[answer.status_code] += 1
                if answer.status_code == 500:
                    report.problems.append(f"GET {path} was answered with 500: {answer.text}")
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
            async with _rude(control, plan, report), _meanwhile(changes.run(), market.look(everybody, report)):
                await market.shop(everybody, plan.seconds)
            report.changes = changes.done
        await judge(running, resources, plan, report, odd, odd_one)
        report.problems += [line for line in await books.wrong(everybody) if "nobody approved" not in line]
    finally:
        second.stop()
        await books.close()
        await market.close()
    return report


@contextlib.asynccontextmanager
async def _rude(control: httpx.AsyncClient, plan: Plan, report: Report) -> AsyncIterator[None]:
    """Switch the random faults of the upstreams on meanwhile."""
    wish: dict[str, Any] = {"rate": plan.rate, "seed": plan.seed}
    (
        await control.post("/rudeness", json=wish | ({"kinds": list(plan.kinds)} if plan.kinds else {}))
    ).raise_for_status()
    try:
        yield
    finally:
        ended = (await control.request("DELETE", "/rudeness")).raise_for_status().json()
        report.met = ended["met"]
        report.unheard = await unheard(control, ended["spoilt_events"])


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


async def _alone(plan: Plan) -> Report:
    with stack(**IMPATIENT) as running:
        async with open_resources(load(environment_of(running) | IMPATIENT), pool_size=8) as resources:
            return await soak(running, resources, plan)


def main() -> int:
    """Run the soak on a portal of its own; return 1 when something was wrong."""
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
