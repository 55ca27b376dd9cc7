"""What an error says of the upstream as a whole, as opposed to the one thing it was asked for."""

from typing import Literal

from app.errors import (
    OutcomeUnknown,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamUnavailable,
    UpstreamUnreached,
)

CallOutcome = Literal["answered", "limited", "away", "faltering", "refused", "nothing"]
"""answered: it works. limited: it said when to come back. away: not reached, or it said that it is out. faltering:
no answer in time, or an error page. refused: it does not take our credentials. nothing: it was not asked."""

NOT_ASKED = frozenset({"no_slot", "breaker_open", "over_budget"})
"""Vendor codes of our own making, of calls that were never made."""
ALL_LIMITED = frozenset({"REQUEST_LIMIT_EXCEEDED", "rate_limit_exceeded"})
ALL_AWAY = frozenset({"SERVER_UNAVAILABLE"})
"""Salesforce's own codes that speak of the whole org."""
BUSY_NUMBERS = ("429-", "503-")
"""How Freebit's codes begin that speak of the whole network."""


def outcome_of(error: UpstreamError) -> CallOutcome:
    """Only outages and refused credentials say anything of the upstream; every other error is an answer.

    Busy with a code of the vendor's own is an answer too: one locked record must not close the way for the others.
    """
    if error.vendor_code in NOT_ASKED:
        return "nothing"
    if isinstance(error, UpstreamAuthFailed):
        return "refused"
    if isinstance(error, UpstreamMalformed) or not isinstance(error, UpstreamUnavailable | OutcomeUnknown):
        return "answered"
    if error.told_to_wait or error.vendor_code in ALL_LIMITED:
        return "limited"
    if error.vendor_code in ALL_AWAY or isinstance(error, UpstreamUnreached):
        return "away"
    if isinstance(error, UpstreamBusy):
        return "away" if not error.vendor_code or error.vendor_code.startswith(BUSY_NUMBERS) else "answered"
    return "faltering"


LOGINS = frozenset({"token", "auth"})
STALE_CODES = frozenset({"INVALID_SESSION_ID", "INVALID_AUTH_HEADER"})


def of_login(error: UpstreamError) -> bool:
    """Whether refused credentials are everybody's: the login itself failed, or what a new one gave is refused too."""
    return error.operation in LOGINS or error.vendor_code in STALE_CODES
