"""Freshness: when each WHMCS list of an account was last read whole, how old data may grow, and why it counts as stale.

The one place that decides what an answer says of its age. It is pure: evidence in, reason out.
"""

from collections.abc import Callable, Iterable
from typing import Literal

from msgspec import Struct

from app.readmodels.table import Table

TABLE = Table("freshness", "resource", {"account_id": "uuid", "resource": "text", "verified_at": "timestamptz"})

BOUND_SECONDS = {
    "client_invoices": 90,
    "invoice": 300,
    "client_services": 300,
    "service": 600,
    "pay_methods": 900,
    "gateways": 3_600,
    "client": 1_800,
}
"""WHMCS resource → age in seconds past which a read has a worker verify it (design.md, Freshness)."""
EVENT_FED = frozenset({"account_history", "catalog"})
"""What a change feed keeps current: bounded by the feed's silence (`FEED_BOUND_SECONDS`), not by its own age."""

StaleReason = Literal["never_verified", "parked", "feed_stalled", "upstream_away", "past_bound", "paused"]
"""Why an answer may not be what its source says now. `paused` is reserved."""


class Evidence(Struct, frozen=True, kw_only=True):
    """What is known of the age of a part of an answer.

    Attributes:
        by_events: a change feed keeps it current; otherwise it is read again when somebody asks.
        verified: it was once known to equal its source.
        past_bound: that is longer ago than it may be. Of what events keep current: the feed is silent for longer.
        silent: its feed is known to deliver nothing, though it may answer.
        away: its upstream is not called at present.
        parked: a change of it could not be applied.
    """

    by_events: bool = False
    verified: bool = True
    past_bound: bool = False
    silent: bool = False
    away: bool = False
    parked: bool = False


def _feed_stalled(of: Evidence) -> bool:
    return of.by_events and (of.silent or of.past_bound)


def _upstream_away(of: Evidence) -> bool:
    return of.past_bound and of.away


PRECEDENCE: tuple[tuple[StaleReason, Callable[[Evidence], bool]], ...] = (
    ("never_verified", lambda of: not of.verified),
    ("parked", lambda of: of.parked),
    ("feed_stalled", _feed_stalled),
    ("upstream_away", _upstream_away),
    ("past_bound", lambda of: of.past_bound),
)
"""Reason → when it holds. The first that holds for any part is told: what heals by itself soonest comes last."""


def stale_reason(parts: Iterable[Evidence]) -> StaleReason | None:
    """Why an answer made of these parts is stale; None when it is fresh."""
    found = list(parts)
    return next((reason for reason, holds in PRECEDENCE if any(holds(part) for part in found)), None)
