"""`portal rebuild` as an operator sees it, over the real database."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from app.cli.stack.environment import of_sandbox


@pytest.fixture
def portal(engines: tuple[str, str], sandbox_state: dict[str, Any], pool: asyncpg.Pool) -> Iterator[Any]:
    """A runner of `portal …` with the settings of this test."""
    environment = {
        **os.environ,
        **of_sandbox(sandbox_state),
        "DATABASE_URL": engines[0],
        "REDIS_URL": engines[1],
        "PORTAL_SECRET": "s" * 32,
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)

    return run


def test_the_generations_are_listed(portal: Any) -> None:
    shown = portal("rebuild", "--json")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)["generations"]
    assert {each["slice"] for each in found} >= {"catalog", "orders", "invoices"}
    assert "serving" in portal("rebuild").stdout


def test_an_unknown_read_model_is_named_with_those_there_are(portal: Any) -> None:
    shown = portal("rebuild", "invoces")
    assert shown.returncode == 2
    assert "invoices" in shown.stderr


def test_a_difference_is_shown_and_nothing_is_swapped(portal: Any) -> None:
    shown = portal("rebuild", "gateways", "--diff", "--json")
    assert shown.returncode == 0, shown.stderr
    (outcome,) = json.loads(shown.stdout)["rebuilt"]
    assert not outcome["serving"]
    dropped = portal("rebuild", "gateways", "--drop", str(outcome["generation"]))
    assert dropped.returncode == 0, dropped.stderr
    refused = portal("rebuild", "gateways", "--drop", "1")
    assert refused.returncode == 1
    assert "serves" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_account_that_is_not_there_is_said_in_a_sentence(portal: Any) -> None:
    shown = portal("rebuild", "--account", "00000000-0000-0000-0000-00000000000a")
    assert shown.returncode == 1
    assert "no linked account" in shown.stderr
