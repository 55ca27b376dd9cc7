"""Open a support case, directly in Salesforce, with the portal's origin.

The case carries an external id made of account and idempotency key, so that neither a retry nor a time-out after the
write opens a second one. Without a key, the same text within the hour counts as the same case.

Writes: Salesforce Case.
"""

import asyncio
import hashlib
from contextlib import suppress
from typing import Annotated, Literal
from uuid import uuid4

import structlog
from msgspec import Meta, Struct
from msgspec.structs import replace

from app.clock import now
from app.commands.execution import pending_write, refusals
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.execution.postal_addresses import TOO_LONG
from app.errors import (
    Conflict,
    OutcomeUnknown,
    RuleViolated,
    UpstreamError,
    UpstreamRejected,
    UpstreamUnavailable,
    Violation,
)
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import account_history_hint
from app.inputs.text import Line, Lines
from app.intake.words import same_lines
from app.integrations.salesforce import records
from app.integrations.salesforce.cases import SalesforceCases
from app.integrations.salesforce.org import limits
from app.words.sentence import say

DUPLICATE = "DUPLICATE_VALUE"
NAMES = {"Subject": "subject", "Description": "description", "Priority": "priority"}
LOOK_AGAIN_SECONDS = (0.2, 1.0)

log = structlog.get_logger()


class OpenCase(Struct, forbid_unknown_fields=True):
    """The subject, description and priority of a new case."""

    subject: Annotated[Line, Meta(min_length=1, max_length=255)]
    description: Annotated[Lines, Meta(min_length=1, max_length=32_000)]
    """What happened, in the customer's words."""
    priority: Literal["low", "medium", "high"] = "medium"


class CaseOpened(Struct, frozen=True):
    """The new case's Salesforce id."""

    case_id: str


async def open_case(ctx: Context, actor: Actor, request: OpenCase) -> Done:
    """Open a case, or find the one that the same request opened earlier.

    Raises:
        RuleViolated: `field_too_long`, `field_refused`.
        Conflict: `request_in_progress`, another case of this account is being opened.
        OutcomeUnknown: Salesforce did not answer; repeat the same request to find out.
    """
    account_id = actor.account_id_or_refuse()
    async with ctx.locks.exclusively("open_case", account_id) as mine:
        if not mine:
            raise Conflict(say("account.request_in_progress"), code="request_in_progress", retry_after_seconds=2)
        write = write_of(
            actor,
            COMMAND.name,
            "cases",
            {"subject": request.subject, "priority": request.priority},
            recheck=("salesforce", "account_history", actor.salesforce_account_id),
        )
        case_id = await _open(ctx, actor, request, write)
        submission = await read_back(ctx, actor, case_id, replace(write, item_id=case_id))
    return Done(CaseOpened(case_id), submission, target=case_id)


async def _open(ctx: Context, actor: Actor, request: OpenCase, write: Pending) -> str:
    cases = SalesforceCases(ctx.salesforce)
    subject, description = " ".join(same_lines(request.subject).split()), same_lines(request.description)
    _refuse_too_long(subject, description)
    if actor.command_key:
        key = hashlib.sha256(f"{actor.account_id}:{actor.command_key}".encode()).hexdigest()
        found = await cases.by_key(key)
    else:
        key, found = uuid4().hex, await cases.same(actor.salesforce_account_id, subject, description)
    if found is not None:
        return found
    await pending_write.begin(ctx, write)
    try:
        with refusals.named(NAMES):
            return await cases.opened(actor.salesforce_account_id, key, subject, description, request.priority.title())
    except (OutcomeUnknown, UpstreamRejected) as error:
        return await _found_after(cases, key, error)


def _refuse_too_long(subject: str, description: str) -> None:
    values = {"subject": (subject, limits.SUBJECT), "description": (description, limits.DESCRIPTION)}
    wrong = [
        Violation(name, TOO_LONG, limit.sentence) for name, (text, limit) in values.items() if not limit.fits(text)
    ]
    if wrong:
        raise RuleViolated(say("support.shorten"), code=TOO_LONG, errors=wrong)


async def _found_after(cases: SalesforceCases, key: str, error: UpstreamError) -> str:
    """Look the case up by its key after an unknown outcome, or a refusal because it exists already."""
    if isinstance(error, UpstreamRejected) and error.vendor_code != DUPLICATE:
        raise error
    for pause_seconds in LOOK_AGAIN_SECONDS:
        await asyncio.sleep(pause_seconds)
        with suppress(UpstreamUnavailable):
            if found := await cases.by_key(key):
                log.info("case_found_by_its_key", case_id=found)
                return found
    raise error


async def read_back(ctx: Context, actor: Actor, case_id: str, write: Pending) -> int | None:
    """Submit the case as Salesforce holds it, for the timeline. If it cannot be read, a worker refetches it later."""
    read_at = now()
    try:
        case = await ctx.salesforce.get("Case", case_id)
    except UpstreamError as error:
        log.warning("case_not_read_back", case_id=case_id, error=str(error))
        hint = account_history_hint(actor.salesforce_account_id, f"case:{case_id}:{read_at.isoformat()}")
        return await ctx.inbox.submit([hint], pending=[write])
    return await ctx.inbox.submit([records.change("Case", case, origin="command", read_at=read_at)], pending=[write])


COMMAND = Command(open_case, writes=("salesforce",), away="refuse")
