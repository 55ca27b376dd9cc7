"""What a customer can do now, per command: the rule. Pure: facts in, capability out.

What is not known is never the favourable answer. A command that the rule calls available may still be refused, because
only its handler sees the request.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from app.clock.recovery import remaining_seconds
from app.words.sentence import Phrase, Sentence, say, together
from app.words.worded import Worded

AWAY = {
    "whmcs": ("billing_unavailable", say("problems.billing_away")),
    "salesforce": ("upstream_unavailable", say("problems.sales_away")),
    "freebit": ("network_unavailable", say("problems.network_away")),
    "whm": ("hosting_unavailable", say("problems.hosting_away")),
}
QUEUED = "queued_until_available"
KEPT = say("problems.kept_until_back")
TOO_MANY_QUEUED = ("too_many_queued", say("problems.several_queued"))
NOT_KNOWN_YET = ("not_known_yet", say("problems.not_looked_up_yet"))
MISSING = {
    "invoice": ("no_open_invoice", say("billing.no_open_invoice")),
    "service": ("subscription_not_active", say("subscriptions.none_active")),
    "payment_method": ("payment_method_missing", say("billing.no_method_on_file")),
}


class CommandNeeds(Struct, frozen=True, kw_only=True):
    """What a command declares of itself: its name, the upstreams that it needs, whether it can wait for them, and what
    the account must have."""

    name: str
    upstreams: tuple[str, ...]
    queues: bool
    needs: str


class UpstreamOutage(Struct, frozen=True, kw_only=True):
    """An upstream that is not called at present: since when, when it is tried next, and how long its recent outages
    lasted."""

    upstream: str
    since: datetime
    retry_at: datetime | None
    durations_seconds: list[float]

    def until(self, now: datetime) -> datetime:
        """Estimate when it is back, to the minute, so that the same outage gives the same answer for a while."""
        elapsed_seconds = max((now - self.since).total_seconds(), 0.0)
        expected = now + timedelta(seconds=remaining_seconds(self.durations_seconds, elapsed_seconds))
        latest = max(expected, self.retry_at or expected)
        return latest.replace(second=0, microsecond=0) + timedelta(minutes=1)


class AccountFacts(Struct, frozen=True, kw_only=True):
    """What decides about an account.

    Attributes:
        has: what a command may need → whether the account has it; None if nobody knows.
        order_refusal: code and sentence of why the account may not order.
        room: how many more commands may wait.
    """

    has: Mapping[str, bool | None]
    order_refusal: tuple[str, Sentence] | None
    room: int


class Capability(Worded, frozen=True, kw_only=True):
    """Whether a command can be sent now.

    Attributes:
        command: its name, as in `GET /api/commands/{command_id}` and `pending_writes`.
        available: it is accepted. What it is about decides the rest: the same command may be refused for one invoice
            and not for another.
        queued: it is accepted with 202, and carried out when a system that is away is back.
        code: why it is not available, or is queued; null where it is carried out at once.
        reason: the sentence for `code`.
        until: when that is expected to end, as far as it was measured; null if it does not end by itself.
    """

    command: str
    available: bool
    queued: bool = False
    code: str | None = None
    reason: str | None = None
    until: datetime | None = None
    reason_phrases: tuple[Phrase, ...] = ()


def capability(
    of: CommandNeeds, account: AccountFacts, outages: Mapping[str, UpstreamOutage], now: datetime
) -> Capability:
    """Decide about one command: the account first, because an outage ends and a missing invoice does not."""
    if refusal := _refusal(of, account):
        return Capability(command=of.name, available=False, code=refusal[0], reason=refusal[1])
    away = [outages[each] for each in of.upstreams if each in outages]
    if not away:
        return Capability(command=of.name, available=True)
    until = max(each.until(now) for each in away)
    code, sentence = AWAY[away[0].upstream]
    if not of.queues:
        return Capability(command=of.name, available=False, code=code, reason=sentence, until=until)
    if account.room <= 0:
        code, sentence = TOO_MANY_QUEUED
        return Capability(command=of.name, available=False, code=code, reason=sentence, until=until)
    return Capability(
        command=of.name, available=True, queued=True, code=QUEUED, reason=together(sentence, KEPT), until=until
    )


def _refusal(of: CommandNeeds, account: AccountFacts) -> tuple[str, Sentence] | None:
    if of.needs == "nothing":
        return None
    if of.needs == "order":
        return account.order_refusal
    held = account.has.get(of.needs)
    if held is None:
        return NOT_KNOWN_YET
    return None if held else MISSING[of.needs]
