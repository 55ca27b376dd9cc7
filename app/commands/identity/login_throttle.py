"""Throttling of authentication attempts. They are counted before they are made, so that concurrent ones count too.

Three counts per quarter of an hour: of one address for one e-mail, of one address for all, and of all addresses for one
e-mail. An IPv6 address counts as its /64. None locks a customer out: an address from which the user has logged in
before is unaffected by other addresses, any other gets one attempt per half minute, and a mailed sign-in code or a
password reset is always possible (`app/commands/identity/sign_in_codes.py`).

The counts are in Redis, for all processes; during an outage of Redis they are in this process.
"""

import hashlib
import time

from redis.exceptions import RedisError

from app.commands.execution.context import Actor, Context
from app.errors import RateLimited
from app.intake.addresses import counted
from app.intake.recent import Recent
from app.words.sentence import say

MOST_OF_PAIR = 5
MOST_OF_ADDRESS = 100
MOST_OF_EMAIL = 30
WINDOW_SECONDS = 900
SLOW_SECONDS = 30
KNOWN_DAYS = 30
"""How long an address counts as the user's own after a login or the use of a mailed link."""
MOST_LOCAL = 10_000

_COUNT = """
local found = {}
for i, key in ipairs(KEYS) do
  found[i] = redis.call('INCR', key)
  if found[i] == 1 then redis.call('EXPIRE', key, ARGV[i]) end
end
return {redis.call('TTL', KEYS[1]), unpack(found)}
"""
_FORGET = """
redis.call('DEL', KEYS[1])
for i = 2, #KEYS do if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('DECR', KEYS[i]) end end
"""
_KNOWN = """
SELECT s.address FROM portal.sessions s JOIN portal.users u ON u.id = s.user_id
WHERE lower(u.email) = $1 AND s.address IS NOT NULL AND s.created_at > now() - $2 * interval '1 day'
UNION
SELECT r.used_from FROM portal.password_resets r JOIN portal.users u ON u.id = r.user_id
WHERE lower(u.email) = $1 AND r.used_from IS NOT NULL AND r.used_at > now() - $2 * interval '1 day' LIMIT 1000
"""


class _Local:
    """The same counts without Redis: key → (attempts, end of the window)."""

    def __init__(self) -> None:
        self._counts: Recent[str, tuple[int, float]] = Recent(MOST_LOCAL)

    def count(self, keys: list[str], seconds: list[int]) -> list[int]:
        now = time.monotonic()
        for key, window in zip(keys, seconds, strict=True):
            used, ends = self._counts.get(key, (0, 0.0))
            self._counts.put(key, (used + 1, ends) if ends > now else (1, now + window))
        return [int(self._counts[keys[0]][1] - now) + 1, *(self._counts[key][0] for key in keys)]

    def forget(self, keys: list[str]) -> None:
        for key in keys:
            self._counts.pop(key, None)


_LOCAL = _Local()


async def count(
    ctx: Context, actor: Actor, action: str, email: str, *, everywhere: bool = False, alone: bool = False
) -> None:
    """Count this attempt; `everywhere` ignores the address, `alone` ignores the attempts of other addresses.

    Raises:
        RateLimited: `too_many_attempts`.
    """
    keys = _keys(action, email, email if everywhere else actor.address)
    left_seconds, of_pair, of_address, of_email = await _counted(ctx, keys, [WINDOW_SECONDS] * 3)
    if of_pair > MOST_OF_PAIR:
        raise _refusal(left_seconds)
    if of_address <= MOST_OF_ADDRESS and (alone or of_email <= MOST_OF_EMAIL):
        return
    if await _is_known(ctx, email, actor.address):
        return
    if of_address > MOST_OF_ADDRESS:
        raise _refusal(left_seconds)
    left_seconds, attempts = await _counted(ctx, [f"{keys[2]}:turn"], [SLOW_SECONDS])
    if attempts > 1:
        raise _refusal(left_seconds)


async def _is_known(ctx: Context, email: str, address: str) -> bool:
    """Tell if this user has logged in from the address before."""
    found = await ctx.pool.fetch(_KNOWN, email, KNOWN_DAYS)
    return counted(address) in {counted(row["address"]) for row in found}


async def forget(ctx: Context, actor: Actor, action: str, email: str, *, everywhere: bool = False) -> None:
    """Uncount an attempt that succeeded."""
    keys = _keys(action, email, email if everywhere else actor.address)
    _LOCAL.forget(keys)
    try:
        await ctx.redis.eval(_FORGET, len(keys), *keys)  # type: ignore[misc]
    except (RedisError, OSError):
        return  # the count expires within a quarter of an hour


async def open_lock(ctx: Context, actor: Actor, action: str, subject: str) -> None:
    """Forget the failures at what is counted `everywhere`, at most once in a quarter of an hour: whoever could open a
    lock more often would have unlimited guesses."""
    opened = f"{_keys(action, subject, subject)[0]}:opened"
    _, times = await _counted(ctx, [opened], [WINDOW_SECONDS])
    if times == 1:
        await forget(ctx, actor, action, subject, everywhere=True)


async def _counted(ctx: Context, keys: list[str], seconds: list[int]) -> list[int]:
    """Increment the counts; returns the seconds until the first window ends, and each count."""
    try:
        found = await ctx.redis.eval(_COUNT, len(keys), *keys, *map(str, seconds))  # type: ignore[misc]
        return [int(each) for each in found]
    except (RedisError, OSError):
        return _LOCAL.count(keys, seconds)


def _refusal(left_seconds: int) -> RateLimited:
    return RateLimited(
        say("identity.too_many_failures"),
        code="too_many_attempts",
        retry_after_seconds=max(left_seconds, 1),
    )


def _keys(action: str, email: str, address: str) -> list[str]:
    address = counted(address)
    named = (f"{email}\0{address}", f"address\0{address}", f"email\0{email}")
    return [f"portal:attempts:{action}:{hashlib.sha256(each.encode()).hexdigest()[:32]}" for each in named]
