"""Error translation: WHM answers HTTP 200 to everything and distinguishes errors by sentence only."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import (
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamError,
    UpstreamNotFound,
    UpstreamRejected,
)
from app.intake.text import scalar
from app.integrations.forms import FormAnswer, json_object, of_status, recovered_members, unreadable
from app.integrations.sentences import Meaning, of_sentence

WHM = "whm"
USERNAME_TAKEN, DOMAIN_TAKEN = "username_taken", "domain_taken"
ALREADY_SUSPENDED, NOT_SUSPENDED, LOCKED = "already_suspended", "not_suspended", "locked"
PACKAGE_MISSING = "package_missing"
FEATURE_MISSING, ALREADY_EXISTS, QUOTA_REACHED = "feature_missing", "already_exists", "quota_reached"

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
UAPI_PATTERNS: tuple[Meaning, ...] = (
    (
        re.compile(r"do not have the feature|failed to load module|could not find the function|role is disabled", re.I),
        UpstreamRejected,
        FEATURE_MISSING,
    ),
    (re.compile(r"already (exists|installed|being)|being installed", re.I), UpstreamRejected, ALREADY_EXISTS),
    (re.compile(r"maximum (allotment|number)|quota", re.I), UpstreamRejected, QUOTA_REACHED),
)
"""Reasons of errors inside one account."""


def understood(function: str, answer: FormAnswer, write: bool, operation: str = "") -> dict[str, Any]:
    """Return the payload of a success, empty for functions without one. Errors name `operation` if it is given."""
    operation = operation or function
    if answer.status in (401, 403):
        raise UpstreamAuthFailed(WHM, operation, f"HTTP {answer.status}")
    told = answer.retry_after_seconds
    if failure := of_status(WHM, operation, answer.status, write=write, retry_after_seconds=told):
        raise failure
    body = json_object(answer)
    if body is None and write and _succeeded((found := recovered_members(answer, "metadata")).get("metadata")):
        body = found
    metadata = (body or {}).get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get("command") != function:
        raise _unlike_an_answer(operation, answer.status, body or {}, write)
    if not _succeeded(metadata):
        if scalar(metadata.get("result")).strip() not in ("0", "0.0"):
            raise unreadable(WHM, operation, "neither success nor failure", write=write)
        raise _refusal(operation, scalar(metadata.get("reason")))
    data = (body or {}).get("data")
    if data is not None and not isinstance(data, Mapping) and data != [] and not write:
        raise unreadable(WHM, operation, "data that is no object", write=write)
    return dict(data) if isinstance(data, Mapping) else {}


def _succeeded(metadata: Any) -> bool:
    return isinstance(metadata, Mapping) and _is_one(metadata.get("result"))


def _is_one(value: Any) -> bool:
    return scalar(value).strip() in ("1", "1.0")


def uapi_understood(operation: str, data: Mapping[str, Any], write: bool) -> Any:
    """Return a UAPI function's result from the envelope of `uapi_cpanel`, which always succeeds itself."""
    answer = data.get("uapi")
    if not isinstance(answer, Mapping) or "status" not in answer:
        raise unreadable(WHM, operation, "success without a UAPI status", write=write)
    if not _is_one(answer["status"]):
        if scalar(answer["status"]).strip() not in ("0", "0.0"):
            raise unreadable(WHM, operation, "neither success nor failure", write=write)
        errors = answer.get("errors")
        said = [scalar(each) for each in errors] if isinstance(errors, list) else [scalar(errors)]
        raise _refusal(operation, " ".join(said).strip() or "no reason given", UAPI_PATTERNS)
    return answer.get("data")


def _unlike_an_answer(function: str, status: int, body: Mapping[str, Any], write: bool) -> UpstreamError:
    """Return the error for an answer of another shape.

    It is a refusal from before the function ran; anything else may hide a finished write.
    """
    older = body.get("cpanelresult")
    message = scalar(older.get("error") if isinstance(older, Mapping) else body.get("statusmsg"))
    if message:
        return _refusal(function, message)
    return unreadable(WHM, function, f"HTTP {status}: no metadata of {function}", write=write and status == 200)


def _refusal(function: str, reason: str, patterns: Sequence[Meaning] = PATTERNS) -> UpstreamError:
    return of_sentence(WHM, function, _PREFIX.sub("", reason), patterns)
