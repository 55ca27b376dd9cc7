"""The wall: WHM answers HTTP 200 to everything and tells errors apart by sentence only."""

import re
from collections.abc import Mapping
from typing import Any

from app.errors import (
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRejected,
)
from app.integrations.forms import Answer, json_object, of_status, spoiled
from app.integrations.sentences import Meaning, of_sentence

WHM = "whm"
USERNAME_TAKEN, DOMAIN_TAKEN = "username_taken", "domain_taken"
ALREADY_SUSPENDED, NOT_SUSPENDED, LOCKED = "already_suspended", "not_suspended", "locked"
PACKAGE_MISSING = "package_missing"

_PREFIX = re.compile(r"API failure:\s*|\(XID \w+\)\s*")
PATTERNS: tuple[Meaning, ...] = (
    (re.compile(r"do not have permission to unsuspend|suspension is locked", re.I), UpstreamRejected, LOCKED),
    (
        re.compile(r"access denied|permission denied|function not found|token .*(invalid|expired)", re.I),
        UpstreamAuthFailed,
        "refused",
    ),
    (re.compile(r"(package|plan).*(does not exist|could not be found)", re.I), UpstreamRejected, PACKAGE_MISSING),
    (re.compile(r"already suspended", re.I), UpstreamRejected, ALREADY_SUSPENDED),
    (re.compile(r"not (currently )?suspended", re.I), UpstreamRejected, NOT_SUSPENDED),
    (re.compile(r"do not have access to an account named|do not own", re.I), UpstreamRejected, "other_owner"),
    (re.compile(r"do not have a user named|does not exist|no such account", re.I), UpstreamNotFound, "absent"),
    (
        re.compile(r"username.*(already exists|is taken)|already exists.*username", re.I),
        UpstreamRejected,
        USERNAME_TAKEN,
    ),
    (re.compile(r"already exists|already set ?up", re.I), UpstreamRejected, DOMAIN_TAKEN),
    (re.compile(r"limit", re.I), UpstreamBusy, "capacity"),
)
"""Reasons are sentences and change between versions."""


def understood(function: str, answer: Answer, write: bool) -> dict[str, Any]:
    """The payload of a success, empty for functions that have none."""
    if answer.status in (401, 403):
        raise UpstreamAuthFailed(WHM, function, f"HTTP {answer.status}")
    if failure := of_status(WHM, function, answer.status, write=write):
        raise failure
    body = json_object(answer) or {}
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("command") != function:
        raise _unlike_an_answer(function, answer.status, body, write)
    if str(metadata.get("result")) != "1":
        raise _refusal(function, str(metadata.get("reason", "")))
    data = body.get("data")
    return data if isinstance(data, dict) else {}


def _unlike_an_answer(function: str, status: int, body: Mapping[str, Any], write: bool) -> UpstreamError:
    """Refusals from before the function ran have another shape; anything else may hide a finished write."""
    older = body.get("cpanelresult")
    message = older.get("error") if isinstance(older, Mapping) else body.get("statusmsg")
    if message:
        return _refusal(function, str(message))
    return spoiled(WHM, function, f"HTTP {status}: no metadata of {function}", write=write and status == 200)


def _refusal(function: str, reason: str) -> UpstreamError:
    return of_sentence(WHM, function, _PREFIX.sub("", reason), PATTERNS)
