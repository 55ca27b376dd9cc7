"""The Salesforce clients, against the stand-in and against a scripted org."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from app.integrations.salesforce.client import SalesforceClient
from app.integrations.salesforce.events.pubsub import PubSubClient
from app.settings import Settings
from tests.fixtures.salesforce_stand_in import StandIn
from tests.integrations.conftest import settings
from tests.integrations.salesforce.certificates import self_signed
from tests.integrations.scripted import Asked, Reply, Upstream, scripted


def settings_of(stand_in: StandIn, **given: Any) -> Settings:
    """Return settings for the stand-in, over TLS throughout."""
    app = stand_in.org.app
    values = {
        "ca_file": str(stand_in.ca_file),
        "salesforce_url": stand_in.https,
        "salesforce_token_url": f"{stand_in.https}/services/oauth2/token",
        "salesforce_client_id": app.client_id,
        "salesforce_username": app.username,
        "salesforce_private_key_file": str(stand_in.key_file),
        "salesforce_pubsub": stand_in.tls,
        "salesforce_timeout_seconds": 5.0,
    }
    return settings(**(values | given))


@pytest_asyncio.fixture
async def client(salesforce) -> AsyncIterator[SalesforceClient]:
    made = await SalesforceClient.open(settings_of(salesforce))
    yield made
    await made.close()
    salesforce.world.faults.clear()


@pytest_asyncio.fixture
async def bus(salesforce, client) -> AsyncIterator[PubSubClient]:
    made = await PubSubClient.open(settings_of(salesforce), client)
    yield made
    await made.close()


@dataclass
class Org:
    """An org whose REST answers a test scripts; its token endpoint works unless scripted too."""

    upstream: Upstream
    client: SalesforceClient
    rest: list[Reply]
    tokens: int = 0
    token_reply: Reply | None = None

    def answer(self, asked: Asked) -> Reply:
        if asked.path.endswith("/oauth2/token"):
            self.tokens += 1
            body = {"access_token": f"00D000000000001!{self.tokens}", "instance_url": self.upstream.url}
            return self.token_reply or Reply(body, headers={"Content-Type": "application/json"})
        return self.rest.pop(0) if len(self.rest) > 1 else self.rest[0]

    def calls(self) -> list[Asked]:
        return [asked for asked in self.upstream.asked if not asked.path.endswith("/oauth2/token")]


@pytest_asyncio.fixture
async def org(salesforce, tmp_path) -> AsyncIterator[Org]:
    certificate_file, key_file = self_signed(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate_file, key_file)
    async with scripted(tls) as upstream:
        made = await SalesforceClient.open(
            settings_of(
                salesforce,
                ca_file=str(certificate_file),
                salesforce_token_url=f"{upstream.url}/services/oauth2/token",
                salesforce_timeout_seconds=1.0,
                salesforce_concurrency=2,
            )
        )
        running = Org(upstream, made, [])
        upstream.answer = running.answer
        yield running
        await made.close()
