"""Reports to Salesforce about portal customers: their registration, their WHMCS client and their last sign-in.

Sign-up and linking report at once. A worker reports what they could not, and the sign-ins, a few at a time.

Reads: portal.sessions, portal.signups, portal.erasures, mirror.records. Reads and writes: portal.id_mappings. Writes:
Salesforce Account, portal.signups.
"""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog

from app.commands.identity.enrolment import sign_up_journal
from app.db import is_outage
from app.ingest import id_mappings
from app.integrations.salesforce import wire
from app.integrations.salesforce.client import SalesforceClient

AT_ONCE = 20
MOST_FAILURES = 5
"""After so many failures without a success the cause is not these accounts, and the rest would only take time."""
LATER_SECONDS = 60
"""How long a new mapping is left to the command that stored it, before the worker reports it."""

_PENDING = """
SELECT m.account_id, m.whmcs_client_id, m.salesforce_account_id, m.customer_number, m.linked_at,
       s.customer_number IS NOT NULL AS signed_up, r.data ->> 'Name' AS name
FROM portal.id_mappings m
LEFT JOIN portal.signups s ON s.customer_number = m.customer_number
LEFT JOIN mirror.records r ON (r.source, r.object, r.record_id) = ('salesforce', 'Account', m.salesforce_account_id)
WHERE m.told_at IS NULL AND m.linked_at < now() - $1 * interval '1 second'
  AND NOT EXISTS (SELECT FROM portal.erasures e WHERE e.account_id = m.account_id)
ORDER BY random() LIMIT $2
"""
"""In random order, so that accounts that Salesforce always refuses do not block the others."""
_SIGN_INS = """
SELECT m.account_id, m.salesforce_account_id, max(s.created_at) AS signed_in_at
FROM portal.sessions s JOIN portal.id_mappings m ON m.user_id = s.user_id
WHERE s.created_at > now() - interval '1 day' AND s.created_at > coalesce(m.sign_in_told_at, '-infinity')
  AND NOT EXISTS (SELECT FROM portal.erasures e WHERE e.account_id = m.account_id)
GROUP BY 1, 2 ORDER BY random() LIMIT $1
"""

log = structlog.get_logger()


async def report_registration(
    pool: asyncpg.Pool, salesforce: SalesforceClient, account: Any, whmcs_client_id: str, *, signed_up: bool
) -> None:
    """Report that an account is in the portal. `account` has Salesforce's `Id` and `Name`. Safe to repeat.

    Raises:
        UpstreamError
    """
    fields = {
        wire.ACCOUNT_PORTAL_STATUS: "Active",
        wire.ACCOUNT_PORTAL_SOURCE: "New Signup" if signed_up else "Migrated",
        wire.ACCOUNT_WHMCS: f"#{whmcs_client_id} - {account['Name'] or ''}"[:255],
    }
    await salesforce.update("Account", account["Id"], fields)
    await id_mappings.mark_registered(pool, account["Id"])


async def report_pending(pool: asyncpg.Pool, salesforce: SalesforceClient) -> int:
    """Report what is pending and return the number of accounts reported. Refusals by Salesforce are logged."""
    reported = failures = 0
    for row in await pool.fetch(_PENDING, LATER_SECONDS, AT_ONCE):
        account = {"Id": row["salesforce_account_id"], "Name": row["name"]}
        try:
            await report_registration(pool, salesforce, account, row["whmcs_client_id"], signed_up=row["signed_up"])
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("salesforce_not_told", account_id=str(row["account_id"]), error=str(error))
            if (failures := failures + 1) >= MOST_FAILURES and not reported:
                break
            continue
        await sign_up_journal.finish(pool, row["customer_number"])
        reported += 1
    return reported + await _report_sign_ins(pool, salesforce)


async def _report_sign_ins(pool: asyncpg.Pool, salesforce: SalesforceClient) -> int:
    reported = failures = 0
    for row in await pool.fetch(_SIGN_INS, AT_ONCE):
        at: datetime = row["signed_in_at"]
        instant = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            await salesforce.update("Account", row["salesforce_account_id"], {wire.ACCOUNT_LAST_SIGN_IN: instant})
        except Exception as error:
            if is_outage(error):
                raise
            log.warning("salesforce_not_told_of_sign_in", account_id=str(row["account_id"]), error=str(error))
            if (failures := failures + 1) >= MOST_FAILURES and not reported:
                break
            continue
        await id_mappings.mark_sign_in_reported(pool, row["account_id"], at)
        reported += 1
    return reported
