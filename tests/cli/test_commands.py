"""The `portal` command as a person meets it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("up", "demo", "api", "worker", "cdc", "sandbox", "migrate", "rebuild", "dead-letters", "explain", "lag")


def portal(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command() -> None:
    told = portal("--help")
    assert told.returncode == 0
    for name in COMMANDS:
        assert f"\n  {name} " in told.stdout


@pytest.mark.parametrize("name", ["api", "worker", "cdc"])
def test_a_missing_setting_stops_a_process_with_one_sentence_that_names_it(name: str) -> None:
    told = portal(name)
    assert told.returncode == 2
    assert told.stderr.startswith("portal: DATABASE_URL is not set: ")
    assert len(told.stderr.splitlines()) == 1


def test_a_bad_setting_stops_a_process_with_one_sentence_that_names_it() -> None:
    told = portal("api", DATABASE_URL="postgresql://x", REDIS_URL="redis://x", PORTAL_SECRET="s" * 32, API_PORT="many")
    assert told.returncode == 2
    assert told.stderr.startswith("portal: API_PORT cannot be used: ")
    assert len(told.stderr.splitlines()) == 1


def test_up_without_sandbox_names_the_setting_that_is_missing(engines: tuple[str, str], tmp_path: Path) -> None:
    told = portal(
        "up", "--no-sandbox", DATABASE_URL=engines[0], REDIS_URL=engines[1], PORTAL_HOME=str(tmp_path / "home")
    )
    assert told.returncode == 2
    assert told.stderr.splitlines()[-1].startswith("portal: SALESFORCE_URL is not set: ")


def test_migrate_says_which_database_it_wants() -> None:
    told = portal("migrate")
    assert told.returncode == 2
    assert told.stderr.startswith("portal: DATABASE_URL is not set")


def test_migrate_answers_a_program(engines: tuple[str, str]) -> None:
    told = portal("migrate", "up", "--json", DATABASE_URL=engines[0])
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert answer["direction"] == "up"
    assert answer["revision"] == "head"
    assert answer["took_ms"] >= 0
