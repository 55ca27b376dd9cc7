"""Read WHM now, for staff who do not want to wait for the schedule. Nothing is changed in WHM.

Reads: portal.provided_services, portal.id_mappings, WHM accounts. Writes: ingest.inbox.
"""

from uuid import UUID

from msgspec import Struct

from app.clock import now
from app.commands.execution.context import Context
from app.errors import NotFound
from app.ingest.refetch import hosting_accounts

_ACCOUNT = """
SELECT account_id FROM portal.id_mappings
WHERE customer_number = $1 OR whmcs_client_id = $1 OR account_id::text = $1 ORDER BY customer_number = $1 DESC LIMIT 1
"""
_HOSTED = "SELECT account_name FROM portal.provided_services WHERE provider = 'whm' AND account_id = $1"


class Synced(Struct, frozen=True):
    """What was read: the accounts on the server that the token sees (for the whole list), and whether it shows yet."""

    requested: int
    shows: bool


async def account_of(ctx: Context, customer: str) -> UUID:
    """Return the account of a customer number, WHMCS client id or account id.

    Raises:
        NotFound: `account_not_found`.
    """
    found: UUID | None = await ctx.pool.fetchval(_ACCOUNT, customer)
    if found is None:
        raise NotFound("There is no linked account with this id.", code="account_not_found")
    return found


async def sync(ctx: Context, account_id: UUID | None, wait_seconds: float) -> Synced:
    """Request the list of WHM's accounts, or the accounts of one customer, and wait until the answer shows."""
    reason = f"sync:{now().isoformat()}"
    hints = [hosting_accounts.list_hint(reason)]
    if account_id is not None:
        rows = await ctx.pool.fetch(_HOSTED, account_id)
        hints = [hosting_accounts.hint_of(row["account_name"], reason) for row in rows]
    if not hints:
        return Synced(0, True)
    submission = await ctx.inbox.submit(hints)
    shows = submission is None or await ctx.inbox.settled(submission, wait_seconds)
    return Synced(len(hints), shows)
