"""Decisions of staff in Salesforce, as the read models show them: approve an order, continue one, end one.

An approval is known by the stage in which it was given (`read_model.orders.approval`), so each counts once, however
often and late it is seen. An end is taken up once; the step that runs next reads the order and undoes what was done.

Reads: read_model.orders. Writes: portal.fulfilments.
"""

import asyncpg

from app.commands.fulfilment.journal import FIRST_STEP, NOT_APPROVED

_TAKE = """
INSERT INTO portal.fulfilments (order_id, account_id, state, step, approval)
SELECT order_id, account_id, 'running', $1, approval FROM read_model.orders
WHERE review_status IN ('Approved', 'Reactivate') AND activation_status IS DISTINCT FROM 'Activated'
ON CONFLICT (order_id) DO UPDATE SET state = 'running', next_attempt_at = now() + interval '5 seconds', attempt = 0,
    error_code = NULL, error_message = NULL, finished_at = NULL, approval = excluded.approval
WHERE portal.fulfilments.state = 'failed' AND portal.fulfilments.error_code = $2
RETURNING order_id
"""
_CONTINUE = """
UPDATE portal.fulfilments f SET state = 'running', attempt = 0, next_attempt_at = now(), error_code = NULL,
    error_message = NULL, finished_at = NULL, updated_at = now(), approval = o.approval,
    step = CASE f.state WHEN 'cancelled' THEN $1 ELSE f.step END,
    facts = CASE
        WHEN f.state = 'cancelled'
        THEN jsonb_build_object('former_whmcs_orders', coalesce(f.facts -> 'former_whmcs_orders', '[]'))
        WHEN o.approved_despite = 'SIM_OUTCOME_UNKNOWN'
        THEN f.facts - '{sim_asked_at,withdrawn}'::text[] || '{"sim_asked_before": true}'
        ELSE f.facts - 'withdrawn'
    END
FROM read_model.orders o
WHERE (o.account_id, o.order_id) = (f.account_id, f.order_id) AND o.review_status IN ('Approved', 'Reactivate')
  AND o.activation_status IS DISTINCT FROM 'Activated' AND f.state IN ('paused', 'failed', 'cancelled')
  AND o.approval <> '' AND o.approval <> f.approval
RETURNING f.order_id
"""
"""A cancelled order begins again. One whose line may have been requested asks again only if staff saw that code when
they continued it."""
_ADOPT = """
UPDATE portal.fulfilments f SET approval = o.approval FROM read_model.orders o
WHERE (o.account_id, o.order_id) = (f.account_id, f.order_id) AND o.approval IS NOT NULL
  AND (f.approval IS NULL AND f.state <> 'done' OR f.state = 'running' AND f.approval <> o.approval)
"""
"""What is running needs no continuation. Fulfilments from before approvals were known begin with the present one."""
_END = """
UPDATE portal.fulfilments f SET state = 'running', next_attempt_at = now(), updated_at = now(),
    attempt = CASE f.state WHEN 'running' THEN f.attempt ELSE 0 END, facts = f.facts || '{"withdrawn": true}'
FROM read_model.orders o
WHERE (o.account_id, o.order_id) = (f.account_id, f.order_id) AND o.status IN ('cancelled', 'rejected')
  AND f.state IN ('running', 'paused', 'failed') AND NOT coalesce((f.facts ->> 'withdrawn')::bool, false)
"""


async def take_up(pool: asyncpg.Pool) -> list[str]:
    """Start approved orders that have no fulfilment, continue those that staff approved again or reactivated, and have
    those undone that staff cancelled or rejected; returns the ids of the started and continued ones.
    """
    continued = await pool.fetch(_CONTINUE, FIRST_STEP)
    taken = await pool.fetch(_TAKE, FIRST_STEP, NOT_APPROVED)
    await pool.execute(_ADOPT)
    await pool.execute(_END)
    return [row["order_id"] for row in (*continued, *taken)]
