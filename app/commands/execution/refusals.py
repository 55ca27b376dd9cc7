"""What an upstream refuses for good because of what somebody entered: told by our own names, and not to be repeated."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from app.errors import RuleViolated, UpstreamRejected, Violation

OF_CONTENT = frozenset(
    {
        "STRING_TOO_LONG",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "FIELD_FILTER_VALIDATION_EXCEPTION",
        "FIELD_INTEGRITY_EXCEPTION",
        "INVALID_EMAIL_ADDRESS",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "REQUIRED_FIELD_MISSING",
    }
)
"""Salesforce's codes for a value that it will not take however often it is sent."""
CODE = "field_refused"
SENTENCE = "This cannot be taken as it is. Please correct it, or contact support."

log = structlog.get_logger()


@contextmanager
def named(fields: Mapping[str, str]) -> Iterator[None]:
    """Within the block a refusal of what was entered names it. `fields`: the upstream's name → the request's.

    Raises:
        RuleViolated: `field_refused`; `errors` has the fields, as far as the upstream says which.
    """
    try:
        yield
    except UpstreamRejected as error:
        if error.vendor_code not in OF_CONTENT:
            raise
        log.warning("upstream_refused_content", upstream=error.upstream, operation=error.operation, error=str(error))
        wrong = dict.fromkeys(fields[name] for name in _refused(error) if name in fields)
        problems = [Violation(field, CODE, SENTENCE) for field in wrong]
        raise RuleViolated(
            "What you entered was refused. Please correct it, or contact support.", code=CODE, errors=problems
        ) from error


def _refused(error: UpstreamRejected) -> list[str]:
    """The upstream's own names of the fields; where it lists none its sentence begins with one."""
    listed = [str(each) for each in getattr(error, "fields", ())]
    return listed or [error.reason.partition(":")[0].strip()]
