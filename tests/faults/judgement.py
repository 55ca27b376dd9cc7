"""The judgement after a soak: healthy records are right, and operators can see all others."""

import asyncio
import subprocess
import sys
import time

from app.resources import Resources
from tests.faults import truth
from tests.faults.conftest import IMPATIENT, environment_of
from tests.faults.oddities import Odd
from tests.faults.report import Plan, Report
from tests.faults.shoppers import Shopper
from tests.journey.conftest import Running

GRACE_SECONDS = 35.0
"""After it reconciliation takes what differs for drift."""
NAMED = (
    "SELECT record_id || ' ' || error FROM ingest.dead_letters WHERE resolved_at IS NULL "
    "UNION ALL SELECT record_id || ' ' || object || ' ' || field FROM ingest.unreadables"
)


async def judge(
    running: Running, resources: Resources, plan: Plan, report: Report, odd: list[Odd], odd_one: Shopper
) -> None:
    """Compare each read model, when the time is up, with what it must show."""
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
    odd_words = [str(odd_one.account_id), *(word for each in odd for word in each.excused)]
    report.problems += _but(truth.compared(right, at_last), [*odd_words, *report.unheard])
    if report.unheard:
        await asyncio.sleep(max(0.0, ended_at + GRACE_SECONDS - time.monotonic()))
        report.problems += await _command(running, "reconcile", "salesforce")
        report.problems += await _still_wrong(resources, right, odd_words, plan.heal_seconds)
    await _check_named(running, resources, report, odd)


def _but(lines: list[str], excused: list[str]) -> list[str]:
    return [line for line in lines if not any(word in line for word in excused)]


async def _still_wrong(resources: Resources, right: truth.Held, excused: list[str], seconds: float) -> list[str]:
    """Return what is wrong when the time is up, or nothing as soon as nothing is."""
    ends_at = time.monotonic() + seconds
    while wrong := _but(truth.compared(right, await truth.held(resources, resources.pool)), excused):
        if time.monotonic() > ends_at:
            return [f"after another reconciliation: {line}" for line in wrong]
        await asyncio.sleep(1)
    return []


async def _check_named(running: Running, resources: Resources, report: Report, odd: list[Odd]) -> None:
    """Check that operators are shown every record that is not well."""
    report.named = [row[0] for row in await resources.pool.fetch(NAMED)]
    told = "\n".join([*report.named, *await _said(running, "lag", "--json"), *await _said(running, "doctor")])
    for each in odd:
        if each.words and not any(word in told for word in each.words):
            report.problems.append(f"nobody is told of {each.what} ({each.object} {each.record_id})")


async def _command(running: Running, *arguments: str) -> list[str]:
    """Run a command of the portal that must succeed; return its output when it did not."""
    done = await asyncio.to_thread(_run, running, arguments)
    return [] if done.returncode == 0 else [f"portal {' '.join(arguments)}: {(done.stderr or done.stdout)[-400:]}"]


async def _said(running: Running, *arguments: str) -> list[str]:
    done = await asyncio.to_thread(_run, running, arguments)
    return [done.stdout, done.stderr]


def _run(running: Running, arguments: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "app.cli", *arguments]
    environment = environment_of(running) | IMPATIENT | {"COLUMNS": "400"}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=300, check=False)
