"""Permanent refusals of a customer's input by an upstream, reported under the names of our own fields."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import structlog

from app.errors import RuleViolated, UpstreamRejected, Violation
from app.words.sentence import say

CONTENT_CODES = frozenset(
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
"""Salesforce's codes for a value that it refuses however often it is sent."""
CODE = "field_refused"
SENTENCE = say("fields.refused")

log = structlog.get_logger()


@contextmanager
def named(fields: Mapping[str, str]) -> Iterator[None]:
    """Translate an upstream's refusal of input within the block. `fields`: the upstream's name → the request's.

    Raises:
        RuleViolated: `field_refused`; `errors` has the fields, as far as the upstream says which.
    """
    try:
        yield
    except UpstreamRejected as error:
        if error.vendor_code not in CONTENT_CODES:
            raise
        log.warning("upstream_refused_content", upstream=error.upstream, operation=error.operation, error=str(error))
        refused = dict.fromkeys(fields[name] for name in _names_in(error) if name in fields)
        problems = [Violation(field, CODE, SENTENCE) for field in refused]
        raise RuleViolated(say("account.input_refused"), code=CODE, errors=problems) from error


def _names_in(error: UpstreamRejected) -> list[str]:
    """Return the upstream's names of the refused fields. If it lists none, its sentence begins with one."""
    listed = [str(each) for each in getattr(error, "fields", ())]
    return listed or [error.reason.partition(":")[0].strip()]
