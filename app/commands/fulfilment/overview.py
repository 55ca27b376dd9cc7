"""The queue of fulfilments as staff see it: the state of each order, its age, and what was tried.

Reads: portal.fulfilments, portal.fulfilment_steps, portal.provision_steps.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Struct

from app.commands.fulfilment.steps import STEPS
from app.db import only_row, row, rows
from app.errors import NotFound

STATES = ("running", "paused", "failed", "done", "cancelled")
OPEN = ("running", "paused", "failed")
MOST = 500

_COLUMNS = """
SELECT f.order_id, account_id, f.state, f.step, f.attempt, f.error_code, f.error_message, f.next_attempt_at, started_at,
       f.updated_at, finished_at, extract(epoch FROM now() - started_at)::float8 AS age_seconds,
       p.state AS provision_state, p.step AS provision_step, p.error_code AS provision_error_code
FROM portal.fulfilments f LEFT JOIN LATERAL (
    SELECT state, step, error_code FROM portal.provision_steps WHERE order_id = f.order_id
    ORDER BY array_position(ARRAY['failed', 'paused', 'running', 'skipped', 'done'], state), position LIMIT 1) p ON true
"""
_UNFINISHED = (
    "(f.state = ANY($1) OR f.order_id IN "
    "(SELECT order_id FROM portal.provision_steps WHERE state NOT IN ('done', 'skipped')))"
)
_PROVISION = """
SELECT position, step, state, attempt, error_code, error_message, next_attempt_at, updated_at
FROM portal.provision_steps WHERE order_id = $1 ORDER BY position
"""

_PACE = """
SELECT count(*) AS activated,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at)) AS p50_seconds,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at)) AS p95_seconds
FROM portal.fulfilments WHERE state = 'done' AND finished_at > now() - interval '1 day'
"""
_PAUSES = """
SELECT detail ->> 'code' AS code, count(DISTINCT order_id) AS count FROM portal.fulfilment_steps
WHERE outcome = 'pause' AND at > now() - interval '1 day' AND step = ANY($1) GROUP BY 1 ORDER BY 1
"""


class Fulfilment(Struct, frozen=True, kw_only=True):
    """One order. `attempt` counts tries of this step; `age_seconds` counts from when its approval was seen.

    `provision_state` is that of the most urgent step after activation, `provision_step`; null if there is none.
    """

    order_id: str
    account_id: UUID
    state: str
    """The state of the fulfilment."""
    step: str
    attempt: int
    error_code: str | None
    error_message: str | None
    next_attempt_at: datetime
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    age_seconds: float
    provision_state: str | None
    """The state of provisioning; null before it begins."""
    provision_step: str | None
    """The present step of provisioning; null before it begins."""
    provision_error_code: str | None
    """The code of the last error in provisioning; null without one."""


class ProvisionStep(Struct, frozen=True, kw_only=True):
    """One provisioning step after activation. A failed step undoes nothing and does not block later ones."""

    position: int
    """Its place in the order of steps."""
    step: str
    state: str
    """The state of the step."""
    attempt: int
    error_code: str | None
    error_message: str | None
    next_attempt_at: datetime
    updated_at: datetime


class Tried(Struct, frozen=True, kw_only=True):
    """One try of a step, and its outcome."""

    step: str
    attempt: int
    outcome: str
    detail: dict[str, Any]
    at: datetime


class FulfilmentDetail(Struct, frozen=True, kw_only=True):
    """An order with every try, oldest first, and the facts learned: upstream ids, no secrets."""

    fulfilment: Fulfilment
    """The order."""
    facts: dict[str, Any]
    provision: list[ProvisionStep]
    """The steps of provisioning."""
    tried: list[Tried]
    """Every try, the oldest first."""


class Count(Struct, frozen=True):
    """The number of orders in a state with an error."""

    state: str
    """The state."""
    error_code: str
    count: int


class ProvisionCount(Struct, frozen=True):
    """The number of unfinished steps of one kind, in a state with an error."""

    step: str
    state: str
    error_code: str
    count: int


class DailyPace(Struct, frozen=True, kw_only=True):
    """The last day in figures: orders activated, seconds from approval to activation (None without any), and orders
    paused by reason."""

    activated: int
    p50_seconds: float | None
    p95_seconds: float | None
    pauses: dict[str, int]


async def listed(pool: asyncpg.Pool, state: str | None = None, limit: int = 100) -> list[Fulfilment]:
    """Return the unfinished orders, also active ones that are not fully set up, oldest first; or those of one state,
    newest first."""
    where, value = (_UNFINISHED, list(OPEN)) if state is None else ("f.state = ANY($1)", [state])
    order = "started_at" if state is None else "f.updated_at DESC"
    query = f"{_COLUMNS} WHERE {where} ORDER BY {order}, f.order_id LIMIT $2"
    return await rows(pool, Fulfilment, query, value, min(limit, MOST))


async def one(pool: asyncpg.Pool, order_id: str) -> FulfilmentDetail:
    """Return an order with its tries.

    Raises:
        NotFound: `no_fulfilment`.
    """
    found = await row(pool, Fulfilment, f"{_COLUMNS} WHERE f.order_id = $1", order_id)
    if found is None:
        raise NotFound(
            "There is no fulfilment for this order. Check that it is approved in Salesforce.", code="no_fulfilment"
        )
    facts = await pool.fetchval("SELECT facts FROM portal.fulfilments WHERE order_id = $1", order_id)
    tried = await rows(
        pool,
        Tried,
        "SELECT step, attempt, outcome, detail, at FROM portal.fulfilment_steps WHERE order_id = $1 ORDER BY id",
        order_id,
    )
    provision = await rows(pool, ProvisionStep, _PROVISION, order_id)
    return FulfilmentDetail(
        fulfilment=found,
        facts=facts,
        provision=provision,
        tried=tried,
    )


async def pace(pool: asyncpg.Pool) -> DailyPace:
    """Return the figures of the last 24 hours."""
    figures = await only_row(pool, _PACE)
    pauses = await pool.fetch(_PAUSES, list(STEPS))
    return DailyPace(**dict(figures), pauses={each["code"]: each["count"] for each in pauses})


async def counts(pool: asyncpg.Pool) -> list[Count]:
    """Count the unfinished orders by state and error."""
    return await rows(
        pool,
        Count,
        "SELECT state, coalesce(error_code, '') AS error_code, count(*) AS count FROM portal.fulfilments "
        "WHERE state IN ('running', 'paused', 'failed') GROUP BY 1, 2 ORDER BY 1, 2",
    )


async def provision_counts(pool: asyncpg.Pool) -> list[ProvisionCount]:
    """Count the unfinished provisioning steps by step, state and error."""
    return await rows(
        pool,
        ProvisionCount,
        "SELECT step, state, coalesce(error_code, '') AS error_code, count(*) AS count FROM portal.provision_steps "
        "WHERE state NOT IN ('done', 'skipped') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    )
