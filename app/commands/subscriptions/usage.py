"""Read the usage of a service live from its provider: the data of a SIM, the disk of a hosting account.

Freebit must not be polled for it and WHM has no events, so usage is not mirrored: it is read for one service on demand.
An answer is valid for a minute; while the provider is unavailable, the last one of the day is returned with its age
(docs/decisions/0012).

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
from app.commands.subscriptions.service import Service, find_own, refuse_unless
from app.errors import Conflict, UpstreamError
from app.readmodels import documents
from app.readmodels.freshness import StaleReason
from app.words.sentence import say

FRESH_SECONDS = 60
KEPT_SECONDS = 86_400
STATES = {"activating": "activating", "active": "active", "cancelled": "ended", "unknown": "unknown"}

log = structlog.get_logger()


class ReadUsage(Struct, frozen=True):
    """The service named by the path."""

    subscription_id: str


class SimUsage(Struct, frozen=True, kw_only=True):
    """A line and its data in kilobytes, today and on the days before, newest first. `limited`: throttled by the
    network. `sim_type` distinguishes an eSIM from a card."""

    phone_number: str
    """The number of the line."""
    state: str
    """The state of the line, in the network's words."""
    sim_type: Literal["esim", "physical"]
    """Whether the SIM is a card or a profile."""
    network: str
    """The network."""
    voice_options: list[str]
    """The voice options of the line."""
    today_kilobytes: int | None
    """Data today, in kilobytes; null where it is not known."""
    recent_days_kilobytes: list[int]
    """Data on the days before, the newest first, in kilobytes; null where a day is not known."""
    limited: bool
    """Whether the network throttles the line."""


class HostingUsage(Struct, frozen=True, kw_only=True):
    """A hosting account and its disk usage. A null limit means unlimited."""

    domain: str
    package: str
    """The package at the server."""
    suspended: bool
    """Whether the account is suspended."""
    disk_used_megabytes: int | None
    """The disk space in use; null where it is not known."""
    disk_limit_megabytes: int | None
    """The disk space that is included; null: unlimited."""


class Usage(Struct, frozen=True, kw_only=True):
    """The usage of a service. `as_of` is when the provider answered; `stale`: it cannot be reached now."""

    subscription_id: str
    sim: SimUsage | None = None
    """The usage of a line; null for other services."""
    hosting: HostingUsage | None = None
    """The usage of a hosting account; null for other services."""
    as_of: datetime
    stale: bool = False
    stale_reason: StaleReason | None = None


async def read_usage(ctx: Context, actor: Actor, request: ReadUsage) -> Done:
    """Return the usage of one of the caller's own services.

    Raises:
        NotFound: `subscription_not_found`.
        Conflict: `no_usage`, `not_provided_yet`, `subscription_not_active`.
        UpstreamError: the provider is unavailable and did not answer today.
    """
    account_id = actor.account_id_or_refuse()
    key = documents.key(account_id, f"usage/{request.subscription_id}")
    kept = await _kept(ctx, key)
    if kept is not None and (now() - kept.as_of).total_seconds() < FRESH_SECONDS:
        return Done(kept)
    try:
        usage = await usage_of(ctx, await find_own(ctx, actor, request.subscription_id))
    except UpstreamError as error:
        if kept is None:
            raise
        log.warning("usage_not_read", subscription_id=request.subscription_id, error=str(error))
        return Done(structs.replace(kept, stale=True, stale_reason="upstream_away"))
    await _keep(ctx, key, usage)
    return Done(usage)


async def usage_of(ctx: Context, service: Service) -> Usage:
    """Read the usage of a service from its provider now.

    Raises:
        Conflict: `no_usage`, `not_provided_yet`, `subscription_not_active`.
        UpstreamError
    """
    at = now()
    if service.provided_as == "sim":
        refuse_unless(service, "active", "suspended")
        return Usage(subscription_id=service.subscription_id, sim=await _sim(ctx, service), as_of=at)
    if service.provided_as == "hosting":
        refuse_unless(service, "active", "suspended")
        return Usage(subscription_id=service.subscription_id, hosting=await _hosting(ctx, service), as_of=at)
    raise Conflict(say("subscriptions.no_usage"), code="no_usage")


async def _sim(ctx: Context, service: Service) -> SimUsage:
    number = await line_of(ctx, service)
    line = await ctx.freebit.detail(number)
    if line is None:
        raise Conflict(say("subscriptions.not_set_up"), code="not_provided_yet")
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


COMMAND = Command(
    read_usage, writes=(), away="refuse", needs="service", reads=("freebit", "whm"), replayable=False, changes=False
)
