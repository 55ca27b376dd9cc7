"""Run one order's fulfilment as far as possible now.

Everything within a step ends in one of five outcomes, and the journal moves only with them; after a crash in between
the step is run again. One lock per order prevents two workers from running the same one.
"""

import time

import msgspec
import structlog

from app.commands.execution.context import Context
from app.commands.fulfilment import billing_account, journal, provision, reports, undo
from app.commands.fulfilment.steps import STEPS, after
from app.commands.fulfilment.work import (
    REJECTED,
    TRIES,
    UNAVAILABLE,
    Fail,
    Job,
    OrderOutcome,
    Outcome,
    Pause,
    Retry,
    Wait,
    Work,
    again,
)
from app.db import is_database_outage
from app.errors import UpstreamError, UpstreamRejected
from app.intake.words import folded
from app.integrations.salesforce import activation

UNREACHABLE_SECONDS = 60.0
"""How often an order that waits for the end of an outage is retried."""
DATABASE_SECONDS = 5.0
"""The same for the portal's own database. No order fails because of its outages."""

_OWNER = """
SELECT m.whmcs_client_id, u.email FROM portal.id_mappings m JOIN portal.users u ON u.id = m.user_id
WHERE m.account_id = $1
"""

log = structlog.get_logger()


async def run(ctx: Context, order_id: str) -> None:
    """Run every step that can be run now; returns when the order is done, waiting, paused or failed.

    Once the order is done, the steps of its provisioning template follow.

    Raises:
        Lost: this process was frozen, and another may have continued the order.
    """
    async with ctx.locks.exclusively("fulfilment", order_id) as mine:
        work: Work | None = None
        while mine and (job := await journal.begin(ctx.pool, order_id)):
            began = time.monotonic()
            attempted, work = await _attempt(ctx, job, work)
            await mine.prove()  # after a freeze another worker may have continued the order
            outcome = await reports.report(ctx, job, work, attempted)
            await mine.prove()
            await journal.settle(ctx.pool, job, outcome, after(job.step))
            log.info(
                "fulfilment_step",
                order_id=order_id,
                step=job.step,
                attempt=job.attempt,
                outcome=type(outcome).__name__.lower(),
                code=getattr(outcome, "code", None),
                duration_ms=round((time.monotonic() - began) * 1000),
            )
        if mine:
            await provision.run(ctx, order_id, mine.prove)


async def _attempt(ctx: Context, job: Job, work: Work | None) -> tuple[OrderOutcome, Work | None]:
    """Try the job's step. The order is read once per run and passed on to the next step."""
    try:
        work = await _work(ctx, job, work)
        return await _step(work), work
    except UpstreamError as error:
        log.warning("fulfilment_step_failed", order_id=job.order_id, step=job.step, error=str(error))
        return _verdict(job, error), work
    except Exception as error:
        if is_database_outage(error):
            log.warning("fulfilment_step_postponed", order_id=job.order_id, step=job.step, error=repr(error))
            return Wait(DATABASE_SECONDS, unsure=True), work
        log.exception("fulfilment_step_broken", order_id=job.order_id, step=job.step)
        if job.attempt < TRIES:
            return again(job.attempt, type(error).__name__), work
        return Fail("INTERNAL_ERROR", "The portal could not carry out this step; its log says why."), work


async def _step(work: Work) -> OrderOutcome:
    """Carry out the step, unless staff ended the order or took its approval back."""
    if folded(work.order.status) in activation.WITHDRAWN:
        return await undo.withdraw(work)
    if work.job.facts.get(undo.BEGUN):
        return await undo.begin_anew(work)
    if work.job.step in reports.BEFORE_ANY_EFFECT and work.order.status not in activation.APPROVED:
        return Fail(journal.NOT_APPROVED, f"The order is {work.order.status}.")
    if work.job.facts.get("withdrawn"):
        await work.remember(withdrawn=None)  # staff changed their mind meanwhile
    await reports.take_up(work)
    if not work.whmcs_client_id:
        return billing_account.missing("The customer's portal account has no WHMCS client.")
    return await STEPS[work.job.step](work)


async def _work(ctx: Context, job: Job, known: Work | None) -> Work:
    if known is not None and not job.facts.get("withdrawn"):
        return msgspec.structs.replace(known, job=job, reported_code=job.error_code)
    owner = await ctx.pool.fetchrow(_OWNER, job.account_id) or {"whmcs_client_id": "", "email": ""}
    order = await activation.live(ctx.salesforce, job.order_id)
    return Work(ctx=ctx, job=job, order=order, reported_code=job.error_code, **dict(owner))


def _verdict(job: Job, error: UpstreamError) -> Outcome:
    """Turn an upstream's error into an outcome: a refusal is permanent, so staff must act. Anything else is retried,
    then paused until the upstream is available again."""
    if isinstance(error, UpstreamRejected):
        return Fail(REJECTED[error.upstream], f"{error.operation}: {error.reason}")
    if job.attempt < TRIES:
        return again(job.attempt, str(error)[:200])
    code = UNAVAILABLE[error.upstream]
    if job.error_code not in (None, code):
        return Retry(UNREACHABLE_SECONDS, str(error)[:200])  # already paused for a reason that staff can act on
    return Pause(code, f"{error.operation} failed; it is retried every minute.", UNREACHABLE_SECONDS)
