"""The subject of an export or erasure: the ids under which a customer's data is found.

Reads: portal.users, portal.id_mappings, portal.audit, portal.erasures.
"""

import hashlib
from collections.abc import Callable, Sequence
from uuid import UUID

from msgspec import Struct

from app.db import Db, row
from app.errors import NotFound

Progress = Callable[[str, int, int], None]
"""Called after each step with its name, the number of steps done, and the total."""


class Subject(Struct, frozen=True, kw_only=True):
    """A customer.

    Attributes:
        email: the login address in the portal.
        former_whmcs, former_salesforce: ids that staff merged into the present ones; their last records are still
            stored.
    """

    user_id: UUID
    account_id: UUID
    email: str
    whmcs_client_id: str
    salesforce_account_id: str
    customer_number: str
    former_whmcs: Sequence[str] = ()
    former_salesforce: Sequence[str] = ()

    @property
    def owners(self) -> list[tuple[str, str]]:
        """(source, owner id) of everything the customer owns or owned upstream."""
        clients = (self.whmcs_client_id, *self.former_whmcs)
        whmcs = [(source, each) for each in clients for source in ("whmcs", "whm")]
        return [*whmcs, *(("salesforce", each) for each in (self.salesforce_account_id, *self.former_salesforce))]

    @property
    def owner_ids(self) -> list[str]:
        """The owner ids without their sources: a WHMCS id is never a Salesforce id."""
        return list(dict.fromkeys(owner_id for _, owner_id in self.owners))


_FORMER = """ARRAY(SELECT DISTINCT a.detail ->> 'was' FROM portal.audit a WHERE a.account_id = m.account_id
      AND a.action = 'follow_merge' AND a.detail ->> 'source' = '{source}') AS former_{source}"""
_FIND = f"""
SELECT u.id AS user_id, u.email, m.account_id, m.whmcs_client_id, m.salesforce_account_id, m.customer_number,
       {_FORMER.format(source="whmcs")},
       {_FORMER.format(source="salesforce")}
FROM portal.users u JOIN portal.id_mappings m ON m.user_id = u.id
"""
_UNFINISHED = f"{_FIND} JOIN portal.erasures e ON e.user_id = u.id WHERE e.email_hash = $1 AND e.finished_at IS NULL"
_NOT_UPSTREAM = (
    f"{_FIND} JOIN portal.erasures e ON e.user_id = u.id "
    "WHERE e.email_hash = $1 AND NOT e.steps @> $2::text[] ORDER BY e.requested_at DESC LIMIT 1"
)


async def find(connection: Db, email: str) -> Subject:
    """Find the customer who logs in with this address.

    Raises:
        NotFound: `no_such_customer`, with what to do instead.
    """
    found = await row(connection, Subject, f"{_FIND} WHERE lower(u.email) = $1", plain(email))
    if found is None:
        if sentence := await _erased(connection, email):
            raise NotFound(sentence, code="no_such_customer")
        sentence = (
            "No customer logs in with this address. Look for it in WHMCS and Salesforce: who never signed up has no "
            "data of the portal's own, only the mirror's copy of their Salesforce records."
        )
        raise NotFound(sentence, code="no_such_customer")
    return found


async def of_account(connection: Db, account_id: UUID) -> Subject:
    """Return the customer of an account.

    Raises:
        NotFound: `no_such_customer`.
    """
    found = await row(connection, Subject, f"{_FIND} WHERE m.account_id = $1", account_id)
    if found is None:
        raise NotFound("No customer has this account.", code="no_such_customer")
    return found


async def _erased(connection: Db, email: str) -> str | None:
    """Describe the finished erasure under this address and what remains to be done; None if there was none."""
    erasure = await connection.fetchrow(
        "SELECT finished_at, steps FROM portal.erasures WHERE email_hash = $1 AND finished_at IS NOT NULL "
        "ORDER BY finished_at DESC LIMIT 1",
        hashed(email),
    )
    if erasure is None:
        return None
    left = [name for name in ("whmcs", "salesforce") if name not in erasure["steps"]]
    more = "; `portal erase-customer EMAIL --upstream` does it in WHMCS and Salesforce" if left else ""
    return f"This customer's data was erased on {erasure['finished_at']:%Y-%m-%d}. Nothing is left to do here{more}."


async def to_erase(connection: Db, email: str, upstream_steps: Sequence[str]) -> Subject:
    """Find the customer to erase.

    An unfinished erasure under this address comes first, then the customer who logs in with it, then one who was erased
    here but not upstream, if there are upstream steps to do.

    Raises:
        NotFound: `no_such_customer`.
    """
    if unfinished := await row(connection, Subject, _UNFINISHED, hashed(email)):
        return unfinished
    try:
        return await find(connection, email)
    except NotFound:
        if not_upstream := await row(connection, Subject, _NOT_UPSTREAM, hashed(email), list(upstream_steps)):
            return not_upstream
        raise


def plain(email: str) -> str:
    """Normalise an address for comparison."""
    return email.strip().lower()


def hashed(email: str) -> bytes:
    """Hash an address; the hash is kept after an erasure."""
    return hashlib.sha256(plain(email).encode()).digest()
