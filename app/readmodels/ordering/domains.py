"""Domains that are in use elsewhere, by another customer or on the hosting server: one domain, one hosting account.

A domain that is not found is not known to be free: the server also has accounts that the portal did not make, and its
mirror may be switched off or old, which is no evidence. Fulfilment asks the server itself before anything is billed.

Reads: read_model.subscriptions, orders, provider_accounts; of the mirror the domains of orders.
"""

from uuid import UUID

from app.db import Db
from app.inputs.domain import unicode_form
from app.ordering.hosting import as_dns
from app.readmodels.ordering.order_life import CLOSED
from app.readmodels.provider_accounts import BOUND_SECONDS
from app.readmodels.services import ENDED

_ELSEWHERE = """
SELECT EXISTS (
    SELECT FROM read_model.subscriptions WHERE category = 'hosting' AND account_id <> $1
    AND lower(btrim(domain)) = ANY($2::text[]) AND status <> ALL($3::text[])
) OR EXISTS (
    SELECT FROM mirror.records r JOIN read_model.orders o ON o.order_id = r.record_id
    WHERE r.source = 'salesforce' AND r.object = 'Order' AND NOT r.deleted
    AND lower(btrim(r.data ->> 'Domain__c')) = ANY($2::text[])
    AND o.account_id <> $1 AND o.status <> ALL($4::text[])
    AND ($5 = '' OR (o.placed_at, o.order_id) < (SELECT m.placed_at, m.order_id FROM read_model.orders m
                                                 WHERE m.account_id = $1 AND m.order_id = $5))
) OR EXISTS (
    SELECT FROM read_model.provider_accounts WHERE present AND lower(domain) = ANY($2::text[])
    AND as_of > now() - $6 * interval '1 second'
)
"""


async def is_hosted_elsewhere(db: Db, account_id: UUID, domain: str, *, ordered_before: str = "") -> bool:
    """Return whether a domain is known to be another customer's, or to be on the server.

    Args:
        ordered_before: the id of an order of the account; of other customers' open orders only earlier ones count.
    """
    spellings = {as_dns(domain), unicode_form(as_dns(domain)).lower()}
    found: bool = await db.fetchval(
        _ELSEWHERE, account_id, sorted(spellings), list(ENDED), list(CLOSED), ordered_before, BOUND_SECONDS
    )
    return found
