"""aiosalesforce, unchanged. It insists on a my.salesforce.com address, so the transport sends it to the sandbox."""

import httpx
import pytest
import pytest_asyncio
from aiosalesforce import Salesforce
from aiosalesforce.auth import JwtBearerFlow
from aiosalesforce.exceptions import SalesforceError

from tests.fixtures.salesforce_stand_in import account_id, new_key, trusting


class Redirected(httpx.AsyncHTTPTransport):
    """Every request goes to one host, whatever it was addressed to."""

    def __init__(self, target: str, **options) -> None:
        super().__init__(**options)
        self.target = httpx.URL(target)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(host=self.target.host, port=self.target.port)
        return await super().handle_async_request(request)


@pytest_asyncio.fixture
async def client(salesforce):
    transport = Redirected(salesforce.https, verify=trusting(salesforce))
    async with httpx.AsyncClient(transport=transport) as http:
        app = salesforce.org.app
        auth = JwtBearerFlow(app.client_id, app.username, salesforce.key_file)
        yield Salesforce(http, "https://sandbox.my.salesforce.com", auth, version="66.0")


async def test_it_logs_in_by_jwt_and_reads_what_it_wrote(client):
    key = new_key()
    order = {"AccountId": account_id(1), "EffectiveDate": "2026-02-01", "Status": "Pending Review"}
    made = await client.sobject.upsert("Order", key, "Portal_Order_Key__c", order)
    row = await client.sobject.get("Order", made.id)
    rows = [each async for each in client.query(f"SELECT Id FROM Order WHERE Portal_Order_Key__c = '{key}'")]
    assert made.created
    assert row["Status"] == "Pending Review"
    assert [each["Id"] for each in rows] == [made.id]


async def test_it_understands_a_refusal(client):
    with pytest.raises(SalesforceError, match="REQUIRED_FIELD_MISSING"):
        await client.sobject.create("Account", {})


async def test_it_understands_a_composite(client):
    async with client.composite(all_or_none=True) as composite:
        made = composite.sobject.create("Account", {"Name": "Composite"})
        read = composite.sobject.get("Account", str(made.reference.id))
    assert read.record["Name"] == "Composite"
