"""A pooler in transaction mode is found out before anything leans on a session."""

import asyncio
import os
import subprocess
import sys

import msgspec
import pytest

from app.cli.doctor import engines as doctor
from app.errors import TransactionPooler
from app.pooler import refuse_transaction_pooler
from app.settings import Settings
from tests.fixtures.pooling_proxy import PoolingProxy


@pytest.mark.parametrize("last_first", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 20])
async def test_a_pooler_is_found_out_whatever_it_lends(engines: tuple[str, str], size: int, last_first: bool) -> None:
    async with PoolingProxy(engines[0], size=size, last_first=last_first) as url:
        for _ in range(5):
            with pytest.raises(TransactionPooler):
                await refuse_transaction_pooler(url)


async def test_postgres_itself_and_a_pooler_in_session_mode_are_taken(engines: tuple[str, str]) -> None:
    for _ in range(5):
        await refuse_transaction_pooler(engines[0])
    async with PoolingProxy(engines[0], pooled=False) as url:
        for _ in range(5):
            await refuse_transaction_pooler(url)


async def test_a_database_that_is_away_is_no_pooler() -> None:
    with pytest.raises(ConnectionRefusedError):
        await refuse_transaction_pooler("postgresql://portal:x@127.0.0.1:9/portal")


@pytest.mark.parametrize("name", ["worker", "cdc"])
async def test_processes_that_hold_locks_refuse_to_start_and_say_why(sandbox_settings: Settings, name: str) -> None:
    async with PoolingProxy(sandbox_settings.database_url) as url:
        fields = {k.upper(): v for k, v in msgspec.to_builtins(sandbox_settings).items()}
        environment = {key: str(value) for key, value in fields.items() if value != ""}
        environment |= {"PATH": os.environ["PATH"], "DATABASE_URL": url}
        argv = [sys.executable, "-m", "app.cli", name]
        ended = await asyncio.to_thread(
            subprocess.run, argv, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.strip() == f"portal: {TransactionPooler.detail}"


async def test_the_doctor_says_what_to_do(settings: Settings) -> None:
    async with PoolingProxy(settings.database_url) as url:
        found = await doctor.postgres(msgspec.structs.replace(settings, database_url=url))
    assert found.status == "failed"
    assert "transaction mode" in found.detail
    assert "session mode" in found.advice
