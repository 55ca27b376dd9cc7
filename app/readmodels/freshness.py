"""Freshness: the last complete read of each WHMCS list of an account, age limits, and the reasons for being stale.

The only module that decides what an answer says about its age. It is pure: evidence in, reason out.
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
    "products": 3_600,
    "client": 1_800,
}
"""WHMCS resource → age in seconds past which a read asks a worker to verify it."""
EVENT_FED = frozenset({"account_history", "catalog"})
"""Kept current by a change feed: bounded by the feed's silence (`FEED_BOUND_SECONDS`), not by their own age."""

StaleReason = Literal["never_verified", "parked", "feed_stalled", "upstream_away", "past_bound", "paused"]
"""Reasons why an answer may differ from its source. `paused` is reserved."""


class Evidence(Struct, frozen=True, kw_only=True):
    """Evidence about the age of one part of an answer.

    Attributes:
        by_events: a change feed keeps it current; otherwise it is re-read when a customer asks for it.
        verified: it was once confirmed to equal its source.
        past_bound: that is longer ago than allowed. For event-fed data: the feed has been silent for too long.
        silent: its feed is known to deliver nothing, even if it answers.
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
"""Reason → its condition. The first that holds for any part is reported: what heals by itself soonest is last."""


def stale_reason(parts: Iterable[Evidence]) -> StaleReason | None:
    """Return why an answer made of these parts is stale; None while it is fresh."""
    found = list(parts)
    return next((reason for reason, holds in PRECEDENCE if any(holds(part) for part in found)), None)
