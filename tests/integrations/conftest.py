"""Upstreams on real sockets: scripted ones for what can go wrong, the Salesforce stand-in for the real protocol."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from app.settings import Settings
from tests.fixtures.salesforce_stand_in import PRICEBOOK_ID, StandIn, stand_in
from tests.integrations.scripted import Upstream, scripted

NOWHERE = "https://127.0.0.1:9"


def settings(**given: Any) -> Settings:
    """Return settings that reach nothing by default."""
    defaults: dict[str, Any] = {
        "database_url": "postgresql://nowhere",
        "redis_url": "redis://nowhere",
        "portal_secret": "s" * 32,
        "salesforce_url": NOWHERE,
        "salesforce_token_url": f"{NOWHERE}/services/oauth2/token",
        "salesforce_client_id": "portal-client",
        "salesforce_username": "portal@example.com",
        "salesforce_private_key_file": "/nonexistent",
        "salesforce_pricebook_id": PRICEBOOK_ID,
        "whmcs_url": NOWHERE,
        "whmcs_identifier": "identifier",
        "whmcs_secret": "whmcs-secret",
        "whmcs_webhook_secrets": "webhook-secret",
        "freebit_url": NOWHERE,
        "freebit_oem_id": "oem",
        "freebit_oem_key": "oem-key",
        "whm_url": NOWHERE,
        "whm_user": "reseller",
        "whm_token": "whm-token",
        # tests need not wait for the rates that spare a real upstream
        **{f"{upstream}_calls_per_second": 10_000.0 for upstream in ("salesforce", "whmcs", "freebit", "whm")},
    }
    return Settings(**(defaults | given))


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with scripted() as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def salesforce(tmp_path_factory) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path_factory.mktemp("salesforce")) as running:
        yield running
