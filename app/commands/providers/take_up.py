"""Take up services whose provider may have to do something: provisioned since, or changed in billing.

Only what the portal provisioned is taken up: a service of an order that the portal fulfilled, with the account name
that fulfilment chose or received. Where an order has two services of one kind, it is unclear which account is whose,
and none is.

Reads: portal.fulfilments, portal.erasures, read_model.subscriptions. Writes: portal.provided_services.
"""

import asyncpg

from app.ingest.inbox.inbox import Inbox
from app.ingest.refetch import hosting_accounts

SEEN = "s.upstream_status || '/' || coalesce(s.product_id, '')"

_NEW = """
INSERT INTO portal.provided_services (subscription_id, account_id, order_id, provider, account_name, state, seen,
                                      product_id)
SELECT subscription_id, account_id, order_id, provider, account_name, 'following', '', product_id
FROM (
    SELECT s.subscription_id, s.product_id, f.account_id, f.order_id, p.provider, p.account_name,
           count(*) OVER (PARTITION BY f.order_id, s.category) AS alike
    FROM portal.fulfilments f
    CROSS JOIN LATERAL (VALUES ('whm', 'hosting', f.facts ->> 'hosting_username'),
                               ('freebit', 'sim', f.facts ->> 'sim_account')) AS p (provider, category, account_name)
    JOIN read_model.subscriptions s ON s.account_id = f.account_id AND s.category = p.category
        AND s.whmcs_order_id = f.facts ->> 'whmcs_order_id'
    WHERE f.state = 'done' AND p.account_name IS NOT NULL AND f.finished_at > now() - $1 * interval '1 day'
      AND NOT EXISTS (SELECT FROM portal.provided_services k
                      WHERE (k.provider, k.account_name) = (p.provider, p.account_name))
) AS found
WHERE alike = 1
ON CONFLICT DO NOTHING RETURNING provider, account_name
"""
_CHANGED = f"""
UPDATE portal.provided_services p SET seen = {SEEN}, account_id = s.account_id, state = 'following', attempts = 0,
    next_attempt_at = now(), version = p.version + 1, updated_at = now()
FROM read_model.subscriptions s
WHERE s.subscription_id = p.subscription_id AND p.seen <> {SEEN}
RETURNING p.subscription_id
"""
_FORGET = """
DELETE FROM portal.provided_services p USING portal.erasures e
WHERE e.account_id = p.account_id AND p.remove_at IS NULL
"""
"""An erased customer's account that waits for its removal is remembered until it is removed."""
LOOK_BACK_DAYS = 30
"""How long after its fulfilment a service is taken up. Its read model shows it within seconds."""


async def take_up(pool: asyncpg.Pool, box: Inbox) -> int:
    """Take up new and changed services; returns their number. The account of a new one is read into the mirror."""
    new = await pool.fetch(_NEW, LOOK_BACK_DAYS)
    hosted = [each["account_name"] for each in new if each["provider"] == "whm"]
    await box.submit([hosting_accounts.hint_of(name, "provisioned") for name in hosted])
    changed = await pool.fetch(_CHANGED)
    await pool.execute(_FORGET)
    return len(new) + len(changed)
