"""Request an availability check: an agent asks the carrier, and the result arrives as a change of the account.

A repeated request opens no second check while one is under way, whichever browser it comes from.

Writes: Salesforce Opportunity, Case, Account.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import asdict

from app import postal
from app.clock import now
from app.commands.execution import pending_write, postal_addresses
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.identity.enrolment.sign_up import SignUpAddress
from app.errors import Conflict, RuleViolated
from app.intake.words import folded
from app.integrations.salesforce import eligibility, records
from app.postal import Address
from app.readmodels.ordering.account_standing import complete
from app.readmodels.ordering.eligibility import STATUSES, status_from
from app.readmodels.profiles import profile_of
from app.words.sentence import say

TOKYO = ZoneInfo("Asia/Tokyo")


class RequestEligibility(Struct, forbid_unknown_fields=True):
    """What to check: the address on file, or another one."""

    address: SignUpAddress | None = None
    """The address to check; null or left out: the one on file."""


class RequestedCheck(Struct, frozen=True):
    """The check that is under way, and its address in one line."""

    requested_at: datetime
    address: str


async def request_eligibility(ctx: Context, actor: Actor, request: RequestEligibility) -> Done:
    """Open a check. The account has one result at a time: a check of another address replaces it.

    Raises:
        RuleViolated: `address_required`, `address_invalid`.
        Conflict: `already_eligible`, `check_in_progress`, `request_in_progress`.
    """
    actor.account_id_or_refuse()
    account_id = actor.salesforce_account_id
    async with ctx.locks.exclusively("eligibility", account_id) as mine:
        if not mine:
            raise Conflict(say("account.request_in_progress"), code="request_in_progress", retry_after_seconds=2)
        wanted, on_file = await _addresses(ctx, actor, request)
        check = await eligibility.read_check(ctx.salesforce, account_id)
        is_same = postal.same_place(wanted, check.address or on_file)
        if status_from(check.status, check.offering) == "eligible" and is_same:
            raise Conflict(say("account.already_eligible"), code="already_eligible")
        is_checking = STATUSES.get(folded(check.status)) == "checking"
        if is_checking and not is_same:
            sentence = say("account.check_in_progress")
            raise Conflict(sentence, code="check_in_progress")
        recheck = ("salesforce", "account_history", account_id)
        write = write_of(actor, COMMAND.name, "eligibility", {"address": wanted}, recheck=recheck)
        if not is_checking:
            await pending_write.begin(ctx, write)
            await eligibility.request_check(ctx.salesforce, account_id, wanted, datetime.now(TOKYO).date())
        read_at = now()
        account = await ctx.salesforce.get("Account", account_id)
    asked = [records.change("Account", account, origin="command", read_at=read_at)]
    submission = await ctx.inbox.submit(asked, pending=[write])
    return Done(RequestedCheck(read_at, wanted), submission)


async def _addresses(ctx: Context, actor: Actor, request: RequestEligibility) -> tuple[str, str]:
    """Return the address to check, and the one on file, each in one line.

    The one on file is read from WHMCS now, because an agent will call a carrier about it.
    """
    held = complete(profile_of((await ctx.whmcs.client(actor.whmcs_client_id)).data).address)
    on_file = postal.in_one_line(held) if held else ""
    if request.address is not None:
        given = postal_addresses.checked(Address(**asdict(request.address)), within="address.")
        return postal.in_one_line(given), on_file
    if not on_file:
        raise RuleViolated(say("account.address_missing"), code="address_required")
    return on_file, on_file


COMMAND = Command(request_eligibility, writes=("salesforce",), away="refuse")
