"""What a customer can do now, from read models alone.

Reads: what `standing_of` reads; read_model.invoices, subscriptions, freshness, pending, upstreams, outages.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from app.clock import now
from app.db import only_row, rows
from app.ordering.availability import account_refusal, to_do_first
from app.ordering.standing import Standing
from app.queries.reading.store import Answer, Store, etag_of
from app.readmodels.ordering.account_standing import standing_of
from app.readmodels.ordering.capabilities import AccountFacts, Capability, CommandNeeds, UpstreamOutage, capability
from app.words.sentence import Sentence

_FACTS = """
SELECT EXISTS (SELECT FROM read_model.freshness WHERE account_id = $1 AND resource = 'client_invoices')
           AS invoices_known,
       EXISTS (SELECT FROM read_model.invoices WHERE account_id = $1 AND status IN ('unpaid', 'overdue'))
           AS has_invoice,
       EXISTS (SELECT FROM read_model.subscriptions WHERE account_id = $1 AND status = 'active') AS has_service,
       (SELECT count(*) FROM read_model.pending WHERE account_id = $1 AND state = 'queued') AS queued
"""
_OUTAGES = """
SELECT u.upstream, u.since, greatest(u.retry_at, u.probe_until) AS retry_at,
       ARRAY(SELECT extract(epoch FROM o.ended_at - o.began_at)::float8 FROM read_model.outages o
             WHERE o.upstream = u.upstream AND o.reason = u.reason) AS durations_seconds
FROM read_model.upstreams u WHERE u.state <> 'closed'
"""


class Capabilities(Struct, frozen=True):
    """What the customer can do now, by command."""

    items: list[Capability]


async def capabilities(store: Store, account_id: UUID, commands: Sequence[CommandNeeds], most_queued: int) -> Answer:
    """Decide about every command of a customer. An upstream that is being probed counts as away."""
    facts = await _facts(store.pool, account_id, most_queued)
    away = {each.upstream: each for each in await outages(store.pool)}
    at = now()
    body = msgspec.json.encode(Capabilities([capability(each, facts, away, at) for each in commands]))
    return Answer(body, etag_of(body), at)


async def outages(pool: asyncpg.Pool) -> list[UpstreamOutage]:
    """Read which upstreams are away."""
    return await rows(pool, UpstreamOutage, _OUTAGES)


async def _facts(pool: asyncpg.Pool, account_id: UUID, most_queued: int) -> AccountFacts:
    standing = await standing_of(pool, account_id)
    row: Any = await only_row(pool, _FACTS, account_id)
    return AccountFacts(
        has={
            "invoice": row["has_invoice"] or (False if row["invoices_known"] else None),
            "service": row["has_service"] or (False if standing.services_known else None),
            "payment_method": standing.has_payment_method,
        },
        order_refusal=_order_refusal(standing),
        room=most_queued - row["queued"],
    )


def _order_refusal(standing: Standing) -> tuple[str, Sentence] | None:
    refusal = account_refusal(standing)
    advice = refusal or next(iter(to_do_first(standing)), None)
    return (advice.code, advice.sentence) if advice else None
