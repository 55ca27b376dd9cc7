"""The wall: WHMCS tells errors apart by sentence only. One table of patterns, one place to change when they change."""

import re

from app.errors import (
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
    UpstreamUnavailable,
)

WHMCS = "whmcs"

_REFUSED = re.compile(r"invalid ip|credentials|authentication failed|access denied|invalid permissions", re.I)
_ABSENT = re.compile(r"\b(client|invoice|service|order|user|pay method)\b.*\bnot found|^invalid client_id", re.I)
_LOCKED = re.compile(r"\block(ed)?\b|try again|too many", re.I)


def of_message(action: str, message: str) -> UpstreamError:
    """An answered business error."""
    if _REFUSED.search(message):
        return UpstreamAuthFailed(WHMCS, action, message)
    if _ABSENT.search(message):
        return UpstreamNotFound(WHMCS, action, message)
    if _LOCKED.search(message):
        return UpstreamBusy(WHMCS, action, message)
    return UpstreamRejected(WHMCS, action, message)


def of_status(action: str, status: int, message: str) -> UpstreamError:
    """An HTTP status other than 200. WHMCS uses 403 for credentials, permissions and its address list."""
    if status in (401, 403):
        return UpstreamAuthFailed(WHMCS, action, message or f"HTTP {status}")
    if status in (429, 503):
        return UpstreamBusy(WHMCS, action, f"HTTP {status}")
    if status >= 500:
        return UpstreamUnavailable(WHMCS, action, f"HTTP {status}")
    return UpstreamMalformed(WHMCS, action, f"HTTP {status}")
