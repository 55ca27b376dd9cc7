"""`portal schedule` and `portal automation`, as an operator runs them."""

import json
from typing import Any

import asyncpg

from app import leases
from app.lock_numbers import LockSpace


async def test_the_jobs_are_listed_and_one_is_run(portal: Any, pool: asyncpg.Pool, sandbox: Any) -> None:
    await pool.execute("INSERT INTO portal.mails (kind, recipient) VALUES ('password_changed', 'nobody@example.jp')")
    said = portal("schedule", "run", "mail", "--dry-run")
    assert (said.returncode, said.stdout.strip()) == (0, "Would send 1 mails of the kind password_changed.")
    assert await pool.fetchval("SELECT attempts FROM portal.mails") == 0
    assert await pool.fetchval("SELECT count(*) FROM portal.clock_jobs") == 0
    ran = portal("schedule", "run", "mail")
    assert (ran.returncode, ran.stdout.startswith("mail: done after ")) == (0, True), ran.stderr
    assert await pool.fetchval("SELECT attempts FROM portal.mails") == 1
    jobs = {each["name"]: each for each in json.loads(portal("schedule", "--json").stdout)["jobs"]}
    assert (jobs["mail"]["last_outcome"], jobs["mail"]["last_detail"]) == ("done", "1 mails")
    assert (jobs["captures"]["owner"], jobs["captures"]["state"]) == ("whmcs", "elsewhere")
    assert {"sweep", "clean", "reconcile", "scheduled", "whmcs-daily-run"} <= set(jobs)
    table = portal("schedule").stdout
    assert "@every 1s" in table
    assert "*/10 * * * *" in table
    [run] = json.loads(portal("schedule", "runs", "mail", "--json").stdout)["runs"]
    assert run["outcome"] == "done"
    assert await pool.fetchval("SELECT target FROM portal.audit WHERE action = 'schedule.run'") == "mail"


async def test_what_cannot_be_run_is_refused_with_its_reason(portal: Any, pool: asyncpg.Pool) -> None:
    for name, reason in (
        ("captures", "WHMCS's daily run does it"),
        ("sweep", "every worker does it by itself"),
        ("nonsense", "there is no job nonsense here; these can be run: automation, captures, cases, clean"),
    ):
        refused = portal("schedule", "run", name)
        assert (refused.returncode, reason in refused.stderr) == (2, True), refused.stderr
    unknown = portal("schedule", "runs", "nonsense")
    assert (unknown.returncode, "no_job" in unknown.stderr) == (1, True)
    async with leases.named(pool, LockSpace.CHORE, "clean") as held:
        assert held is not None
        refused = portal("schedule", "run", "clean")
        assert (refused.returncode, "in another process" in refused.stderr) == (1, True)


async def test_money_is_stopped_and_runs_again(portal: Any, pool: asyncpg.Pool) -> None:
    assert portal("automation", "stop", "--reason", " ").returncode == 2
    stopped = portal("automation", "stop", "--reason", "double charges")
    assert (stopped.returncode, "double charges" in stopped.stdout) == (0, True)
    held = portal("schedule", "run", "scheduled")
    assert (held.returncode, "withheld" in held.stdout) == (1, True)
    shown = json.loads(portal("automation", "--json").stdout)
    assert (shown["stop"]["reason"], shown["automators"]["captures"]) == ("double charges", "whmcs")
    assert "Stopped." in portal("automation").stdout
    assert "run again" in portal("automation", "resume").stdout
    assert "No stop was in force" in portal("automation", "resume").stdout
    assert portal("schedule", "run", "scheduled").returncode == 0
    actions = [row["action"] for row in await pool.fetch("SELECT action FROM portal.audit ORDER BY id")]
    assert actions == ["automation.stop", "schedule.run", "automation.resume", "schedule.run"]
