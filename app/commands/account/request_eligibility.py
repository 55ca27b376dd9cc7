"""Request an availability check: an agent asks the carrier, and the result arrives as a change of the account.

A repeated request opens no second check while one is under way, whichever browser it comes from.

Writes: Salesforce Opportunity, Case, Account.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct

from app.clock import now
from app.commands.execution.context import Actor, Command, Context, Done
from app.errors import Conflict, RuleViolated
from app.intake.words import folded
from app.integrations.salesforce import eligibility, records
from app.readmodels.eligibility import STATUSES, status_from
from app.readmodels.profiles import profile_of

TOKYO = ZoneInfo("Asia/Tokyo")


class RequestEligibility(Struct, forbid_unknown_fields=True):
    """An empty request: the check is for the address on file."""


async def request_eligibility(ctx: Context, actor: Actor, request: RequestEligibility) -> Done:
    """Open a check for the address on file.

    Raises:
        RuleViolated: `address_required`.
        Conflict: `already_eligible`, `request_in_progress`.
    """
    actor.account_id_or_refuse()
    account_id = actor.salesforce_account_id
    async with ctx.locks.exclusively("eligibility", account_id) as mine:
        if not mine:
            raise Conflict("Your request is being sent.", code="request_in_progress", retry_after_seconds=2)
        word, offering = await eligibility.read_status(ctx.salesforce, account_id)
        if status_from(word, offering) == "eligible":
            raise Conflict("Internet is available at your address already.", code="already_eligible")
        if STATUSES.get(folded(word)) != "checking":
            await eligibility.request_check(
                ctx.salesforce, account_id, await _address(ctx, actor), datetime.now(TOKYO).date()
            )
        read_at = now()
        account = await ctx.salesforce.get("Account", account_id)
    submission = await ctx.inbox.submit([records.change("Account", account, origin="command", read_at=read_at)])
    return Done({"requested_at": now()}, submission)


async def _address(ctx: Context, actor: Actor) -> str:
    """Read the address from WHMCS now, because an agent will call a carrier about it."""
    address = profile_of((await ctx.whmcs.client(actor.whmcs_client_id)).data).address
    lines = (address.postcode, address.state, address.city, address.address1, address.address2, address.country)
    if not address.address1:
        raise RuleViolated("There is no address on file. Please enter one first.", code="address_required")
    return "\n".join(line for line in lines if line)


COMMAND = Command(request_eligibility)
