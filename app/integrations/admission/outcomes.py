"""Classification of errors: whether they concern the upstream as a whole or the single thing requested."""

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
"""The outcome of a call, for the breaker.

answered: it works. limited: it stated when to come back. away: not reached, or it reported an outage. faltering: no
answer in time, or an error page. refused: it rejects our credentials. nothing: it was not called.
"""

NOT_ASKED = frozenset({"no_slot", "breaker_open", "over_budget"})
"""Vendor codes of our own, for calls that were never made."""
ALL_LIMITED = frozenset({"REQUEST_LIMIT_EXCEEDED", "rate_limit_exceeded"})
ALL_AWAY = frozenset({"SERVER_UNAVAILABLE"})
"""Salesforce's codes that concern the whole org."""
BUSY_NUMBERS = ("429-", "503-")
"""Prefixes of Freebit's codes that concern the whole network."""


def outcome_of(error: UpstreamError) -> CallOutcome:
    """Classify an error: only outages and refused credentials concern the upstream; every other error is an answer.

    Busy with the vendor's own code is an answer too: one locked record must not open the breaker for all.
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
    """Return true if refused credentials affect every call: the login failed, or a new token is refused too."""
    return error.operation in LOGINS or error.vendor_code in STALE_CODES
