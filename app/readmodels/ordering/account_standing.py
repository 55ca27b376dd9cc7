"""Loading an account's standing: what decides what it may order, as the read models have it.

Reads: portal.id_mappings, read_model.profiles, subscriptions, orders, pending, catalog, eligibility, payment_methods,
freshness; of the mirror the type and domain of open orders, and the marker that an account's orders were read.
"""

from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.db import only_row
from app.ordering.hosting import as_dns
from app.ordering.standing import Standing
from app.postal import Address
from app.readmodels.ordering.eligibility import Eligibility
from app.readmodels.ordering.order_life import CLOSED
from app.readmodels.profiles import Profile
from app.readmodels.services import ACTIVE_SIMS, ENDED, HOLDS_INTERNET, PLAN

_STANDING = f"""
WITH open AS (
    SELECT o.order_id, o.document FROM read_model.orders o WHERE o.account_id = $1 AND o.status <> ALL($2::text[])
       AND ($4 = '' OR (o.placed_at, o.order_id) < (SELECT m.placed_at, m.order_id FROM read_model.orders m
                                                    WHERE m.account_id = $1 AND m.order_id = $4))
    UNION ALL
    SELECT item_id, document FROM read_model.pending WHERE account_id = $1 AND slice = 'orders' AND $4 = ''
       AND document IS NOT NULL
), services AS (
    SELECT category, domain FROM read_model.subscriptions WHERE account_id = $1 AND status <> ALL($3::text[])
), placed AS (
    SELECT r.data FROM open JOIN mirror.records r
        ON (r.source, r.object, r.record_id) = ('salesforce', 'Order', open.order_id) AND NOT r.deleted
)
SELECT p.status AS client_status, p.document AS profile, e.document AS eligibility,
       EXISTS (SELECT FROM read_model.freshness WHERE account_id = $1 AND resource = 'client_services')
           AS services_known,
       EXISTS (SELECT FROM mirror.records r WHERE r.source = 'salesforce' AND r.object = 'account_history'
               AND r.record_id = i.salesforce_account_id AND NOT r.deleted) AS orders_known,
       {ACTIVE_SIMS} > 0 AS has_active_sim,
       {HOLDS_INTERNET}
           OR EXISTS (SELECT FROM placed WHERE lower(data ->> 'Order_Type__c') = 'internet')
           OR EXISTS (SELECT FROM open, jsonb_array_elements(convert_from(document, 'UTF8')::jsonb -> 'items') AS item
                      JOIN read_model.catalog c ON c.sku = item ->> 'sku' WHERE c.category = 'internet'
                      AND c.item_class = '{PLAN}')
           AS has_internet,
       ARRAY(SELECT domain FROM services WHERE category = 'hosting' AND domain IS NOT NULL
             UNION SELECT data ->> 'Domain__c' FROM placed WHERE data ->> 'Domain__c' IS NOT NULL) AS domains,
       EXISTS (SELECT FROM read_model.payment_methods WHERE account_id = $1) AS has_payment_method,
       EXISTS (SELECT FROM read_model.freshness WHERE account_id = $1 AND resource = 'pay_methods') AS methods_known
FROM (SELECT $1::uuid AS account_id) AS a
LEFT JOIN portal.id_mappings i USING (account_id)
LEFT JOIN read_model.eligibility e USING (account_id)
LEFT JOIN read_model.profiles p USING (account_id)
"""
_REGIONS = (
    "SELECT DISTINCT facts ->> 'vpn_region' FROM read_model.catalog WHERE category = 'vpn' AND facts ? 'vpn_region'"
)


async def standing_of(pool: asyncpg.Pool, account_id: UUID, *, ordered_before: str = "") -> Standing:
    """Load the standing. With the id of an order, of the open orders only those placed before it count."""
    row = await only_row(pool, _STANDING, account_id, list(CLOSED), list(ENDED), ordered_before)
    internet = msgspec.json.decode(row["eligibility"], type=Eligibility).internet if row["eligibility"] else None
    return Standing(
        client_status=row["client_status"] or "",
        services_known=row["services_known"],
        orders_known=row["orders_known"],
        has_active_sim=row["has_active_sim"],
        has_internet=row["has_internet"],
        internet_status=internet.status if internet else None,
        internet_offering=internet.offering if internet else None,
        checked_address=(internet.address or "") if internet else "",
        address=_on_file(row["profile"]),
        hosted_domains=frozenset(as_dns(each) for each in row["domains"]),
        has_payment_method=row["has_payment_method"] or (False if row["methods_known"] else None),
    )


async def vpn_regions(pool: asyncpg.Pool) -> frozenset[str]:
    """Read every VPN region of the catalog."""
    return frozenset(row[0] for row in await pool.fetch(_REGIONS))


def _on_file(profile: Any) -> Address | None:
    return complete(msgspec.json.decode(profile, type=Profile).address) if profile else None


def complete(address: Address) -> Address | None:
    """Return the address if an order can be placed for it."""
    return address if address.address1 and address.city and address.country else None
