"""Cases for staff about a customer, which the customer does not see: they have no origin."""

from app.errors import OutcomeUnknown, UpstreamRejected
from app.integrations.salesforce.client import SalesforceClient, quote
from app.integrations.salesforce.wire import CASE_KEY

DUPLICATE = "DUPLICATE_VALUE"
LONGEST_SUBJECT = 255


async def opened_once(
    client: SalesforceClient, salesforce_account_id: str, key: str, subject: str, description: str
) -> str:
    """Open a case under a key, or find the one that has it; returns its id. Safe to repeat.

    Raises:
        UpstreamError: repeat to find out.
    """
    if found := await _by_key(client, key):
        return found
    fields = {
        "AccountId": salesforce_account_id,
        "Subject": subject[:LONGEST_SUBJECT],
        "Description": description,
        "Priority": "High",
        "Status": "New",
        CASE_KEY: key,
    }
    try:
        return await client.create("Case", fields)
    except (OutcomeUnknown, UpstreamRejected) as error:
        if isinstance(error, UpstreamRejected) and error.vendor_code != DUPLICATE:
            raise
        if found := await _by_key(client, key):
            return found
        raise


async def _by_key(client: SalesforceClient, key: str) -> str | None:
    rows = await client.query(quote(f"SELECT Id FROM Case WHERE {CASE_KEY} = {{}} LIMIT 1", key))
    return str(rows[0]["Id"]) if rows else None
