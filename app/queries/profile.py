"""An account's profile, billing address and eligibility.

Reads: documents `profile`, `eligibility`; portal.id_mappings.
"""

from uuid import UUID

import msgspec

from app.errors import NotReady
from app.queries.store import Answer, Store, Verify, client_of, etag_of, feed_as_of, past_bound, with_age
from app.readmodels import documents
from app.readmodels.eligibility import DOCUMENT as ELIGIBILITY
from app.readmodels.profiles import DOCUMENT as PROFILE
from app.readmodels.profiles import Profile


async def profile(store: Store, account_id: UUID) -> Answer:
    """Who the customer is, as WHMCS knows it."""
    found = await _profile(store, account_id)
    stale, verify = await _age(store, found)
    return Answer(with_age(found.body, found.as_of, stale), found.etag, found.as_of, stale, verify)


async def address(store: Store, account_id: UUID) -> Answer:
    """The billing address alone."""
    found = await _profile(store, account_id)
    stale, verify = await _age(store, found)
    body = msgspec.json.encode(msgspec.json.decode(found.body, type=Profile).address)
    return Answer(with_age(body, found.as_of, stale), etag_of(body, found.etag), found.as_of, stale, verify)


async def eligibility(store: Store, account_id: UUID) -> Answer:
    """Current state per category."""
    found = await documents.read(store.pool, store.redis, account_id, ELIGIBILITY)
    if found is None:
        raise NotReady
    as_of = max(found.as_of, await feed_as_of(store))
    return Answer(with_age(found.body, as_of, False), found.etag, as_of)


async def _profile(store: Store, account_id: UUID) -> documents.Stored:
    found = await documents.read(store.pool, store.redis, account_id, PROFILE)
    if found is None:
        raise NotReady
    return found


async def _age(store: Store, found: documents.Stored) -> tuple[bool, tuple[Verify, ...]]:
    if not past_bound("client", found.as_of):
        return False, ()
    return True, (Verify("client", await client_of(store, found.account_id), found.as_of),)
