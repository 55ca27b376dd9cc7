"""The lag of the portal, in time and in count: shapes of the measurement, and `concerns` that follow from it.

The age of a feed that does not answer grows. One that never answered has no age and is listed all the same: neither
passes for up to date.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from app.ingest.sources.webhook_feed import WEBHOOKS

MOST_COUNTED = 100_000
"""Counts stop here: counting further would cause the load that it measures."""
SILENT_SECONDS = 360
"""The event bus sends at least a keepalive every 270 s."""
LATE_SECONDS = 60
SWEEP = "sweep:"
"""Name prefix of feeds that workers poll, because no bus delivers them."""


class Feed(Struct, frozen=True, kw_only=True):
    """A feed. Ages are None when it never answered, or never delivered an event. `silent_seconds`: how long it has been
    known to deliver nothing."""

    feed: str
    state: str
    """The state that the feed reports."""
    leader: str | None = None
    """The process that follows it; null without one."""
    error: str | None = None
    age_seconds: float | None = None
    last_event_age_seconds: float | None = None
    position_age_seconds: float | None = None
    silent_seconds: float | None = None


class Lane(Struct, frozen=True, kw_only=True):
    """The open entries of a lane, parked ones included; at most `MOST_COUNTED` are counted.

    `oldest_seconds` ignores parked entries and those scheduled for later.
    """

    lane: str
    """The name of the lane."""
    open: int
    """How many are open."""
    oldest_seconds: float = 0.0


class Drift(Struct, frozen=True, kw_only=True):
    """The last reconciliation of an object."""

    source: str
    object: str
    checked: int
    """How many records were compared."""
    differing: int
    age_seconds: float

    @property
    def ratio(self) -> float:
        """Return the share of differing records."""
        return self.differing / self.checked if self.checked else 0.0


class PriceDrift(Struct, frozen=True, kw_only=True):
    """Prices of one currency and billing cycle: how many were compared with the billing system's, and how many
    differ."""

    currency: str
    billing_cycle: str
    compared: int
    differing: int


class Canary(Struct, frozen=True, kw_only=True):
    """The last canary of a feed; `took_seconds` is None until it returns."""

    feed: str
    sent_age_seconds: float
    """How long ago it was sent, in seconds."""
    took_seconds: float | None
    """How long it took to return, in seconds; null until it does."""


class GenerationAge(Struct, frozen=True, kw_only=True):
    """A generation of a read model."""

    slice: str
    generation: int
    projector_version: int
    state: str
    """The state of the generation."""


class UnreadableField(Struct, frozen=True, kw_only=True):
    """A field of upstream records that could not be read and counts as absent: total count, and the latest record."""

    source: str
    object: str
    field: str
    """The name of the field."""
    count: int
    record_id: str
    last_age_seconds: float
    """How long ago it last happened, in seconds."""


class UpstreamAway(Struct, frozen=True, kw_only=True):
    """An upstream that is not called at present, because it did not answer."""

    upstream: str
    state: str
    """The state of its circuit breaker."""
    seconds: float
    """For how long, in seconds."""
    error: str | None


class Backlog(Struct, frozen=True):
    """The size of a queue and the age of its oldest entry."""

    count: int
    oldest_seconds: float


class Measures(Struct, frozen=True, kw_only=True):
    """One measurement. `fanouts`: changed records whose many rows are recomputed in the background."""

    at: datetime
    feeds: list[Feed]
    """The change feeds."""
    lanes: list[Lane]
    """The lanes of the inbox."""
    dead_letters: Backlog
    """Dead letters that are open."""
    notices_untold: Backlog
    """Changes that subscribers were not told of yet."""
    fanouts: Backlog
    """Changed records whose many rows are recomputed in the background."""
    drift: list[Drift]
    """The last reconciliations."""
    canaries: list[Canary]
    """The last canary of each feed."""
    generations: list[GenerationAge]
    """The serving generations."""
    unreadables: list[UnreadableField] = []
    """Fields that could not be read."""
    upstreams_away: list[UpstreamAway] = []
    """Upstreams that are not called at present."""
    price_drift: list[PriceDrift] = []
    """Prices that differ from the billing system's."""


def concerns(measured: Measures) -> Iterator[str]:
    """Yield one sentence for each thing that needs attention."""
    for feed in measured.feeds:
        yield from _of_feed(feed)
    for canary in measured.canaries:
        if canary.took_seconds is None and canary.sent_age_seconds > LATE_SECONDS:
            yield (
                f"The canary of {canary.feed} was sent {canary.sent_age_seconds:.0f} s ago and does not show. "
                "Are `portal cdc` and `portal worker` running?"
            )
    for lane in measured.lanes:
        if lane.oldest_seconds > LATE_SECONDS:
            yield f"The {lane.lane} lane is {lane.oldest_seconds:.0f} s behind, with {lane.open} open entries."
    for away in measured.upstreams_away:
        error = f": {away.error}" if away.error else ""
        yield (
            f"{away.upstream} has not been called for {away.seconds:.0f} s because it did not answer{error}. "
            "It is tried again by itself; `portal doctor` says what is wrong with it."
        )
    if measured.notices_untold.oldest_seconds > LATE_SECONDS:
        yield f"Redis has not received {measured.notices_untold.count} changes. Is it reachable, and a worker running?"
    if differing := sum(each.differing for each in measured.price_drift):
        yield f"{differing} prices differ between the price book and WHMCS: `portal doctor` names them."
    if count := measured.dead_letters.count:
        yield f"{count} dead letters hold records back: `portal dead-letters`."


def _of_feed(feed: Feed) -> Iterator[str]:
    if feed.feed == WEBHOOKS:
        yield from _of_webhooks(feed)
        return
    process = "worker" if feed.feed.startswith(SWEEP) else "cdc"
    if feed.age_seconds is None:
        yield f"The feed {feed.feed} has never answered. Is `portal {process}` running?"
    elif feed.age_seconds > SILENT_SECONDS:
        yield f"The feed {feed.feed} has not answered for {feed.age_seconds:.0f} s. Is `portal {process}` running?"
    elif feed.silent_seconds is not None:
        yield (
            f"The feed {feed.feed} answers and delivers nothing: its canary has been missing for "
            f"{feed.silent_seconds:.0f} s. It is reopened; the log of `portal cdc` and `portal doctor` say more."
        )
    elif feed.state != "live":
        yield f"The feed {feed.feed} is {feed.state}{': ' + feed.error if feed.error else ''}."


def _of_webhooks(feed: Feed) -> Iterator[str]:
    """Yield the concern about webhooks. They are sent only when something happens, so silence alone means nothing."""
    if feed.silent_seconds is None:
        return
    last = "none has ever arrived" if feed.age_seconds is None else f"the last one arrived {feed.age_seconds:.0f} s ago"
    yield (
        f"WHMCS's webhooks do not arrive ({feed.error or 'unknown reason'}; {last}). On WHMCS's server: "
        "php portal-hooks/send.php --check, then --status."
    )
