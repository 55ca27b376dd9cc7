"""One running stand-in for all tests of the Salesforce sandbox, and clients of it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import httpx
import pytest_asyncio

from tests.fixtures.salesforce_stand_in import DATA, StandIn, Subscriber, stand_in


@pytest_asyncio.fixture(scope="session")
async def salesforce(tmp_path_factory) -> AsyncIterator[StandIn]:
    async with stand_in(tmp_path_factory.mktemp("salesforce")) as running:
        yield running


@pytest_asyncio.fixture
async def channel(salesforce) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(salesforce.plain) as opened:
        yield opened


@pytest_asyncio.fixture
async def rest(salesforce) -> AsyncIterator[httpx.AsyncClient]:
    """The REST API as the portal calls it."""
    headers = {"Authorization": f"Bearer {salesforce.token()}", "Sforce-Call-Options": "client=portal"}
    async with httpx.AsyncClient(base_url=salesforce.http + DATA, headers=headers) as client:
        yield client


@pytest_asyncio.fixture
async def staff(salesforce) -> AsyncIterator[httpx.AsyncClient]:
    """The control surface."""
    async with httpx.AsyncClient(base_url=salesforce.control) as client:
        yield client


@pytest_asyncio.fixture
async def open_stream(salesforce, channel):
    """An opener of streams, by default of everything captured and with full credit."""
    opened = []

    def open_one(**first: Any) -> Subscriber:
        opened.append(Subscriber(channel, salesforce.metadata()))
        return opened[-1].ask(**{"topic_name": "/data/Portal__chn", "num_requested": 100} | first)

    yield open_one
    for stream in opened:
        await stream.close()
