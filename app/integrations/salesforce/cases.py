"""Support cases in Salesforce's own words: always the account's own, always with the portal's origin."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.errors import UpstreamRejected
from app.integrations.salesforce.client import SalesforceClient, quote

ORIGIN = "Portal Website"
FIELDS = "Id, CaseNumber, Subject, Description, Status, Priority, CreatedDate, LastModifiedDate, IsClosed"
MOST = 100
SAME_WITHIN = timedelta(hours=1)


class SalesforceCases:
    """The live source of cases."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client = client

    async def listed(self, salesforce_account_id: str) -> list[dict[str, Any]]:
        """The account's cases, newest first."""
        soql = f"SELECT {FIELDS} FROM Case WHERE AccountId = {{}} ORDER BY CreatedDate DESC LIMIT {MOST}"
        return await self._client.query(quote(soql, salesforce_account_id))

    async def one(self, salesforce_account_id: str, case_id: str) -> dict[str, Any] | None:
        """One of the account's own cases; an id that is none at all is as absent as an unknown one."""
        soql = f"SELECT {FIELDS} FROM Case WHERE AccountId = {{}} AND Id = {{}}"
        try:
            rows = await self._client.query(quote(soql, salesforce_account_id, case_id))
        except UpstreamRejected:
            return None
        return rows[0] if rows else None

    async def opened(self, salesforce_account_id: str, subject: str, description: str, priority: str) -> str:
        """Open a case; returns its id. The same words within the hour are the same case: a double click opens one."""
        since = datetime.now(UTC) - SAME_WITHIN
        soql = (
            "SELECT Id, Description FROM Case WHERE AccountId = {} AND Origin = {} AND Subject = {} "
            "AND IsClosed = false AND CreatedDate >= {}"
        )
        for row in await self._client.query(quote(soql, salesforce_account_id, ORIGIN, subject, since)):
            if row["Description"] == description:
                return str(row["Id"])
        return await self._client.create(
            "Case",
            {
                "AccountId": salesforce_account_id,
                "Subject": subject,
                "Description": description,
                "Priority": priority,
                "Status": "New",
                "Origin": ORIGIN,
            },
        )
