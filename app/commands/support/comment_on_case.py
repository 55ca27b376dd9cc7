"""Comment on a case of one's own, visible to staff and customer.

A comment carries no key, so a repetition is recognised by its text: a comment that equals the case's last public one,
written by the portal within the hour, is not added again. A reply in between would be the last one.

Writes: Salesforce CaseComment.
"""

from typing import Annotated, Any

import structlog
from msgspec import Meta, Struct, structs

from app.clock import now
from app.commands.execution import pending_write, refusals
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.execution.postal_addresses import TOO_LONG
from app.errors import Conflict, NotFound, OutcomeUnknown, RuleViolated, UpstreamUnavailable, Violation
from app.ingest.inbox.pending import Pending
from app.inputs.text import Lines
from app.intake import parse
from app.intake.words import same_lines
from app.integrations.salesforce.cases import SAME_WITHIN, SalesforceCases
from app.integrations.salesforce.org import limits
from app.words.sentence import say
from app.words.worded import sentence_in

log = structlog.get_logger()


class CommentOnCase(Struct, forbid_unknown_fields=True):
    """The comment to add."""

    body: Annotated[Lines, Meta(min_length=1, max_length=4_000)]


class CommentOn(Struct, frozen=True):
    """The case named by the path, and the comment."""

    case_id: str
    comment: CommentOnCase


async def comment_on_case(ctx: Context, actor: Actor, request: CommentOn) -> Done:
    """Add a comment to the caller's own case, unless it was added already.

    Raises:
        NotFound: `case_not_found`.
        RuleViolated: `field_too_long`, `field_refused`.
        Conflict: `case_closed`, `request_in_progress`.
        OutcomeUnknown: Salesforce did not answer; repeat the same request to find out.
    """
    account_id = actor.account_id_or_refuse()
    cases, body = SalesforceCases(ctx.salesforce), same_lines(request.comment.body)
    if not limits.COMMENT.fits(body):
        wrong = Violation("body", TOO_LONG, limits.COMMENT.sentence)
        raise RuleViolated(sentence_in(wrong, "message"), code=TOO_LONG, errors=[wrong])
    async with ctx.locks.exclusively("comment_on_case", account_id, same_case(request.case_id)) as mine:
        if not mine:
            raise Conflict(say("account.request_in_progress"), code="request_in_progress", retry_after_seconds=2)
        case = await own_case(cases, actor, request.case_id)
        if not _is_there(case, body, cases.portal_user, anywhere=actor.repeated):
            if case["IsClosed"]:
                raise Conflict(say("support.closed_already"), code="case_closed")
            await pending_write.begin(ctx, structs.replace(_write(actor, request), item_id=case["Id"]))
            await _add_comment(cases, actor, case["Id"], body)
    return Done({"case_id": case["Id"]}, outcome="shown", target=case["Id"])


def same_case(case_id: str) -> str:
    """Return one form of a case id: Salesforce accepts an id of 18 characters without its last three as well."""
    return case_id[:15]


async def own_case(cases: SalesforceCases, actor: Actor, case_id: str) -> dict[str, Any]:
    """Return the caller's own case with its comments and files.

    Raises:
        NotFound: `case_not_found`, absent or another account's.
    """
    case = await cases.one(actor.salesforce_account_id, case_id) if case_id.isalnum() else None
    if case is None:
        raise NotFound(say("support.not_found"), code="case_not_found")
    return case


async def _add_comment(cases: SalesforceCases, actor: Actor, case_id: str, body: str) -> None:
    """Add the comment. After an unknown outcome look at the case; if that does not settle it, the caller repeats."""
    try:
        with refusals.named({"CommentBody": "body"}):
            await cases.commented(case_id, body)
    except OutcomeUnknown as unknown:
        try:
            case = await own_case(cases, actor, case_id)
        except UpstreamUnavailable:
            raise unknown from None
        if not _is_there(case, body, cases.portal_user):
            raise
        log.info("comment_found_after_unknown_outcome", case_id=case_id)


def _write(actor: Actor, request: CommentOn) -> Pending:
    history = ("salesforce", "account_history", actor.salesforce_account_id)
    value = {"body": same_lines(request.comment.body)}
    return write_of(actor, COMMAND.name, "cases", value, item_id=request.case_id, recheck=history)


def _is_there(case: dict[str, Any], body: str, portal_user: str, *, anywhere: bool = False) -> bool:
    """Tell if the case's last comment is this one, or `anywhere` one of them: of an earlier run of the command, a reply
    may have followed."""
    return any(_is_same(each, body, portal_user) for each in case["CaseComments"][: None if anywhere else 1])


def _is_same(comment: dict[str, Any], body: str, portal_user: str) -> bool:
    ours = (comment.get("CreatedBy") or {}).get("Username", "").casefold() == portal_user.casefold()
    at = parse.instant(comment["CreatedDate"])
    fresh = at is not None and now() - at < SAME_WITHIN
    return bool(ours and fresh and same_lines(comment["CommentBody"] or "") == body)


COMMAND = Command(comment_on_case, writes=("salesforce",), away="queue", queued_write=_write)
