"""Read an account's data again from its upstreams: a barrier for readers who know that something changed there.

Reads of one list are made one after another, and each serves all requests that came before it began, so that any number
of requests costs few reads, and none is answered with a read that began before it.

Reads: read_model.upstreams, ingest.inbox. Appends to the inbox.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from uuid import UUID, uuid4

from msgspec import Meta, Struct

from app.commands.execution.context import Actor, Command, Context, Done
from app.db import Connection
from app.errors import Conflict
from app.events import Change
from app.ingest.inbox import inbox
from app.ingest.inbox.isolation import Append, Woken
from app.ingest.inbox.postpone import postpone
from app.ingest.refetch.owners import account_history_hint, whmcs_hint
from app.words.sentence import say

Area = Literal["profile", "invoices", "payment_methods", "subscriptions", "orders", "eligibility", "cases"]
Upstream = Literal["whmcs", "salesforce"]

READS: Mapping[Area, tuple[str, ...]] = {
    "profile": ("client",),
    "invoices": ("client_invoices",),
    "payment_methods": ("pay_methods",),
    "subscriptions": ("client_services", "cancel_requests"),
    "orders": ("account_history",),
    "eligibility": ("account_history",),
    "cases": ("account_history",),
}
"""Area → what is read again. Salesforce's part of an account is read as a whole."""
OF_SALESFORCE = "account_history"
OF_EVERYBODY = "cancel_requests"
"""The list that WHMCS does not divide by client."""

PACE_SECONDS = 3.0
"""Least time between two requested reads of one list; a customer may have hundreds of invoices."""
MOST_WAITING = 10
"""Requests of one list that may wait for its next read."""

_BEFORE = """
SELECT count(*) FILTER (WHERE settled_at IS NULL) AS waiting,
       extract(epoch FROM max(next_attempt_at) - clock_timestamp())::float8 AS ahead_seconds
FROM (SELECT settled_at, next_attempt_at FROM ingest.inbox
      WHERE source = $1 AND object = $2 AND record_id = $3 AND kind = 'hint' AND event_id LIKE 'refresh:%'
      ORDER BY id DESC LIMIT $4) AS latest
"""
_AWAY = "SELECT upstream FROM read_model.upstreams WHERE state <> 'closed'"


class RefreshAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """What to read again."""

    areas: Annotated[list[Area], Meta(min_length=1, max_length=len(READS))]
    """What to read again."""


class AreaRefresh(Struct, frozen=True, kw_only=True):
    """An area that is being read again. `upstream_away`: only once its upstream answers again."""

    area: Area
    upstream: Upstream
    upstream_away: bool
    """The upstream does not answer; the area is read once it does."""


class Refreshing(Struct, frozen=True):
    """The areas that are being read again."""

    areas: list[AreaRefresh]
    """What is being read again."""


async def refresh_account(ctx: Context, actor: Actor, request: RefreshAccount) -> Done:
    """Have all areas read again. Once the submission is settled, the read models hold what was true upstream when this
    was called, or something later.

    Raises:
        Conflict: `refresh_in_progress`, too many requests wait for their read already.
    """
    actor.account_id_or_refuse()
    areas = [area for area in READS if area in request.areas]
    reads = dict.fromkeys(name for area in areas for name in READS[area])
    submission = await _submit(ctx, [_hint(actor, name, uuid4()) for name in reads])
    away = {row["upstream"] for row in await ctx.pool.fetch(_AWAY)}
    found = [AreaRefresh(area=each, upstream=_upstream(each), upstream_away=_upstream(each) in away) for each in areas]
    return Done(Refreshing(found), submission)


def _hint(actor: Actor, name: str, number: UUID) -> Change:
    reason = f"refresh:{number}"
    if name == OF_SALESFORCE:
        return account_history_hint(actor.salesforce_account_id, reason)
    return whmcs_hint(name, "all" if name == OF_EVERYBODY else actor.whmcs_client_id, reason)


async def _submit(ctx: Context, hints: Sequence[Change]) -> int:
    """Append all hints under one submission, each as early as the pace of its list allows."""

    async def work(connection: Connection, append: Append) -> tuple[int, Woken]:
        delays = [await _delay_seconds(connection, each) for each in hints]
        number, woken = await append(connection, hints)
        for hint, seconds in zip(hints, delays, strict=True):
            if seconds > 0:
                await postpone(connection, hint, seconds)
        return number, woken

    number, woken = await inbox.storing(lambda: inbox.of_pool(ctx.pool), work)
    await ctx.inbox.wake(woken)
    return number


async def _delay_seconds(connection: Connection, hint: Change) -> float:
    """Return how long this read must wait for the pace of its list: until the read that is to come, if there is one.

    Raises:
        Conflict: `refresh_in_progress`.
    """
    before = await connection.fetchrow(_BEFORE, hint.source, hint.object, hint.record_id, MOST_WAITING)
    if hint.object == OF_EVERYBODY or before is None:
        return 0.0
    if before["waiting"] >= MOST_WAITING:
        raise Conflict(
            say("account.refresh_in_progress"),
            code="refresh_in_progress",
            retry_after_seconds=int(PACE_SECONDS),
        )
    ahead_seconds = before["ahead_seconds"]
    if ahead_seconds is None:
        return 0.0
    return float(ahead_seconds) if ahead_seconds > 0 else max(PACE_SECONDS + ahead_seconds, 0.0)


def _upstream(area: Area) -> Upstream:
    return "salesforce" if OF_SALESFORCE in READS[area] else "whmcs"


COMMAND = Command(refresh_account, writes=(), away="refuse", changes=False, awaited=False)
