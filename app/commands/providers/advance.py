"""Advance one provided service as far as possible now: look, decide, journal, write, look again.

The provider is read first and WHMCS last, right before the write that follows from both. A write is journaled before it
is made and counts as done only when the provider shows it.

Reads and writes: portal.provided_services, WHM account, Freebit line. Reads: WHMCS service.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
from msgspec import structs

from app.clock import now
from app.commands.execution.context import Context
from app.commands.providers import hosting, journal, lines
from app.commands.providers.decide import (
    Confirmed,
    Known,
    Nothing,
    Poll,
    Staff,
    Until,
    Verdict,
    Wanted,
    Write,
    for_hosting,
    for_line,
)
from app.commands.providers.desired import is_set_up_by_others, wanted_of
from app.commands.providers.journal import ProvidedService, Step, TooManyRemovals
from app.commands.subscriptions.plan_changes import journal as plan_changes
from app.errors import UpstreamNotFound, UpstreamRejected
from app.integrations.whm.faults import ALREADY_SUSPENDED, LOCKED, NOT_SUSPENDED, PACKAGE_MISSING
from app.readmodels.provider_accounts import ProviderState

MOST_WRITES = 3
"""Writes of one attempt: one that does not show by then is left to the next."""
SETTLE_SECONDS = 90.0
"""A write without an answer may still be carried out; only after this time may it be repeated."""
ACCEPTED_SECONDS = 86_400.0
"""How long a request that Freebit accepted is waited for."""
STAFF_LOOK_SECONDS = 3_600.0
PLAN_CHANGE_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 21_600.0
LONGEST_POLL_SECONDS = 600.0
REMOVALS = ("remove", "cancel")
SHOWN_ALREADY = (ALREADY_SUSPENDED, NOT_SUSPENDED)
FOR_STAFF = {LOCKED: "SUSPENDED_BY_OTHERS", PACKAGE_MISSING: "PACKAGE_MISSING"}

Prove = Callable[[], Awaitable[None]]

log = structlog.get_logger()


async def advance(ctx: Context, provided: ProvidedService, prove: Prove) -> ProvidedService:
    """Advance the service. `prove` verifies that the caller still holds its lock.

    Raises:
        NotFound: `subscription_not_found`.
        UpstreamError: the attempt failed; the next one looks first.
        MovedOn, Lost: another process goes on.
    """
    for _ in range(MOST_WRITES):
        wanted, verdict = await _judge(ctx, provided)
        if isinstance(verdict, Write):
            verdict = await _hindrance(ctx, provided, verdict.step) or verdict
        if not isinstance(verdict, Write):
            return await _settle(ctx, provided, wanted, verdict)
        await prove()
        provided, refused = await _write(ctx, provided, verdict.step, wanted)
        if refused is not None:
            return await _settle(ctx, provided, wanted, refused)
    return await _settle(ctx, provided, wanted, Poll())


async def _judge(ctx: Context, provided: ProvidedService) -> tuple[Wanted, Verdict]:
    """Read the provider, then WHMCS, and decide."""
    ending = provided.remove_at is not None and provided.actual == "suspended"
    known = Known(product_id=provided.product_id, switched_off=ending, sent=_sent(provided))
    if provided.provider == "whm":
        account = await ctx.whm.summary(provided.account_name)
        wanted, service = await wanted_of(ctx, provided)
        return wanted, for_hosting(wanted, hosting.found(provided, account, service), known, now())
    found = await lines.look(ctx, provided)
    wanted, _ = await wanted_of(ctx, provided)
    return wanted, for_line(wanted, found, known, now())


def _sent(provided: ProvidedService) -> Step | None:
    """Return the request that Freebit may be carrying out: accepted, or of an outcome that is not yet clear."""
    age = provided.step_age_seconds()
    if age is None:
        return None
    return provided.step if age < (ACCEPTED_SECONDS if provided.error_code is None else SETTLE_SECONDS) else None


async def _hindrance(ctx: Context, provided: ProvidedService, step: Step) -> Verdict | None:
    """Return why a write must not be made now, if there is a reason."""
    age = provided.step_age_seconds()
    if step == provided.step == "remove" and age is not None and age < SETTLE_SECONDS:
        return Poll()
    if provided.provider == "whm" and await is_set_up_by_others(ctx, provided):
        return Staff("OTHER_WRITER")
    if step.startswith("change_") and await plan_changes.open_of(ctx.pool, provided.subscription_id):
        return Poll()  # the portal's own change of plan is on its way
    return None


async def _write(
    ctx: Context, provided: ProvidedService, step: Step, wanted: Wanted
) -> tuple[ProvidedService, Verdict | None]:
    """Journal a write and make it. Returns the service, and a verdict if it is not to be looked at again now."""
    most = ctx.settings.provider_removals_per_day if step in REMOVALS else None
    try:
        provided = await journal.begin_step(ctx.pool, provided, step, most)
    except TooManyRemovals:
        return provided, Staff("TOO_MANY_REMOVALS", provided.actual)
    log.info("provider_write", subscription_id=provided.subscription_id, provider=provided.provider, step=step)
    try:
        await (hosting if provided.provider == "whm" else lines).write(ctx, provided, step, wanted)
    except UpstreamRejected as error:
        if error.vendor_code in SHOWN_ALREADY or isinstance(error, UpstreamNotFound):
            return provided, None  # the next look shows it
        if error.vendor_code in FOR_STAFF:
            return provided, Staff(FOR_STAFF[error.vendor_code], provided.actual)
        raise
    return provided, None if provided.provider == "whm" else Poll()


async def _settle(ctx: Context, was: ProvidedService, wanted: Wanted, verdict: Verdict) -> ProvidedService:
    """Store what an attempt came to."""
    to = structs.replace(was, desired=wanted.state, remove_at=wanted.remove_at, error_code=None, error_message=None)
    if isinstance(verdict, Staff):
        to = _actual(to, verdict.actual or was.actual).with_task(verdict.code, "")
        return await journal.move(ctx, was, structs.replace(to, step=None, step_at=None), seconds=STAFF_LOOK_SECONDS)
    to = to.without_task("settled")
    if isinstance(verdict, Poll):
        to = structs.replace(to, state="following", error_code=was.error_code, error_message=was.error_message)
        return await journal.move(ctx, was, to, seconds=_poll_seconds(ctx, was))
    to = structs.replace(to, step=None, step_at=None)
    if isinstance(verdict, Until):
        to = structs.replace(_actual(to, verdict.actual), state="following", remove_at=verdict.at)
        return await journal.move(ctx, was, to, seconds=_seconds_until(verdict.at), fresh=True)
    if isinstance(verdict, Nothing):
        return await journal.move(ctx, was, structs.replace(to, remove_at=None), fresh=True)
    assert isinstance(verdict, Confirmed)
    to = structs.replace(_actual(to, verdict.actual), remove_at=None)
    if verdict.plan and wanted.state == "active":
        to = structs.replace(to, product_id=wanted.product_id)
    return await journal.move(ctx, was, to, fresh=True)


def _actual(of: ProvidedService, actual: ProviderState | None) -> ProvidedService:
    """Return the service with what the provider has, and since when."""
    return of if of.actual == actual else structs.replace(of, actual=actual, actual_at=now() if actual else None)


def _seconds_until(at: datetime) -> float:
    return min(max((at - now()).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)


def _poll_seconds(ctx: Context, provided: ProvidedService) -> float:
    return float(min(ctx.settings.freebit_poll_seconds * 2 ** min(provided.attempts, 16), LONGEST_POLL_SECONDS))
