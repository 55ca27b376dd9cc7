"""Recording the address that availability was confirmed for, where staff set the result without naming it.

Until it is recorded, such a result is for the billing address on file. It must not follow that address when it changes:
eligibility belongs to the address that was checked.

Reads: read_model.eligibility, profiles, portal.id_mappings. Writes: Salesforce Account.
"""

import asyncpg
import msgspec
import structlog

from app import postal
from app.clock import now
from app.errors import UpstreamError
from app.ingest.inbox.inbox import Inbox
from app.integrations.salesforce import eligibility, records
from app.integrations.salesforce.client import SalesforceClient
from app.postal import Address
from app.readmodels.ordering.account_standing import complete
from app.readmodels.ordering.eligibility import status_from
from app.readmodels.profiles import Profile

MOST_AT_ONCE = 50

_UNRECORDED = """
SELECT i.salesforce_account_id, p.document AS profile
FROM read_model.eligibility e JOIN read_model.profiles p USING (account_id) JOIN portal.id_mappings i USING (account_id)
WHERE e.internet_status = 'eligible'
  AND convert_from(e.document, 'UTF8')::jsonb #>> '{internet,address}' IS NULL
ORDER BY e.as_of LIMIT $1
"""

log = structlog.get_logger()


async def record(inbox: Inbox, salesforce: SalesforceClient, salesforce_account_id: str, address: Address) -> None:
    """Record the address for an eligible account that names none; Salesforce decides whether it is one.

    Raises:
        UpstreamError: Salesforce did not answer, so nobody knows.
    """
    check = await eligibility.read_check(salesforce, salesforce_account_id)
    if status_from(check.status, check.offering) != "eligible" or check.address:
        return
    await eligibility.record_address(salesforce, salesforce_account_id, postal.in_one_line(address))
    read_at = now()
    account = await salesforce.get("Account", salesforce_account_id)
    await inbox.submit([records.change("Account", account, origin="command", read_at=read_at)])


async def record_missing(pool: asyncpg.Pool, inbox: Inbox, salesforce: SalesforceClient) -> int:
    """Record the addresses on file of eligible accounts that name none, a bounded number; returns how many.

    Ends at the first failure of Salesforce; the next run goes on.
    """
    done = 0
    for row in await pool.fetch(_UNRECORDED, MOST_AT_ONCE):
        address = complete(msgspec.json.decode(row["profile"], type=Profile).address)
        if address is None:
            continue
        try:
            await record(inbox, salesforce, row["salesforce_account_id"], address)
        except UpstreamError as error:
            log.warning("checked_addresses_postponed", error=str(error))
            break
        done += 1
    return done
