"""The customer-number lookup at sign-up: a live read, kept in Redis for 30 s so that the form stays quick.

It says whether somebody can sign up, never whose number it is. Negative answers are kept too.
"""

from typing import Any, Literal

import msgspec
import structlog
from msgspec import Struct
from redis.exceptions import RedisError

from app.commands.context import Actor, Context, Done

KEPT_SECONDS = 30

log = structlog.get_logger()


class CheckCustomerNumber(Struct, forbid_unknown_fields=True):
    """The number as printed on the customer's letters."""

    customer_number: str


class CustomerNumberChecked(Struct, frozen=True):
    """Whether it can sign up; `reason` is why not."""

    can_sign_up: bool
    reason: Literal["unknown", "already_registered"] | None


async def check_customer_number(ctx: Context, actor: Actor, request: CheckCustomerNumber) -> Done:
    """Look the number up in Salesforce and among the portal's own accounts."""
    number = request.customer_number.strip()
    registered = await ctx.pool.fetchval("SELECT 1 FROM portal.id_mappings WHERE customer_number = $1", number)
    if registered:
        return Done(CustomerNumberChecked(False, "already_registered"))
    account = await account_of(ctx, number)
    return Done(CustomerNumberChecked(account is not None, None if account else "unknown"))


async def account_of(ctx: Context, number: str, *, fresh: bool = False) -> dict[str, Any] | None:
    """The Salesforce account with this number; `fresh` asks Salesforce even when the answer is at hand."""
    key = f"portal:customer-number:{number}"
    if not fresh and (kept := await _kept(ctx, key)) is not None:
        return kept or None
    account = await ctx.salesforce.account_by_customer_number(number) if _plausible(number) else None
    slim = {name: account.get(name) for name in ("Id", "Name", "Portal_Status__c")} if account else {}
    try:
        await ctx.redis.set(key, msgspec.json.encode(slim), ex=KEPT_SECONDS)
    except RedisError as error:
        log.warning("redis_unavailable_lookup_not_kept", error=repr(error))
    return slim or None


async def _kept(ctx: Context, key: str) -> dict[str, Any] | None:
    try:
        raw = await ctx.redis.get(key)
    except RedisError:
        return None
    return msgspec.json.decode(raw) if raw else None


def _plausible(number: str) -> bool:
    return 0 < len(number) <= 40 and number.isascii() and number.isprintable()
