"""The WHMCS client of a scripted upstream."""

import pytest_asyncio

from app.integrations.whmcs.client import WhmcsClient
from tests.integrations.conftest import settings


@pytest_asyncio.fixture
async def whmcs(upstream):
    made = await WhmcsClient.open(
        settings(whmcs_url=upstream.url, whmcs_read_timeout_seconds=1.2, whmcs_write_timeout_seconds=1.2)
    )
    yield made
    await made.close()
