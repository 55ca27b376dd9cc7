"""Canary records in the sandbox, so that `portal up` monitors its feeds as an installation should."""

import json
from pathlib import Path
from secrets import token_urlsafe

from app.integrations.salesforce.client import SalesforceClient
from app.integrations.whmcs.client import NewClient, WhmcsClient
from app.settings import Settings

NAME = "Portal Canary"
CLIENT = NewClient(
    email="canary@portal.invalid",
    password=token_urlsafe(24),
    firstname="Portal",
    lastname="Canary",
    phonenumber="00-0000-0000",
    address1="1",
    address2="",
    city="Tokyo",
    state="Tokyo",
    postcode="100-0001",
    country="JP",
    customer_number="",
)


async def canaries(settings: Settings, folder: Path) -> dict[str, str]:
    """Return the settings that name the canaries, creating those that this folder's sandbox lacks.

    Raises:
        UpstreamError: the sandbox does not answer.
    """
    known = folder / "canaries.json"
    if not known.exists():
        found = {
            "SALESFORCE_CANARY_ACCOUNT_ID": await _account(settings),
            "WHMCS_CANARY_CLIENT_ID": await _client(settings),
        }
        known.write_text(json.dumps(found))
    named: dict[str, str] = json.loads(known.read_text())
    return named


async def _account(settings: Settings) -> str:
    salesforce = await SalesforceClient.open(settings)
    try:
        rows = await salesforce.query(f"SELECT Id FROM Account WHERE Name = '{NAME}'")
        return str(rows[0]["Id"]) if rows else await salesforce.create("Account", {"Name": NAME})
    finally:
        await salesforce.close()


async def _client(settings: Settings) -> str:
    whmcs = await WhmcsClient.open(settings)
    try:
        return await whmcs.client_id_by_email(CLIENT.email) or await whmcs.add_client(CLIENT)
    finally:
        await whmcs.close()
