"""The availability check in Salesforce's terms: an Opportunity, a Case for the agent, the Account's status fields."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct

from app.errors import OutcomeUnknown
from app.integrations.salesforce import faults, wire
from app.integrations.salesforce.client import Part, SalesforceClient, quote

PENDING = "Pending"
STAGE = "Introduction"
OPPORTUNITY_NAME = "Internet"
CLOSES_AFTER = timedelta(days=90)
"""Salesforce requires an expected closing date of an opportunity; agents set the real one."""


class AvailabilityCheck(Struct, frozen=True):
    """The account's latest check, in Salesforce's words; all empty if none was requested. `address` is empty where
    staff set the result without naming one."""

    status: str
    offering: str
    address: str


async def read_check(client: SalesforceClient, account_id: str) -> AvailabilityCheck:
    """Read the account's latest check."""
    account = await client.get("Account", account_id)
    names = (wire.ACCOUNT_ELIGIBILITY_STATUS, wire.ACCOUNT_OFFERING, wire.ACCOUNT_ELIGIBILITY_ADDRESS)
    return AvailabilityCheck(*(str(account.get(name) or "") for name in names))


async def record_address(client: SalesforceClient, account_id: str, address: str) -> None:
    """Record the address that the present result is about."""
    await client.update("Account", account_id, {wire.ACCOUNT_ELIGIBILITY_ADDRESS: address})


async def request_check(client: SalesforceClient, account_id: str, address: str, today: date) -> None:
    """Open the check of an address, all or nothing. After an unknown outcome the account shows whether it was opened.

    Raises:
        OutcomeUnknown: and the account does not show it; safe to repeat, because a repetition checks first.
    """
    parts = [*await _opportunity(client, account_id, today), _case(account_id, address)]
    parts.append(_pending(account_id, address))
    try:
        await client.composite(parts)
    except OutcomeUnknown:
        held = await read_check(client, account_id)
        if (held.status, held.address) != (PENDING, address):
            raise


async def _opportunity(client: SalesforceClient, account_id: str, today: date) -> list[Part]:
    """Find or create the account's open opportunity, under the reference `opportunity`."""
    soql = "SELECT Id FROM Opportunity WHERE AccountId = {} AND StageName = {} AND IsClosed = false LIMIT 1"
    found = await client.query(quote(soql, account_id, STAGE))
    if found:
        with faults.understood("query:Opportunity"):
            return [Part("GET", f"/sobjects/Opportunity/{found[0]['Id']}", "opportunity")]
    fields: dict[str, Any] = {
        "Name": OPPORTUNITY_NAME,
        "AccountId": account_id,
        "StageName": STAGE,
        "CloseDate": (today + CLOSES_AFTER).isoformat(),
        "Opportunity_Source__c": "Portal",
    }
    return [Part("POST", "/sobjects/Opportunity", "created", fields), _read_created()]


def _read_created() -> Part:
    return Part("GET", "/sobjects/Opportunity/@{created.id}", "opportunity")


def _case(account_id: str, address: str) -> Part:
    fields = {
        "AccountId": account_id,
        "Opportunity__c": "@{opportunity.Id}",
        "Subject": "Internet availability check",
        "Description": f"Please check availability with the carrier for:\n{address}",
        "Origin": wire.CASE_ORIGIN,
        "Status": "New",
    }
    return Part("POST", "/sobjects/Case", "case", fields)


def _pending(account_id: str, address: str) -> Part:
    fields = {
        wire.ACCOUNT_ELIGIBILITY_STATUS: PENDING,
        wire.ACCOUNT_ELIGIBILITY_ASKED_AT: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        wire.ACCOUNT_ELIGIBILITY_CASE: "@{case.id}",
        wire.ACCOUNT_ELIGIBILITY_ADDRESS: address,
    }
    return Part("PATCH", f"/sobjects/Account/{account_id}", "account", fields)
