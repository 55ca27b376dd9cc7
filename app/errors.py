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
from typing import Any, Literal

import msgspec
from msgspec import Struct

from app.words.sentence import Phrase, Sentence, say
from app.words.worded import Worded, sentence_in

ShapeRule = Literal["required", "too_short", "too_long", "invalid_format", "not_one_of", "invalid"]
"""The rules of shape that a value can break; `invalid` is any other one."""


class Violation(Worded, frozen=True, omit_defaults=True):
    """One fault of a request: the field (dotted path), a stable code and a sentence.

    `params` are the numbers and words of the sentence by name, for a client with its own wording: `most`, `least`,
    `expected`, `choices`. `pointer` is the field as a JSON pointer into the body (RFC 6901); it is left out for
    anything outside the body. `rule` is the rule of shape that the value breaks; it is left out where a well-formed
    value breaks a rule of business. `message_phrases` are the codes and parameters of the sentence.
    """

    field: str
    """The name of the field, as a dotted path."""
    code: str
    message: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    """The numbers and words of the sentence, by name."""
    pointer: str = ""
    """The field as a JSON pointer into the body; left out for anything outside the body."""
    rule: ShapeRule | None = None
    """The rule of shape that the value breaks; left out where a well-formed value breaks a rule of business."""
    message_phrases: tuple[Phrase, ...] = ()


class Advice(Worded, frozen=True):
    """A stable code with its sentence, and the phrases that it consists of."""

    code: str
    message: str
    message_phrases: tuple[Phrase, ...] = ()

    @property
    def sentence(self) -> Sentence:
        """The sentence with its phrases."""
        return sentence_in(self, "message")


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


class CaseDraft(Struct, frozen=True, kw_only=True):
    """A support case to send as it is, or after the customer has changed it: the body of `POST /api/cases`."""

    subject: str
    description: str
    priority: Literal["low", "medium", "high"] = "medium"


class PortalError(Exception):
    """Base of every error the portal raises on purpose.

    `code` is stable and documented; `detail` is a friendly sentence that says what to do next. Neither contains
    internals.
    """

    code = "internal_error"
    detail: str = say("problems.internal_error")
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
        self.case: CaseDraft | None = None
        self.retry_after_seconds = retry_after_seconds or self.retry_after_seconds
        super().__init__(f"{self.code}: {self.detail}")

    @property
    def told_seconds(self) -> int | None:
        """What the caller is told of when to come back; None where coming back is no use."""
        return self.retry_after_seconds


class InvalidRequest(PortalError):
    code = "invalid_request"
    detail = say("problems.invalid_request")


class RuleViolated(PortalError):
    code = "rule_violated"
    detail = say("problems.rule_violated")


class NotFound(PortalError):
    code = "not_found"
    detail = say("problems.not_found")


class Conflict(PortalError):
    code = "conflict"
    detail = say("problems.conflict")


class Outdated(PortalError):
    code = "precondition_failed"
    detail = say("problems.precondition_failed")


class NotAuthenticated(PortalError):
    code = "not_authenticated"
    detail = say("problems.not_authenticated")


class NotAllowed(PortalError):
    code = "not_allowed"
    detail = say("problems.not_allowed")


class PaymentRefused(PortalError):
    code = "payment_declined"
    detail = say("problems.payment_declined")


class RateLimited(PortalError):
    code = "rate_limited"
    detail = say("problems.rate_limited")
    retry_after_seconds = 60


class TooLarge(PortalError):
    code = "body_too_large"
    detail = say("problems.body_too_large")


class NotReady(PortalError):
    code = "not_ready"
    detail = say("problems.not_ready")
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
    detail = say("problems.inbox_full")
    retry_after_seconds = 5


class TooManyQueued(RateLimited):
    """The account has as many commands waiting for an upstream as it may."""

    code = "too_many_queued"
    detail = say("problems.too_many_queued")


class QueueFull(Overloaded):
    """All accounts together have as many commands waiting for upstreams as there may be."""

    code = "queue_full"
    detail = say("problems.queue_full")


class ScannerUnavailable(PortalError):
    code = "scanner_unavailable"
    detail = say("problems.scanner_unavailable")
    retry_after_seconds = 60


class UpstreamError(PortalError):
    """An upstream failed to do its part.

    `upstream` is salesforce, whmcs, freebit or whm; `operation` names the call; `reason` is the vendor's own text for
    operators' logs and never reaches a customer. `retry_after_seconds` is given if the upstream stated it.
    `recovery_seconds` is when the upstream is expected back, for customers; what calls it tries earlier.
    """

    code = "upstream_error"
    detail = say("problems.upstream_error")
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
        self.recovery_seconds: int | None = None
        self.upstream = upstream
        self.operation = operation
        self.reason = reason
        self.vendor_code = vendor_code
        self.args = (f"{type(self).__name__} {upstream} {operation}: {vendor_code} {reason}".strip(),)

    @property
    def told_seconds(self) -> int | None:
        """What the caller is told: when the upstream is expected back, as far as that was measured."""
        return self.recovery_seconds or self.retry_after_seconds


class UpstreamUnavailable(UpstreamError):
    code = "upstream_unavailable"
    detail = say("problems.upstream_unavailable")


class UpstreamUnreached(UpstreamUnavailable):
    """The request was never sent."""


class UpstreamBusy(UpstreamUnavailable):
    code = "upstream_busy"
    detail = say("problems.upstream_busy")


class SupportUnavailable(UpstreamUnavailable):
    code = "support_unavailable"
    detail = say("problems.support_unavailable")


class OutcomeUnknown(UpstreamError):
    code = "outcome_unknown"
    detail = say("problems.outcome_unknown")


class UpstreamRejected(UpstreamError):
    """A permanent refusal. `fields` are those that the upstream itself names, in its own spelling."""

    code = "upstream_rejected"
    detail = say("problems.upstream_rejected")
    retry_after_seconds = None

    def __init__(
        self, upstream: str, operation: str, reason: str = "", *, vendor_code: str = "", fields: tuple[str, ...] = ()
    ) -> None:
        super().__init__(upstream, operation, reason, vendor_code=vendor_code)
        self.fields = fields


class UpstreamNotFound(UpstreamRejected):
    code = "upstream_not_found"
    detail = say("problems.upstream_not_found")


class UpstreamAuthFailed(UpstreamError):
    code = "upstream_auth_failed"
    detail = say("problems.upstream_unavailable")


class UpstreamMalformed(UpstreamError):
    code = "upstream_malformed"
    detail = say("problems.upstream_malformed")
