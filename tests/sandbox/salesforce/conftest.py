"""One running stand-in for all tests of the Salesforce sandbox."""

from collections.abc import AsyncIterator

import grpc.aio
import pytest_asyncio

from tests.salesforce_stand import Stand, stand


@pytest_asyncio.fixture(scope="session")
async def salesforce(tmp_path_factory) -> AsyncIterator[Stand]:
    async with stand(tmp_path_factory.mktemp("salesforce")) as running:
        yield running


@pytest_asyncio.fixture
async def channel(salesforce) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(salesforce.plain) as opened:
        yield opened
