"""What a service uses, asked of its provider now: the data of a SIM, the disk of a hosting account.

Freebit asks not to be polled with it and WHM has no events, so nothing of it is mirrored: it is asked for one service,
when somebody wants to know. An answer is good for a minute; while the provider is away the last one of the day is given
with its age (docs/decisions/0012).

Reads: read_model.subscriptions, Freebit line, WHM account. Reads and writes: Redis.
"""

import contextlib
from datetime import datetime
from typing import Literal

import msgspec
import structlog
from msgspec import Struct, structs
from redis.exceptions import RedisError

from app.clock import now
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.subscriptions.provider_accounts import hosting_account, line_of
from app.commands.subscriptions.service import Service, known, refuse_unless
from app.errors import Conflict, UpstreamError
from app.readmodels import documents

FRESH_SECONDS = 60
KEPT_SECONDS = 86_400
STATES = {"activating": "activating", "active": "active", "cancelled": "ended", "unknown": "unknown"}

log = structlog.get_logger()


class ReadUsage(Struct, frozen=True):
    """Which service."""

    subscription_id: str


class SimUsage(Struct, frozen=True, kw_only=True):
    """A line and its data in kilobytes, today and on the days before, the latest first. `limited`: the network has
    slowed it down. `sim_type` tells an eSIM from a card."""

    phone_number: str
    state: str
    sim_type: Literal["esim", "physical"]
    network: str
    voice_options: list[str]
    today_kilobytes: int | None
    recent_days_kilobytes: list[int]
    limited: bool


class HostingUsage(Struct, frozen=True, kw_only=True):
    """A hosting account; a limit that is null is unlimited."""

    domain: str
    package: str
    suspended: bool
    disk_used_megabytes: int | None
    disk_limit_megabytes: int | None


class Usage(Struct, frozen=True, kw_only=True):
    """`as_of` is when the provider was asked; `stale` that it cannot be reached now."""

    subscription_id: str
    sim: SimUsage | None = None
    hosting: HostingUsage | None = None
    as_of: datetime
    stale: bool = False


async def read_usage(ctx: Context, actor: Actor, request: ReadUsage) -> Done:
    """The usage of one's own service.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `no_usage`, `not_provided_yet`, `subscription_not_active`.
        UpstreamError: the provider is away and was not asked today.
    """
    account_id = actor.account_id_or_refuse()
    key = documents.key(account_id, f"usage/{request.subscription_id}")
    kept = await _kept(ctx, key)
    if kept is not None and (now() - kept.as_of).total_seconds() < FRESH_SECONDS:
        return Done(kept)
    try:
        usage = await usage_of(ctx, await known(ctx, actor, request.subscription_id))
    except UpstreamError as error:
        if kept is None:
            raise
        log.warning("usage_not_read", subscription_id=request.subscription_id, error=str(error))
        return Done(structs.replace(kept, stale=True))
    await _keep(ctx, key, usage)
    return Done(usage)


async def usage_of(ctx: Context, service: Service) -> Usage:
    """What the provider says now.

    Raises:
        Conflict: `no_usage`, `not_provided_yet`, `subscription_not_active`.
        UpstreamError
    """
    at = now()
    if service.category == "sim":
        refuse_unless(service, "active", "suspended")
        return Usage(subscription_id=service.subscription_id, sim=await _sim(ctx, service), as_of=at)
    if service.category == "hosting":
        refuse_unless(service, "active", "suspended")
        return Usage(subscription_id=service.subscription_id, hosting=await _hosting(ctx, service), as_of=at)
    raise Conflict("There are no usage figures for this kind of service.", code="no_usage")


async def _sim(ctx: Context, service: Service) -> SimUsage:
    number = await line_of(ctx, service)
    line = await ctx.freebit.detail(number)
    if line is None:
        raise Conflict("This service is not set up yet. Please try again later.", code="not_provided_yet")
    used = await ctx.freebit.usage(number) if line.active else None
    return SimUsage(
        phone_number=number,
        state=STATES[line.state],
        sim_type="esim" if line.eid else "physical",
        network=line.contract_line,
        voice_options=list(line.voice_options),
        today_kilobytes=used.today_kilobytes if used else None,
        recent_days_kilobytes=list(used.recent_days_kilobytes) if used else [],
        limited=bool(used and used.limited),
    )


async def _hosting(ctx: Context, service: Service) -> HostingUsage:
    account = await hosting_account(ctx, service)
    return HostingUsage(
        domain=account.domain,
        package=account.plan,
        suspended=account.suspended,
        disk_used_megabytes=account.disk_used_megabytes,
        disk_limit_megabytes=account.disk_limit_megabytes,
    )


async def _kept(ctx: Context, key: str) -> Usage | None:
    try:
        raw = await ctx.redis.get(key)
        return msgspec.json.decode(raw, type=Usage) if raw else None
    except (RedisError, msgspec.MsgspecError):
        return None


async def _keep(ctx: Context, key: str, usage: Usage) -> None:
    with contextlib.suppress(RedisError):
        await ctx.redis.set(key, msgspec.json.encode(usage), ex=KEPT_SECONDS)


COMMAND = Command(read_usage, replayable=False, changes=False)
