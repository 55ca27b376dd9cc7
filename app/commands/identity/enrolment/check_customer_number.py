"""Look up a customer number at sign-up: a live read, cached in Redis for 30 s so that the form stays responsive.

It tells if the number can sign up, and never reveals its owner. Negative answers are cached too.
"""

import contextlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from redis.exceptions import RedisError

from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity.enrolment import sign_up_journal
from app.inputs.numbers import CustomerNumber
from app.integrations.salesforce import wire

KEPT_SECONDS = 30
KEPT_FIELDS = ("Id", "Name", wire.ACCOUNT_NUMBER, wire.ACCOUNT_WHMCS)


class CheckCustomerNumber(Struct, forbid_unknown_fields=True):
    """The customer number as printed on letters."""

    customer_number: Annotated[CustomerNumber, Meta(min_length=1, max_length=40)]


class CustomerNumberChecked(Struct, frozen=True):
    """The result of the lookup. After the reason `already_registered`, log in or link the billing account."""

    can_sign_up: bool
    """Whether the number can sign up."""
    reason: Literal["unknown", "already_registered"] | None
    """Why it cannot; null if it can."""


async def check_customer_number(ctx: Context, actor: Actor, request: CheckCustomerNumber) -> Done:
    """Look the number up in Salesforce and among the portal's accounts. An unfinished sign-up may continue."""
    account = await account_of(ctx, request.customer_number.strip())
    if account is None:
        return Done(CustomerNumberChecked(False, "unknown"))
    registered = account[wire.ACCOUNT_WHMCS] or await ctx.pool.fetchval(
        "SELECT 1 FROM portal.id_mappings WHERE salesforce_account_id = $1", account["Id"]
    )
    if registered and not await sign_up_journal.is_open(ctx.pool, account[wire.ACCOUNT_NUMBER]):
        return Done(CustomerNumberChecked(False, "already_registered"))
    return Done(CustomerNumberChecked(True, None))


async def account_of(ctx: Context, number: str, *, fresh: bool = False) -> dict[str, Any] | None:
    """Find the Salesforce account with this number; `fresh` bypasses the cache."""
    if not _plausible(number):
        return None
    key = f"portal:customer-number:{number.upper()}"
    if not fresh and (kept := await _kept(ctx, key)) is not None:
        return kept or None
    account = await ctx.salesforce.account_by_customer_number(number)
    slim = {name: account.get(name) for name in KEPT_FIELDS} if account else {}
    with contextlib.suppress(RedisError):
        await ctx.redis.set(key, msgspec.json.encode(slim), ex=KEPT_SECONDS)
    return slim or None


async def _kept(ctx: Context, key: str) -> dict[str, Any] | None:
    try:
        raw = await ctx.redis.get(key)
        return msgspec.json.decode(raw, type=dict[str, Any]) if raw else None
    except (RedisError, msgspec.MsgspecError):
        return None


def _plausible(number: str) -> bool:
    return 0 < len(number) <= 40 and number.isascii() and number.isprintable()


COMMAND = Command(
    check_customer_number, writes=(), away="refuse", reads=("salesforce",), replayable=False, changes=False
)
