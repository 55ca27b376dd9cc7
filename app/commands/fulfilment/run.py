"""Run one order's fulfilment as far as possible now.

Everything within a step ends in one of five outcomes, and the journal moves only with them; after a crash in between
the step is run again. One lock per order prevents two workers from running the same one.
"""

import time

import msgspec
import structlog

from app.clock import now
from app.commands.execution.context import Context
from app.commands.fulfilment import journal, provision
from app.commands.fulfilment.steps import BEFORE_ANY_EFFECT, STEPS, after
from app.commands.fulfilment.work import TRIES, Fail, Job, Outcome, Pause, Retry, Wait, Work, again
from app.db import is_database_outage, only_row
from app.errors import UpstreamError, UpstreamNotFound, UpstreamRejected
from app.integrations.salesforce import activation

UNREACHABLE_SECONDS = 60.0
"""How often an order that waits for the end of an outage is retried."""
DATABASE_SECONDS = 5.0
"""The same for the portal's own database. No order fails because of its outages."""

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
            outcome = await _reported(ctx, job, attempted)
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


async def _attempt(ctx: Context, job: Job, work: Work | None) -> tuple[Outcome, Work | None]:
    """Try the job's step. The order is read once per run and passed on to the next step."""
    try:
        work = await _work(ctx, job, work)
        if job.step in BEFORE_ANY_EFFECT and work.order.status not in activation.APPROVED:
            return Fail(journal.NOT_APPROVED, f"The order is {work.order.status}."), work
        return await STEPS[job.step](work), work
    except UpstreamError as error:
        log.warning("fulfilment_step_failed", order_id=job.order_id, step=job.step, error=str(error))
        return _verdict(job, error), work
    except Exception as error:
        if is_database_outage(error):
            log.warning("fulfilment_step_postponed", order_id=job.order_id, step=job.step, error=repr(error))
            return Wait(DATABASE_SECONDS), work
        log.exception("fulfilment_step_broken", order_id=job.order_id, step=job.step)
        if job.attempt < TRIES:
            return again(job.attempt, type(error).__name__), work
        return Fail("INTERNAL_ERROR", "The portal could not carry out this step; its log says why."), work


async def _work(ctx: Context, job: Job, known: Work | None) -> Work:
    if known is not None:
        return msgspec.structs.replace(known, job=job)
    owner = await only_row(
        ctx.pool,
        "SELECT m.whmcs_client_id, u.email FROM portal.id_mappings m JOIN portal.users u ON u.id = m.user_id "
        "WHERE m.account_id = $1",
        job.account_id,
    )
    order = await activation.live(ctx.salesforce, job.order_id)
    return Work(ctx=ctx, job=job, order=order, whmcs_client_id=owner["whmcs_client_id"], email=owner["email"])


def _verdict(job: Job, error: UpstreamError) -> Outcome:
    """Turn an upstream's error into an outcome: a refusal is permanent, so staff must act. Anything else is retried,
    then paused until the upstream is available again."""
    if isinstance(error, UpstreamRejected):
        return Fail(f"{error.upstream.upper()}_REJECTED", f"{error.operation}: {error.reason}")
    if job.attempt < TRIES:
        return again(job.attempt, str(error)[:200])
    code = f"{error.upstream.upper()}_UNAVAILABLE"
    if job.error_code not in (None, code):
        return Retry(UNREACHABLE_SECONDS, str(error)[:200])  # already paused for a reason that staff can act on
    return Pause(code, f"{error.operation} failed; it is retried every minute.", UNREACHABLE_SECONDS)


async def _reported(ctx: Context, job: Job, outcome: Outcome) -> Outcome:
    """Write a pause or failure on the order, once. If that fails too, retry the step instead."""
    if not isinstance(outcome, Pause | Fail) or outcome.code in (job.error_code, journal.NOT_APPROVED):
        return outcome
    failed = isinstance(outcome, Fail)
    try:
        await activation.report_error(
            ctx.salesforce, job.order_id, outcome.code, outcome.message, at=now(), failed=failed
        )
    except UpstreamNotFound:
        return outcome  # the order was deleted
    except UpstreamError as error:
        log.warning("fulfilment_error_not_reported", order_id=job.order_id, error=str(error))
        return Retry(UNREACHABLE_SECONDS / 2, f"{outcome.code} could not be reported")
    return outcome
