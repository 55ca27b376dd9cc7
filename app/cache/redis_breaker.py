"""Redis as an optional dependency, behind a circuit breaker.

No request waits for a Redis that hangs, is gone or refuses, and none of its errors reaches a customer. Every use goes
through `GuardedRedis`, whose commands raise nothing but `RedisError`. The first one that fails because of the server
opens the breaker: from then on every command fails at once, until a probe in the background, a write, succeeds. An
error about one command or one key leaves the breaker closed.
"""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self

import structlog
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    MasterDownError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from app import tasks

PATIENCE_SECONDS = 1.0
"""How long a command may take, including its connection."""
FIRST_PROBE_SECONDS = 0.5
LONGEST_PROBE_SECONDS = 5.0
LOG_SECONDS = 10.0
"""Minimum interval between log lines about commands that failed by themselves."""
PROBE = ("SET", "portal:probe", "1", "EX", "10")
_REFUSALS = {
    BusyLoadingError: "LOADING",
    AuthenticationError: "NOAUTH",
    MasterDownError: "MASTERDOWN",
    NoPermissionError: "NOPERM",
    OutOfMemoryError: "OOM",
    ReadOnlyError: "READONLY",
}
_REFUSES = re.compile(
    r"\b(NOREPLICAS|READONLY|MASTERDOWN|OOM|LOADING|MISCONF|BUSY|CLUSTERDOWN|NOAUTH|WRONGPASS|NOPERM|UNBLOCKED|"
    r"max number of clients|read only replica)\b"
)

log = structlog.get_logger()


class RedisState(Struct, frozen=True):
    """State of the server. `refusing`: it answers but does not execute commands.

    `reason` is Redis's own word, or the kind of failure.
    """

    state: Literal["ok", "refusing", "away"]
    reason: str = ""


OK = RedisState("ok")


class RedisCannot(RedisError):
    """Redis was not called because it is known to fail, or failed in a way its library has no error for."""


def state_of(error: BaseException) -> RedisState | None:
    """Return what an error says about the server; None when it is about one command or key alone."""
    for kind, word in _REFUSALS.items():
        if isinstance(error, kind):
            return RedisState("refusing", word)
    if isinstance(error, ConnectionError | TimeoutError | OSError):
        return RedisState("away", type(error).__name__)
    if isinstance(error, RedisError) and (found := _REFUSES.search(str(error))):
        return RedisState("refusing", found[1])
    return None


class RedisBreaker:
    """The circuit breaker before Redis, shared by all clients of a process."""

    def __init__(self) -> None:
        self.state = OK
        self.calls = 0
        """Commands actually sent to Redis, probes included."""
        self._probe: Callable[[], Awaitable[Any]] | None = None
        self._probe_at, self._pause_seconds = 0.0, FIRST_PROBE_SECONDS
        self._probing: asyncio.Task[None] | None = None
        self._logged_at = -LOG_SECONDS

    def probe_with(self, probe: Callable[[], Awaitable[Any]]) -> None:
        """Set the command that probes whether Redis is back; the first caller's is used."""
        self._probe = self._probe or probe

    @property
    def closed(self) -> bool:
        """True if Redis may be called. While it may not, reading this starts a probe when one is due."""
        if self.state is OK:
            return True
        if time.monotonic() >= self._probe_at and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._run_probe())
        return False

    async def call(self, command: Callable[[], Awaitable[Any]], patience_seconds: float) -> Any:
        """Run a command within its time-out.

        Raises:
            RedisError: it failed.
        """
        if not self.closed:
            raise RedisCannot(f"Redis is {self.state.state}: {self.state.reason}")
        return await self._attempt(command, patience_seconds)

    async def _attempt(self, command: Callable[[], Awaitable[Any]], patience_seconds: float) -> Any:
        self.calls += 1
        try:
            async with asyncio.timeout(patience_seconds):
                return await command()
        except Exception as error:
            self.failed(error)
            if isinstance(error, RedisError):
                raise
            raise RedisCannot(repr(error)) from error

    def failed(self, error: BaseException) -> None:
        """Record a failure: open the breaker if it is about the server."""
        found = state_of(error)
        if found is None:
            if time.monotonic() - self._logged_at > LOG_SECONDS and not isinstance(error, NoScriptError):
                self._logged_at = time.monotonic()
                log.warning("redis_command_failed", error=repr(error))
            return
        if self.state is OK:
            log.error("redis_unavailable_going_on_without", state=found.state, reason=found.reason, error=repr(error))
            self._pause_seconds = FIRST_PROBE_SECONDS
            self._wait()
        self.state = found

    def _wait(self) -> None:
        self._probe_at = time.monotonic() + self._pause_seconds * random.uniform(0.8, 1.2)
        self._pause_seconds = min(self._pause_seconds * 1.5, LONGEST_PROBE_SECONDS)

    async def _run_probe(self) -> None:
        if self._probe is None:
            return
        try:
            await self._attempt(self._probe, PATIENCE_SECONDS)
        except RedisError:
            self._wait()
        else:
            self.state = OK
            log.warning("redis_back")

    async def close(self) -> None:
        """Stop probing in the background."""
        await tasks.end(self._probing)


class GuardedRedis(Redis):
    """The library's client behind a breaker."""

    breaker: RedisBreaker
    patience_seconds: float

    @classmethod
    def open(cls, url: str, breaker: RedisBreaker | None = None, patience_seconds: float = PATIENCE_SECONDS) -> Self:
        """Create a client that connects on first use.

        The library's own time-outs are for subscriptions, which nothing else bounds. It does not retry.
        """
        found = cls.from_url(
            url,
            socket_timeout=patience_seconds + 1,
            socket_connect_timeout=1,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),
        )
        assert isinstance(found, cls)
        found.breaker = breaker or RedisBreaker()
        found.patience_seconds = patience_seconds
        found.breaker.probe_with(found.probe)
        return found

    async def probe(self) -> None:
        """Write a probe key, whatever the state of the breaker."""
        await super().execute_command(*PROBE)  # type: ignore[no-untyped-call]

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command through the breaker.

        Raises:
            RedisError
        """
        execute: Callable[..., Awaitable[Any]] = super().execute_command
        return await self.breaker.call(lambda: execute(*args, **options), self.patience_seconds)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "GuardedPipeline":
        """Create a pipeline that runs through the breaker."""
        pipe = GuardedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipe.guarded_by = self
        return pipe

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Stop probing and close all connections."""
        await self.breaker.close()
        await super().aclose(close_connection_pool)


class GuardedPipeline(Pipeline):
    """The library's pipeline behind a breaker."""

    guarded_by: GuardedRedis

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Execute the pipeline through the breaker.

        Raises:
            RedisError
        """
        execute, guard = super().execute, self.guarded_by
        found: list[Any] = await guard.breaker.call(lambda: execute(raise_on_error), guard.patience_seconds)
        return found


async def redis_state(redis: GuardedRedis) -> RedisState:
    """Return the state of Redis, found by a write unless the breaker is open. Takes at most `PATIENCE_SECONDS`."""
    try:
        await redis.breaker.call(redis.probe, PATIENCE_SECONDS)
    except RedisError as error:
        return redis.breaker.state if redis.breaker.state is not OK else RedisState("refusing", str(error)[:80])
    return OK
