"""`portal …` as an operator runs it, over the engines and the sandbox of these tests."""

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from app.cli.stack.environment import of_sandbox

type_of_portal = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(engines: tuple[str, str], sandbox_state: dict[str, Any], pool: asyncpg.Pool) -> dict[str, str]:
    """The settings of this test, as environment variables."""
    return {
        **os.environ,
        **of_sandbox(sandbox_state),
        "DATABASE_URL": engines[0],
        "REDIS_URL": engines[1],
        "PORTAL_SECRET": "s" * 32,
        "COLUMNS": "200",
    }


@pytest.fixture
def portal(environment: dict[str, str]) -> type_of_portal:
    """A runner of `portal …` with the settings of this test."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "app.cli", *arguments]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)

    return run
