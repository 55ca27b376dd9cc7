"""The one error tree. HTTP status codes are given in `app/http/answering/problems.py` and nowhere else.

PortalError
├── InvalidRequest          the request is malformed; nothing was tried
├── RuleViolated            well formed, but a business rule forbids it; `errors` lists every violation
├── NotFound                absent, or another owner's: the same answer
├── Conflict                conflicts with the present state
├── Outdated                the caller's precondition names a state that has changed since
├── NotAuthenticated        no valid session, token or signature
├── NotAllowed              a session without the right
├── PaymentRefused          the payment method on file was declined; nothing was charged
├── RateLimited             too many requests
├── TooLarge                the body exceeds its bound
├── NotReady                this account was never projected
├── ScannerUnavailable      a file could not be scanned for malware; it was not stored
├── Overloaded              too much work is waiting; the sender tries again
├── ReleaseMismatch         this release and the read models in the database do not match; the process must stop
├── TransactionPooler       a connection to Postgres is not a session, so locks fail; the process must end

└── UpstreamError           an upstream failed to do its part
    ├── UpstreamUnavailable not reached, or refused before any effect: safe to repeat
    │   ├── UpstreamUnreached   no connection was made, or its breaker is open: nothing was sent
    │   ├── UpstreamBusy    locked or rate limited: safe to repeat later
    │   └── SupportUnavailable  Salesforce is unavailable for the support cases that are read live
    ├── OutcomeUnknown      sent, but not answered: never repeat before checking the effect
    ├── UpstreamRejected    answered with a business refusal: repeating gives the same result
    │   └── UpstreamNotFound
    ├── UpstreamAuthFailed  our own credentials or permissions were refused
    └── UpstreamMalformed   the answer could not be parsed
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Violation(Struct, frozen=True, omit_defaults=True):
    """One fault of a request: the field (dotted path), a stable code and a sentence.

    `params` are the numbers and words of the sentence by name, for a client with its own wording: `most`, `least`,
    `expected`, `choices`. `pointer` is the field as a JSON pointer into the body (RFC 6901); it is left out for
    anything outside the body.
    """

    field: str
    """The name of the field, as a dotted path."""
    code: str
    message: str
    params: dict[str, Any] = {}
    """The numbers and words of the sentence, by name."""
    pointer: str = ""
    """The field as a JSON pointer into the body; left out for anything outside the body."""


class Advice(Struct, frozen=True):
    """A stable code with its sentence."""

    code: str
    message: str


class PasswordFeedback(Struct, frozen=True):
    """A password's strength, from 0 (guessed at once) to 4, and advice on how to improve it."""

    score: int
    """The strength, from 0 to 4."""
    least_score: int
    """The score that is needed."""
    warning: Advice | None
    """Why it is easy to guess; null without a reason."""
    suggestions: list[Advice]
    """How to choose a better one."""


class PortalError(Exception):
    """Base of every error the portal raises on purpose.

    `code` is stable and documented; `detail` is a friendly sentence that says what to do next. Neither contains
    internals.
    """

    code = "internal_error"
    detail = "Something went wrong on our side. Please try again later."
    retry_after_seconds: int | None = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        errors: Sequence[Violation] = (),
        retry_after_seconds: int | None = None,
    ) -> None:
        self.code = code or self.code
        self.detail = detail or self.detail
        self.errors = tuple(errors)
        self.feedback: PasswordFeedback | None = None
        self.retry_after_seconds = retry_after_seconds or self.retry_after_seconds
        super().__init__(f"{self.code}: {self.detail}")


class InvalidRequest(PortalError):
    code = "invalid_request"
    detail = "The request could not be understood. Check the fields named in errors."


class RuleViolated(PortalError):
    code = "rule_violated"
    detail = "The request breaks a rule. See errors for each one."


class NotFound(PortalError):
    code = "not_found"
    detail = "There is nothing here under that id."


class Conflict(PortalError):
    code = "conflict"
    detail = "The request clashes with the present state. Read it again and retry."


class Outdated(PortalError):
    code = "precondition_failed"
    detail = "This was changed meanwhile. Read it again, look at what changed, and send your change once more."


