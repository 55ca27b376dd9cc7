"""An account's profile, billing address and eligibility.

Reads: documents `profile`, `eligibility`; portal.id_mappings.
"""

from uuid import UUID

import msgspec

from app.errors import NotReady
from app.queries.standing import of_salesforce
from app.queries.store import Answer, Source, Store, answered, etag_of
from app.readmodels import documents
from app.readmodels.eligibility import DOCUMENT as ELIGIBILITY
from app.readmodels.profiles import DOCUMENT as PROFILE
from app.readmodels.profiles import Profile


async def profile(store: Store, account_id: UUID) -> Answer:
    """Who the customer is, as WHMCS knows it."""
    found = await _profile(store, account_id)
    return answered(found.body, found.etag, await _source(store, found))


async def address(store: Store, account_id: UUID) -> Answer:
    """The billing address alone."""
    found = await _profile(store, account_id)
    body = msgspec.json.encode(msgspec.json.decode(found.body, type=Profile).address)
    return answered(body, etag_of(body, found.etag), await _source(store, found))


async def eligibility(store: Store, account_id: UUID) -> Answer:
    """Current state per category."""
    found = await documents.read(store.pool, account_id, ELIGIBILITY)
    if found is None:
        raise NotReady
    source = (await of_salesforce(store, account_id, "eligibility")).source
    return answered(found.body, found.etag, msgspec.structs.replace(source, as_of=max(found.as_of, source.as_of)))


async def _profile(store: Store, account_id: UUID) -> documents.Stored:
    found = await documents.read(store.pool, account_id, PROFILE)
    if found is None:
        raise NotReady
    return found


async def _source(store: Store, found: documents.Stored) -> Source:
    client_id = await store.pool.fetchval(
        "SELECT whmcs_client_id FROM portal.id_mappings WHERE account_id = $1", found.account_id
    )
    return Source("client", str(client_id), found.as_of)
