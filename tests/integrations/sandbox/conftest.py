"""The WHMCS, Freebit and WHM clients of the sandbox process."""

import pytest
import pytest_asyncio

from app.integrations.freebit.client import FreebitClient
from app.integrations.whm.client import WhmClient
from app.integrations.whmcs.client import WhmcsClient
from tests.integrations.conftest import settings


@pytest.fixture(scope="session")
def upstreams(sandbox_state):
    whmcs, freebit, whm = (sandbox_state[name] for name in ("whmcs", "freebit", "whm"))
    return settings(
        ca_file=sandbox_state["ca_file"],
        whmcs_url=whmcs["url"],
        whmcs_identifier=whmcs["identifier"],
        whmcs_secret=whmcs["secret"],
        whmcs_read_timeout_seconds=1.0,
        whmcs_write_timeout_seconds=1.0,
        freebit_url=freebit["url"],
        freebit_oem_id=freebit["oem_id"],
        freebit_oem_key=freebit["oem_key"],
        freebit_timeout_seconds=1.0,
        whm_url=whm["url"],
        whm_user=whm["user"],
        whm_token=whm["token"],
        whm_timeout_seconds=1.0,
    )


@pytest_asyncio.fixture
async def whmcs(upstreams):
    made = await WhmcsClient.open(upstreams)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def freebit(upstreams):
    made = await FreebitClient.open(upstreams)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def whm(upstreams):
    made = await WhmClient.open(upstreams)
    yield made
    await made.close()