class NotAuthenticated(PortalError):
    code = "not_authenticated"
    detail = "Please log in."


class NotAllowed(PortalError):
    code = "not_allowed"
    detail = "You are not allowed to do this."


class PaymentRefused(PortalError):
    code = "payment_declined"
    detail = "Your payment method was declined and nothing was charged. Try another, or pay on the payment page."


class RateLimited(PortalError):
    code = "rate_limited"
    detail = "Too many requests. Please wait a moment and try again."
    retry_after_seconds = 60


class TooLarge(PortalError):
    code = "body_too_large"
    detail = "The request body is too large."


class NotReady(PortalError):
    code = "not_ready"
    detail = "We are still preparing your account. Please try again in a moment."
    retry_after_seconds = 5


class ReleaseMismatch(PortalError):
    code = "release_mismatch"
    detail = "This release and the read models in the database do not fit. Migrate, or stop this process."


class TransactionPooler(PortalError):
    code = "transaction_pooler"
    detail = (
        "DATABASE_URL leads through a pooler in transaction mode, where locks and notifications do not hold. "
        "Name Postgres itself, or a pooler in session mode."
    )


class Overloaded(PortalError):
    code = "inbox_full"
    detail = "More has come in than we can take at the moment. Please send it again in a few seconds."
    retry_after_seconds = 5


class ScannerUnavailable(PortalError):
    code = "scanner_unavailable"
    detail = "We cannot check files at the moment. Nothing was sent; please try again in a minute."
    retry_after_seconds = 60


class UpstreamError(PortalError):
    """An upstream failed to do its part.

    `upstream` is salesforce, whmcs, freebit or whm; `operation` names the call; `reason` is the vendor's own text for
    operators' logs and never reaches a customer. `retry_after_seconds` is given if the upstream stated it.
    """

    code = "upstream_error"
    detail = "A system we depend on could not complete this. Please try again later."
    retry_after_seconds: int | None = 30

    def __init__(
        self,
        upstream: str,
        operation: str,
        reason: str = "",
        *,
        vendor_code: str = "",
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(code=self.code, retry_after_seconds=retry_after_seconds)
        self.told_to_wait = retry_after_seconds is not None
        self.upstream = upstream
        self.operation = operation
        self.reason = reason
        self.vendor_code = vendor_code
        self.args = (f"{type(self).__name__} {upstream} {operation}: {vendor_code} {reason}".strip(),)


class UpstreamUnavailable(UpstreamError):
    code = "upstream_unavailable"
    detail = "A system we depend on is unavailable. Please try again later."


class UpstreamUnreached(UpstreamUnavailable):
    """The request was never sent."""


class UpstreamBusy(UpstreamUnavailable):
    code = "upstream_busy"
    detail = "A system we depend on is busy. Please try again in a moment."


class SupportUnavailable(UpstreamUnavailable):
    code = "support_unavailable"
    detail = "The support system is unavailable. Please try again later."


class OutcomeUnknown(UpstreamError):
    code = "outcome_unknown"
    detail = (
        "We did not hear back in time. We are checking what happened; please look again in a moment before retrying."
    )


class UpstreamRejected(UpstreamError):
    """A permanent refusal. `fields` are those that the upstream itself names, in its own spelling."""

    code = "upstream_rejected"
    detail = "The request was refused by the system that keeps this record."
    retry_after_seconds = None

    def __init__(
        self, upstream: str, operation: str, reason: str = "", *, vendor_code: str = "", fields: tuple[str, ...] = ()
    ) -> None:
        super().__init__(upstream, operation, reason, vendor_code=vendor_code)
        self.fields = fields


class UpstreamNotFound(UpstreamRejected):
    code = "upstream_not_found"
    detail = "The record does not exist in the system that keeps it."


class UpstreamAuthFailed(UpstreamError):
    code = "upstream_auth_failed"
    detail = "A system we depend on is unavailable. Please try again later."


class UpstreamMalformed(UpstreamError):
    code = "upstream_malformed"
    detail = "A system we depend on gave an answer we could not read. Please try again later."
