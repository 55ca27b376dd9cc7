"""Follow billing to the providers: a chore of the worker, a few services at a time.

Every attempt is leased and bounded in time, and one that fails does not stop the others. A provider that stays away, or
refuses, becomes a task for staff while the portal keeps trying.

Reads and writes: portal.provided_services.
"""

import asyncio
import random

import structlog
from msgspec import structs

from app import leases
from app.commands.execution.context import Context
from app.commands.fulfilment.work import NOTHING_DONE
from app.commands.providers import journal, tasks
from app.commands.providers.advance import advance
from app.commands.providers.journal import MovedOn, ProvidedService
from app.commands.providers.take_up import take_up
from app.commands.subscriptions.plan_changes.follow import reason_for_staff
from app.commands.subscriptions.service_lock import lock_service
from app.db import is_database_outage
from app.errors import Conflict, NotFound, Overloaded, PortalError, UpstreamError, UpstreamRejected

AT_ONCE = 20
SIDE_BY_SIDE = 3
"""Services advanced at the same time: writes to one server contend for files that all its accounts share."""
ATTEMPT_SECONDS = journal.LEASE_SECONDS - 20.0
FIRST_RETRY_SECONDS = 2.0
LONGEST_RETRY_SECONDS = 600.0
TRIES = 12
"""Failed attempts after which staff are told, three quarters of an hour later."""

log = structlog.get_logger()


async def follow(ctx: Context) -> int:
    """Advance every service that is due as far as possible now; returns the number of services."""
    if not ctx.settings.provider_follow:
        return 0
    await take_up(ctx.pool, ctx.inbox)
    await journal.resume_after_outages(ctx.pool)
    found = await journal.due(ctx.pool, AT_ONCE)
    turns = asyncio.Semaphore(SIDE_BY_SIDE)
    outages = await asyncio.gather(*(_in_turn(ctx, each, turns) for each in found))
    await tasks.open_cases(ctx)
    for outage in filter(None, outages):
        raise outage
    return len(found)


async def _in_turn(ctx: Context, subscription_id: str, turns: asyncio.Semaphore) -> Exception | None:
    """Advance one service; returns an outage of the database, which is not this service's fault."""
    async with turns:
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS) as bound:
                await follow_one(ctx, subscription_id)
        except (MovedOn, leases.Lost) as error:
            log.info("provider_attempt_given_up", subscription_id=subscription_id, error=repr(error))
        except TimeoutError as error:
            if not bound.expired():
                return error
            log.error("provider_attempt_hung", subscription_id=subscription_id, seconds=ATTEMPT_SECONDS)
        except Exception as error:
            if is_database_outage(error):
                return error
            log.exception("provider_attempt_broken", subscription_id=subscription_id)
    return None


async def follow_one(ctx: Context, subscription_id: str) -> None:
    """Advance one service if it is due, and store why if that fails.

    Raises:
        MovedOn, Lost: another process goes on.
    """
    try:
        async with lock_service(ctx, subscription_id) as mine:
            provided = await journal.begin(ctx.pool, subscription_id)
            if provided is None:
                return
            try:
                moved = await advance(ctx, provided, mine.prove)
            except (MovedOn, leases.Lost):
                raise
            except Exception as error:
                if is_database_outage(error):
                    raise
                await mine.prove()
                await _failed(ctx, subscription_id, error)
            else:
                log.info("provider_followed", subscription_id=subscription_id, was=provided.state, state=moved.state)
    except (Conflict, Overloaded) as error:  # the service is being changed by somebody else
        log.info("provider_attempt_postponed", subscription_id=subscription_id, error=error.code)


async def _failed(ctx: Context, subscription_id: str, error: Exception) -> None:
    was = await journal.one(ctx.pool, subscription_id)
    if was is None:
        return
    code, message = _described(error)
    log.warning("provider_attempt_failed", subscription_id=subscription_id, code=code, error=message)
    to = structs.replace(was, error_code=code, error_message=message)
    if isinstance(error, NOTHING_DONE):
        to = structs.replace(to, step=None, step_at=None)
    if isinstance(error, NotFound):
        await journal.move(ctx, was, structs.replace(to.without_task("settled"), desired=None), fresh=True)
    elif task := _task(was, error):
        await journal.move(ctx, was, to.with_task(task, message), seconds=LONGEST_RETRY_SECONDS)
    else:
        state = "staff" if was.task_code else "following"
        await journal.move(ctx, was, structs.replace(to, state=state), seconds=_wait(was))


def _task(was: ProvidedService, error: Exception) -> str | None:
    """Return the task that a failure makes for staff. Trouble with WHMCS itself is none: nothing is known to be wrong
    at the provider."""
    at_provider = isinstance(error, UpstreamError) and error.upstream == was.provider
    if isinstance(error, UpstreamRejected):
        return "REFUSED" if at_provider else None
    if was.attempts < TRIES:
        return None
    if isinstance(error, PortalError):
        return "PROVIDER_AWAY" if at_provider else None
    return "INTERNAL_ERROR"


def _described(error: Exception) -> tuple[str, str]:
    if isinstance(error, PortalError):
        return error.code, reason_for_staff(error)
    log.error("provider_attempt_unexpected", exc_info=error)
    return "internal_error", type(error).__name__


def _wait(was: ProvidedService) -> float:
    """Return an exponential back-off with jitter."""
    longest = min(FIRST_RETRY_SECONDS * 2 ** min(was.attempts, 16), LONGEST_RETRY_SECONDS)
    return float(longest * random.uniform(0.8, 1.2))
