"""`portal export-customer` and `portal erase-customer`, as an operator runs them."""

import asyncio
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from app.personal_data.subject import Subject
from app.resources import Resources
from tests.personal_data.conftest import person, subject
from tests.personal_data.test_erase import leaks

__all__ = ["person", "subject"]


async def test_a_customer_is_exported_and_erased(
    portal: Any, resources: Resources, subject: Subject, tmp_path: Path
) -> None:
    file = tmp_path / "hana.zip"
    exported = portal("export-customer", subject.email.upper(), "--output", str(file))
    assert exported.returncode == 0, exported.stderr
    assert str(file) in exported.stdout
    with zipfile.ZipFile(file) as archive:
        assert "manifest.json" in archive.namelist()
    assert not list(tmp_path.glob("*.part"))
    unconfirmed = portal("erase-customer", subject.email)
    assert (unconfirmed.returncode, "cannot be undone" in unconfirmed.stderr) == (1, True)
    erased = portal("erase-customer", subject.email, "--yes", "--json")
    assert erased.returncode == 0, erased.stderr
    assert json.loads(erased.stdout) == {
        "erased": str(subject.account_id),
        "upstream": False,
        "closed": False,
    }
    again = portal("erase-customer", subject.email, "--yes")
    assert (again.returncode, "was erased on" in again.stderr) == (1, True)
    rows = await resources.pool.fetch("SELECT action FROM portal.audit WHERE action LIKE 'customer.%' ORDER BY id")
    assert [row["action"] for row in rows] == ["customer.export", "customer.erase_begun", "customer.erase"]


def test_an_unknown_address_gets_advice(portal: Any) -> None:
    for command in (("export-customer", "x@example.jp"), ("erase-customer", "x@example.jp", "--yes")):
        done = portal(*command)
        assert done.returncode == 1
        assert "WHMCS and Salesforce" in done.stderr


def test_a_file_that_cannot_be_written_is_said_in_a_sentence(portal: Any, subject: Subject, tmp_path: Path) -> None:
    for output in (tmp_path / "absent" / "hana.zip", tmp_path):
        done = portal("export-customer", subject.email, "--output", str(output))
        assert done.returncode != 0
        assert "--output" in done.stderr
        assert "Postgres" not in done.stderr
        assert "Traceback" not in done.stderr


def test_closing_is_done_upstream_alone(portal: Any) -> None:
    refused = portal("erase-customer", "x@example.jp", "--close", "--yes")
    assert (refused.returncode, "--upstream" in refused.stderr) == (2, True)


async def test_what_is_left_by_hand_is_named(portal: Any, subject: Subject) -> None:
    told = portal("erase-customer", subject.email, "--yes")
    assert told.returncode == 0, told.stderr
    assert f"client {subject.whmcs_client_id}: name and address (--upstream does it)" in told.stdout
    assert f"account {subject.salesforce_account_id}: the name (--upstream does it)" in told.stdout
    later = portal("erase-customer", subject.email, "--yes", "--upstream", "--close")
    assert later.returncode == 0, later.stderr
    assert "WHMCS and Salesforce too" in later.stdout
    assert "--upstream" not in later.stdout


async def test_killed_in_the_middle_it_goes_on_with_the_same_command(
    portal: Any, environment: dict[str, str], resources: Resources, subject: Subject, person: dict[str, Any]
) -> None:
    argv = [sys.executable, "-m", "app.cli", "erase-customer", subject.email, "--yes"]
    async with resources.pool.acquire() as worker, worker.transaction():
        await worker.execute("SELECT 1")  # whoever is in the middle of something holds the erasure up
        running = subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        async with asyncio.timeout(30):
            while not await resources.pool.fetchval("SELECT 'sign-in' = ANY(steps) FROM portal.erasures"):
                assert running.poll() is None
                await asyncio.sleep(0.05)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
    assert await leaks(resources, person)
    assert await resources.pool.fetchval("SELECT count(*) FROM portal.sessions") == 0
    again = portal("erase-customer", subject.email, "--yes")
    assert again.returncode == 0, again.stderr
    assert await leaks(resources, person) == []
