"""Drive one order's fulfilment: step after step, until it is done or must wait.

An advisory lock keeps two workers from running one order. Retry, pause or fail is decided here and nowhere else.
"""

import random

import structlog

from app.commands.context import Context
from app.commands.fulfilment import journal, order
from app.commands.fulfilment.journal import Fulfilment
from app.commands.fulfilment.outcomes import NotYet, Pause, Work
from app.commands.fulfilment.steps import STEPS
from app.errors import OutcomeUnknown, UpstreamError, UpstreamRejected, UpstreamUnavailable

LOCK_SPACE = 0xF1F
MOST_ATTEMPTS = 3
FIRST_RETRY_SECONDS = 5
OUTAGE_RETRY_SECONDS = 15

log = structlog.get_logger()


async def run(ctx: Context, order_id: str) -> None:
    """Take the order as far as it goes now. Anybody may ask at any time."""
    async with ctx.pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", LOCK_SPACE, order_id):
            return
        try:
            if fulfilment := await journal.load(connection, order_id):
                await _advance(ctx, connection, fulfilment)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1, hashtext($2))", LOCK_SPACE, order_id)


async def _advance(ctx: Context, connection: object, fulfilment: Fulfilment) -> None:
    names = [name for name, _ in STEPS]
    try:
        found, lines = await order.read(ctx, fulfilment.order_id)
        work = Work(ctx, connection, fulfilment, found, lines)
        for index in range(names.index(fulfilment.step), len(STEPS)):
            learned = await STEPS[index][1](work)
            following = names[index + 1] if index + 1 < len(names) else None
            await journal.advance(connection, fulfilment, following, learned)
        log.info("order_fulfilled", order_id=fulfilment.order_id)
    except NotYet as waiting:
        await journal.wait(connection, fulfilment, waiting.seconds, counts=False, reason=str(waiting))
    except Pause as pause:
        await _stop(ctx, connection, fulfilment, "paused", pause.code, pause.message)
    except UpstreamRejected as error:
        await _stop(ctx, connection, fulfilment, "failed", *_for_staff(fulfilment, error))
    except UpstreamError as error:
        await _retry_or_fail(ctx, connection, fulfilment, error)


async def _retry_or_fail(ctx: Context, connection: object, fulfilment: Fulfilment, error: UpstreamError) -> None:
    """An upstream that is down is waited for, as long as it takes; a step that keeps failing otherwise is staff's."""
    log.warning("fulfilment_step_failed", order_id=fulfilment.order_id, step=fulfilment.step, error=str(error))
    if isinstance(error, UpstreamUnavailable):
        seconds = OUTAGE_RETRY_SECONDS * random.uniform(0.2, 1.0)
        await journal.wait(connection, fulfilment, seconds, counts=False, reason=str(error))
    elif fulfilment.attempt + 1 < MOST_ATTEMPTS or isinstance(error, OutcomeUnknown):
        seconds = FIRST_RETRY_SECONDS * 2 ** min(fulfilment.attempt, 5) * random.uniform(0.5, 1.5)
        await journal.wait(connection, fulfilment, seconds, counts=True, reason=str(error))
    else:
        await _stop(ctx, connection, fulfilment, "failed", *_for_staff(fulfilment, error))


def _for_staff(fulfilment: Fulfilment, error: UpstreamError) -> tuple[str, str]:
    code = f"{error.upstream}_{fulfilment.step}_{error.vendor_code or 'FAILED'}".upper()
    return code, f"{error.upstream} {error.operation}: {error.reason}"


async def _stop(ctx: Context, connection: object, fulfilment: Fulfilment, state: str, code: str, message: str) -> None:
    """Journal it first; the order in Salesforce is told next, and again at every look while Salesforce is away."""
    log.warning("fulfilment_stopped", order_id=fulfilment.order_id, state=state, code=code)
    try:
        await order.write_error(ctx, fulfilment.order_id, code, message, failed=state == "failed")
    except UpstreamError as error:
        await journal.wait(connection, fulfilment, FIRST_RETRY_SECONDS, counts=False, reason=str(error))
        return
    await journal.stop(connection, fulfilment, state, code, message)
