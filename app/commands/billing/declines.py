"""Find out why a charge was declined: from WHMCS's answer, else from its gateway log, else unknown.

Reads: WHMCS gateway log; portal.capture_attempts, read_model.profiles.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct, structs

from app.commands.billing.decline_kinds import Decline, classified
from app.commands.execution.context import Context
from app.errors import UpstreamError
from app.integrations.whmcs.charging.decline_texts import GatewayWords, without
from app.integrations.whmcs.charging.gateway_log import GatewayEntry
from app.integrations.whmcs.records import WhmcsRecord
from app.readmodels.billing.payment_attempts import KINDS
from app.readmodels.profiles import Profile

LOG_SECONDS = 10.0
BEFORE = timedelta(seconds=90)
"""How long before the time that WHMCS gives an attempt its entry may lie: that may be when the gateway answered."""
_PERSONAL = "SELECT document FROM read_model.profiles WHERE account_id = $1"
_EXPLAINED = "SELECT coalesce(max(gateway_entry_id), 0) FROM portal.capture_attempts WHERE invoice_id = $1"

log = structlog.get_logger()


class Refused(Struct, frozen=True):
    """A declined charge: what WHMCS answered, and WHMCS's time of the attempt if it was read afterwards."""

    account_id: UUID
    invoice_id: str
    answer: GatewayWords
    tried_at: datetime | None


async def explain(ctx: Context, refused: Refused, methods: Sequence[WhmcsRecord], today: date) -> Decline:
    """Return why a charge was declined. Whatever cannot be found out is unknown, and never an error of WHMCS."""
    personal = await _personal_words(ctx, refused.account_id)
    found = classified(refused.answer.codes, without(refused.answer.text, personal))
    if not found.reason and (told := await logged(ctx, refused)):
        found = structs.replace(told, text=told.text or found.text)
    if not found.reason and methods and all(has_expired(each, today) for each in methods):
        return structs.replace(found, kind=KINDS["card_expired"], reason="card_expired")
    return found


async def _personal_words(ctx: Context, account_id: UUID) -> list[str]:
    """Return the customer's own words, which texts for staff must not repeat."""
    body = await ctx.pool.fetchval(_PERSONAL, account_id)
    if body is None:
        return []
    profile = msgspec.json.decode(body, type=Profile)
    address = profile.address
    return [
        *(profile.email, profile.first_name, profile.last_name, profile.company, profile.phone),
        *(address.address1, address.address2, address.city, address.postcode),
    ]


async def logged(ctx: Context, refused: Refused, *, only_declines: bool = False) -> Decline | None:
    """Return what the gateway's log says of a charge; None if it cannot be read, or has nothing of it.

    Args:
        only_declines: whether an entry must say that the gateway declined, rather than only not say that it accepted.
    """
    if not ctx.settings.whmcs_gateway_log or refused.tried_at is None:
        return None
    try:
        async with asyncio.timeout(LOG_SECONDS):
            entries = await ctx.whmcs.gateway_log(refused.invoice_id)
    except (UpstreamError, TimeoutError) as error:
        log.warning("gateway_log_not_read", invoice_id=refused.invoice_id, error=type(error).__name__)
        return None
    entry = await _newest(ctx, refused.invoice_id, entries, refused.tried_at - BEFORE)
    if entry is None or entry.accepted or (only_declines and entry.accepted is None):
        return None
    words = entry.words
    found = classified(words.codes, without(words.text, await _personal_words(ctx, refused.account_id)))
    return structs.replace(found, entry_id=entry.entry_id)


async def _newest(
    ctx: Context, invoice_id: str, entries: Sequence[GatewayEntry], since: datetime
) -> GatewayEntry | None:
    """Return the newest entry since a time that no earlier attempt was explained by."""
    explained = await ctx.pool.fetchval(_EXPLAINED, invoice_id)
    fitting = (each for each in entries if each.entry_id > explained and each.at is not None and each.at >= since)
    return next(fitting, None)


def has_expired(method: WhmcsRecord, today: date) -> bool:
    """Tell if the expiry, `MM/YY`, has passed; a method without one never expires."""
    month, _, year = (method.data.get("expiry_date") or "").partition("/")
    dated = month.isdecimal() and year.isdecimal()
    return dated and (2000 + int(year) % 100, int(month)) < (today.year, today.month)
