"""An installation whose charging and suspending are the portal's."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from app.resources import open_resources
from app.settings import Settings
from tests.commands.conftest import Desk
from tests.commands.dunning.collecting import Collecting


@pytest.fixture
def collecting_settings(sandbox_settings: Settings) -> Settings:
    """Both tasks are the portal's."""
    return msgspec.structs.replace(
        sandbox_settings, automate_captures="portal", automate_suspension="portal", suspensions_per_day_percent=100
    )


@pytest.fixture
async def collecting(
    pool: asyncpg.Pool, redis: Redis, sandbox: Any, collecting_settings: Settings
) -> AsyncIterator[Collecting]:
    """Dunning in an empty portal with the sandbox's catalog."""
    async with open_resources(collecting_settings) as resources:
        desk = Desk(resources, sandbox)
        await desk.open()
        found = Collecting(desk)
        await found.begin()
        yield found
        await sandbox.control.put("/clock", json={"offset_seconds": 0})
