"""An account's profile, billing address and eligibility.

Reads: documents `profile`, `eligibility`, and what `pending_writes` reads.
"""

from uuid import UUID

import msgspec

from app.queries.reading import pending_writes
from app.queries.reading.slice_age import feed_source
from app.queries.reading.store import Answer, AnswerSource, FetchedRow, Store, build_answer, etag_of
from app.queries.reading.unready import not_ready
from app.readmodels import documents
from app.readmodels.ordering.eligibility import DOCUMENT as ELIGIBILITY
from app.readmodels.profiles import DOCUMENT as PROFILE
from app.readmodels.profiles import Profile

PROFILES, ELIGIBILITIES = "profiles", "eligibility"
"""Read models whose pending writes are shown."""
OF_ADDRESS = ("change_address",)


async def profile(store: Store, account_id: UUID) -> Answer:
    """Read the customer's profile from the WHMCS client."""

    async def read() -> Answer:
        found = await _profile(store, account_id)
        return build_answer(found["body"], found["etag"], _source(found), parked_at=found["parked_at"])

    return await pending_writes.beside(store, account_id, PROFILES, read)


async def address(store: Store, account_id: UUID) -> Answer:
    """Read the billing address alone."""

    async def read() -> Answer:
        found = await _profile(store, account_id)
        body = msgspec.json.encode(msgspec.json.decode(found["body"], type=Profile).address)
        return build_answer(body, etag_of(body, found["etag"]), _source(found), parked_at=found["parked_at"])

    return await pending_writes.beside(store, account_id, PROFILES, read, commands=OF_ADDRESS)


async def eligibility(store: Store, account_id: UUID) -> Answer:
    """Read the current eligibility per category."""

    async def read() -> Answer:
        found = await _document(store, account_id, ELIGIBILITY, "salesforce")
        if found is None:
            raise await not_ready(store, account_id, "salesforce", "Account", "account_history")
        source = feed_source(store, found, "account_history", str(found["salesforce_account_id"]), found["as_of"])
        return build_answer(found["body"], found["etag"], source, parked_at=found["parked_at"])

    return await pending_writes.beside(store, account_id, ELIGIBILITIES, read)


async def _profile(store: Store, account_id: UUID) -> FetchedRow:
    found = await _document(store, account_id, PROFILE, "whmcs")
    if found is None:
        raise await not_ready(store, account_id, "whmcs", "client")
    return found


async def _document(store: Store, account_id: UUID, name: str, upstream: str) -> FetchedRow | None:
    return await documents.read_with_freshness(store.pool, account_id, name, upstream=upstream, feed=store.catalog_feed)


def _source(found: FetchedRow) -> AnswerSource:
    return AnswerSource("client", str(found["whmcs_client_id"]), found["as_of"], away=found["away"])
