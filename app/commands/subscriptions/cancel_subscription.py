"""Request the cancellation of a service, now or at the end of the paid period. WHMCS's daily run carries it out.

WHMCS accepts one request per service, and no call revokes it. The reason carries a tag of the command, so that a
repetition can tell its own request from another's.

Writes: WHMCS cancellation request, ingest.inbox.
"""

import asyncio
import hashlib
from datetime import datetime
from typing import Annotated
from uuid import uuid4
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from app.clock import now
from app.commands.execution import pending_write
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.subscriptions.service import Service, find_own, refuse_unless
from app.commands.subscriptions.service_lock import lock_own_service
from app.errors import Conflict, OutcomeUnknown, RuleViolated, UpstreamRejected, UpstreamUnavailable, Violation
from app.ingest.inbox.pending import Pending
from app.ingest.refetch.owners import whmcs_hint
from app.inputs.text import LinesOrNothing
from app.integrations.whmcs import cancellations, records
from app.integrations.whmcs.cancellations import CancellationKind
from app.integrations.whmcs.faults import CANCELLATION_EXISTS
from app.readmodels.services import CHANGEABLE
from app.readmodels.subscriptions import Cancellation, When
from app.words.sentence import say

KINDS: dict[When, CancellationKind] = {"now": "Immediate", "end_of_period": "End of Billing Period"}
LOOK_AGAIN_SECONDS = (0.2, 1.0)


class Cancel(Struct, forbid_unknown_fields=True):
    """When to cancel, and an optional reason."""

    when: When = "end_of_period"
    """At once, or at the end of the billed period."""
    reason: Annotated[LinesOrNothing, Meta(max_length=1_000)] = ""
    """The customer's words, for staff."""


class CancelSubscription(Struct, frozen=True):
    """The service named by the path, and how to cancel it."""

    subscription_id: str
    cancel: Cancel


async def cancel_subscription(ctx: Context, actor: Actor, request: CancelSubscription) -> Done:
    """Request the cancellation once; the result is the cancellation as it stands.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `subscription_not_active`, `cancellation_exists`, `subscription_busy`.
        RuleViolated: `no_billing_period`.
        OutcomeUnknown: repeat the same request to find out.
    """
    async with lock_own_service(ctx, actor, request.subscription_id):
        service = await find_own(ctx, actor, request.subscription_id, live=True)
        refuse_unless(service, *CHANGEABLE)
        when = request.cancel.when
        if when == "end_of_period" and service.next_due_on is None:
            sentence = say("subscriptions.no_period")
            problem = Violation("when", "no_billing_period", sentence)
            raise RuleViolated(sentence, code="no_billing_period", errors=[problem])
        write = _write(actor, request)
        await pending_write.begin(ctx, write)
        await _request_cancellation(ctx, actor, service, request.cancel)
        asked_at = now()
        local = asked_at.astimezone(ZoneInfo(ctx.settings.whmcs_time_zone)).strftime("%Y-%m-%d %H:%M:%S")
        record = records.cancellation(service.subscription_id, KINDS[when], local)
        requested = [records.change(record, origin="command", read_at=asked_at)]
        submission = await ctx.inbox.submit(requested, pending=[write])
    ends_on = service.next_due_on if when == "end_of_period" else None
    found = Cancellation(when=when, requested_on=datetime.fromisoformat(local).date(), ends_on=ends_on)
    return Done(found, submission, target=service.subscription_id)


def _write(actor: Actor, request: CancelSubscription) -> Pending:
    return write_of(
        actor,
        COMMAND.name,
        "subscriptions",
        {"cancellation": {"when": request.cancel.when}},
        item_id=request.subscription_id,
        recheck=("whmcs", "cancel_requests", "all"),
    )


async def _request_cancellation(ctx: Context, actor: Actor, service: Service, cancel: Cancel) -> None:
    key = actor.command_key or uuid4().hex
    tag = f"[portal {hashlib.sha256(key.encode()).hexdigest()[:12]}]"
    reason = f"{cancel.reason.strip()} {tag}".strip()
    try:
        await cancellations.request_cancellation(ctx.whmcs, service.subscription_id, KINDS[cancel.when], reason)
    except UpstreamRejected as error:
        if error.vendor_code != CANCELLATION_EXISTS:
            raise
        if not await _is_own_request(ctx, service, tag):
            raise await _already_requested(ctx, service) from error
    except OutcomeUnknown as unknown:
        for pause_seconds in LOOK_AGAIN_SECONDS:
            await asyncio.sleep(pause_seconds)
            try:
                if await _is_own_request(ctx, service, tag):
                    return
            except UpstreamUnavailable:  # it may have been requested all the same
                raise unknown from None
        raise


async def _is_own_request(ctx: Context, service: Service, tag: str) -> bool:
    return tag in (await cancellations.reason_of(ctx.whmcs, service.subscription_id) or "")


async def _already_requested(ctx: Context, service: Service) -> Conflict:
    await ctx.inbox.submit([whmcs_hint("cancel_requests", "all", f"exists:{service.subscription_id}:{now()}")])
    return Conflict(
        say("subscriptions.cancelled_already"),
        code="cancellation_exists",
    )


COMMAND = Command(cancel_subscription, writes=("whmcs",), away="queue", needs="service", queued_write=_write)
