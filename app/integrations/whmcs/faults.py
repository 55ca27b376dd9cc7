"""Error translation: WHMCS distinguishes errors by sentence only, so one table of patterns is the place to change."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import (
    PortalError,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamMalformed,
    UpstreamNotFound,
    UpstreamRejected,
)
from app.integrations.sentences import Meaning, of_sentence

WHMCS = "whmcs"
EMAIL_TAKEN = "email_taken"
NOT_PENDING = "not_pending"
SSO_BLOCKED = "sso_blocked"
DECLINED = "declined"
CANCELLATION_EXISTS = "cancellation_exists"
UPGRADE_UNPAID = "upgrade_unpaid"

PATTERNS: tuple[Meaning, ...] = (
    # A gateway's sentences about a charge come first: their words must not match anything below.
    (re.compile(r"payment attempt failed", re.I), UpstreamRejected, DECLINED),
    (re.compile(r"sso authentication blocked", re.I), UpstreamRejected, SSO_BLOCKED),
    (
        re.compile(r"invalid ip|credentials|authentication failed|access denied|invalid permissions", re.I),
        UpstreamAuthFailed,
        "refused",
    ),
    (
        re.compile(r"api function not found|command not found|api action could not be found", re.I),
        UpstreamAuthFailed,
        "",
    ),
    (re.compile(r"status not pending", re.I), UpstreamRejected, NOT_PENDING),
    (re.compile(r"existing cancellation request", re.I), UpstreamRejected, CANCELLATION_EXISTS),
    (re.compile(r"previous upgrade invoice", re.I), UpstreamRejected, UPGRADE_UNPAID),
    (
        re.compile(r"duplicate email|not available for use|already exists with that email", re.I),
        UpstreamRejected,
        EMAIL_TAKEN,
    ),
    (
        re.compile(
            r"\b(client|invoice|service|order|user|pay method)\b.*\bnot found|^invalid client_id"
            r"|^invalid pay method id|pay method does not belong",
            re.I,
        ),
        UpstreamNotFound,
        "absent",
    ),
    (re.compile(r"\block(ed)?\b|try again|too many", re.I), UpstreamBusy, "busy"),
)


def of_message(action: str, message: str) -> UpstreamError:
    """Return the error for an answered business error."""
    return of_sentence(WHMCS, action, message, PATTERNS)


def of_other_status(action: str, status: int, message: str) -> UpstreamError:
    """Return the error for an HTTP status below 500 other than 200.

    WHMCS answers 403 for credentials, permissions and its address list.
    """
    if status in (401, 403):
        return UpstreamAuthFailed(WHMCS, action, message or f"HTTP {status}")
    return UpstreamMalformed(WHMCS, action, f"HTTP {status}")


@contextmanager
def understood(action: str) -> Iterator[None]:
    """Translate any error of parsing a record: the answer was not as documented."""
    try:
        yield
    except PortalError:
        raise
    except Exception as error:
        raise UpstreamMalformed(WHMCS, action, f"an unexpected record: {type(error).__name__}") from error
