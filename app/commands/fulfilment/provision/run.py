"""Run the provisioning steps of an activated order as far as possible now.

Everything within a step ends in an outcome, and the journal moves only with it; after a crash in between the step is
run again. The caller holds the order's lock.
"""

from collections.abc import Awaitable, Callable

import structlog

from app.commands.execution.context import Context
from app.commands.fulfilment.provision import journal
from app.commands.fulfilment.provision.steps import STEPS
from app.commands.fulfilment.provision.task import ProvisionTask
from app.commands.fulfilment.work import (
    REJECTED,
    TRIES,
    UNAVAILABLE,
    Fail,
    Outcome,
    Pause,
    ProvisionCode,
    Wait,
    again,
)
from app.db import is_database_outage
from app.errors import UpstreamError, UpstreamRejected
from app.integrations.whm.faults import FEATURE_MISSING, QUOTA_REACHED

FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 3_600.0
DATABASE_SECONDS = 5.0
MOST_TRIES = 80
"""Three at once, six within the next hour, then one per hour: three days, after which staff must act."""
REFUSALS: dict[str, ProvisionCode] = {
    FEATURE_MISSING: "HOSTING_FEATURE_MISSING",
    QUOTA_REACHED: "HOSTING_QUOTA_REACHED",
}

log = structlog.get_logger()


async def run(ctx: Context, order_id: str, prove: Callable[[], Awaitable[None]]) -> None:
    """Run every step that can be run now; `prove` raises once the lock is lost."""
    while task := await journal.begin(ctx, order_id):
        outcome = _bounded(task, await _attempt(task))
        await prove()
        await journal.settle(task, outcome)
        emit = log.error if isinstance(outcome, Fail) else log.info
        emit(
            "provision_step",
            order_id=order_id,
            step=task.step,
            attempt=task.attempt,
            outcome=type(outcome).__name__.lower(),
            code=getattr(outcome, "code", None),
        )


async def _attempt(task: ProvisionTask) -> Outcome:
    try:
        return await STEPS[task.step](task)
    except UpstreamError as error:
        log.warning("provision_step_failed", order_id=task.order_id, step=task.step, error=str(error))
        return _verdict(task, error)
    except Exception as error:
        if is_database_outage(error):
            log.warning("provision_step_postponed", order_id=task.order_id, step=task.step, error=repr(error))
            return Wait(DATABASE_SECONDS)
        log.exception("provision_step_broken", order_id=task.order_id, step=task.step)
        if task.attempt < TRIES:
            return again(task.attempt, type(error).__name__)
        return Fail("INTERNAL_ERROR", "The portal could not carry out this step; its log says why.")


def _verdict(task: ProvisionTask, error: UpstreamError) -> Outcome:
    """Turn an upstream's error into an outcome: a refusal is permanent, anything else is retried."""
    if isinstance(error, UpstreamRejected):
        code = REFUSALS.get(error.vendor_code) or REJECTED[error.upstream]
        return Fail(code, f"{error.operation}: {error.reason}")
    if task.attempt < TRIES:
        return again(task.attempt, str(error)[:200])
    return Pause(UNAVAILABLE[error.upstream], f"{error.operation} failed; it is retried automatically.")


def _bounded(task: ProvisionTask, outcome: Outcome) -> Outcome:
    """Lengthen the pause with each try, and fail after the last."""
    if not isinstance(outcome, Pause):
        return outcome
    if task.attempt >= MOST_TRIES:
        return Fail(outcome.code, f"{outcome.message} It was retried for three days.")
    seconds = FIRST_PAUSE_SECONDS * 2.0 ** max(task.attempt - TRIES, 0)
    return Pause(outcome.code, outcome.message, min(seconds, LONGEST_PAUSE_SECONDS))
