"""Independent Salesforce clients from npm, unchanged, against the stand-in."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.fixtures.salesforce_stand_in import account_id

HERE = Path(__file__).parent


async def run(node: str, script: str, **arguments: str) -> dict[str, Any]:
    """Run a script and return what it printed last; fail with its error output."""
    process = await asyncio.create_subprocess_exec(
        node, script, json.dumps(arguments), cwd=HERE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(f"{script} did not finish:\n{out.decode()}{err.decode()}") from None
    assert process.returncode == 0, err.decode()
    return json.loads(out.decode().strip().splitlines()[-1])


async def test_jsforce_logs_in_writes_pages_and_understands_refusals(node, salesforce):
    app = salesforce.org.app
    seen = await run(
        node,
        "jsforce.mjs",
        loginUrl=salesforce.http,
        clientId=app.client_id,
        clientSecret=app.client_secret,
        accountId=account_id(1),
    )
    assert seen.pop("fields") > 50
    assert seen == {
        "user": "00D5h0000000001EAA",
        "created": [True, False],
        "same": True,
        "status": "Pending Review",
        "cases": 250,
        "pages": [200, 50],
        "refusals": ["INVALID_FIELD", "REQUIRED_FIELD_MISSING", "NOT_FOUND"],
        "deleted": 1,
        "limit": 100_000,
    }


async def test_the_pubsub_client_decodes_resumes_and_publishes(node, salesforce):
    app = salesforce.org.app
    seen = await run(
        node,
        "pubsub.mjs",
        loginUrl=salesforce.http,
        clientId=app.client_id,
        clientSecret=app.client_secret,
        username=app.username,
        keyFile=str(salesforce.key_file),
        pubSubEndpoint=salesforce.tls,
    )
    assert sorted(seen.pop("changed")) == ["BillingAddress.City", "LastModifiedDate", "Phone", "Type"]
    assert seen == {
        "types": ["CREATE", "UPDATE"],
        "ids": [True, True],
        "name": "Conformance",
        "nulled": ["Phone"],
        "phone": None,
        "resumed": True,
        "published": None,
        "announced": True,
    }
