"""Change the billing address. WHMCS is authoritative: the write goes there, and the result is read back.

Salesforce keeps no address of a portal customer, only the copies that orders take.

Writes: WHMCS client; Salesforce Account, where staff confirmed availability without naming an address.
"""

from msgspec import Struct
from msgspec.structs import asdict

from app.commands.account import checked_address
from app.commands.account.edit_client import edit
from app.commands.execution import postal_addresses
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.execution.pending_write import write_of
from app.commands.identity.enrolment.sign_up import SignUpAddress
from app.ingest.inbox.pending import Pending
from app.postal import Address
from app.readmodels.ordering.account_standing import complete, standing_of
from app.readmodels.profiles import profile_of


class ChangeAddress(Struct):
    """The new address, and the address that the caller saw, if it named one."""

    address: SignUpAddress
    expected: Address | None = None


async def change_address(ctx: Context, actor: Actor, request: ChangeAddress) -> Done:
    """Replace the billing address. Earlier orders keep the address they were placed with, and a confirmed availability
    the address that was checked. Safe to repeat.

    Raises:
        RuleViolated: `address_invalid`.
        Outdated: `precondition_failed`.
    """
    address = postal_addresses.checked(Address(**asdict(request.address)))
    await _keep_checked_address(ctx, actor)
    write = _write(actor, request)
    return await edit(ctx, actor, asdict(address), lambda profile: request.expected in (None, profile.address), write)


def _write(actor: Actor, request: ChangeAddress) -> Pending:
    address = postal_addresses.checked(Address(**asdict(request.address)))
    recheck = ("whmcs", "client", actor.whmcs_client_id)
    return write_of(actor, COMMAND.name, "profiles", asdict(address), recheck=recheck)


async def _keep_checked_address(ctx: Context, actor: Actor) -> None:
    """Before the address on file changes, record that it is the one whose availability was confirmed."""
    standing = await standing_of(ctx.pool, actor.account_id_or_refuse())
    if standing.internet_status != "eligible" or standing.checked_address:
        return
    held = complete(profile_of((await ctx.whmcs.client(actor.whmcs_client_id)).data).address)
    if held is not None:
        await checked_address.record(ctx.inbox, ctx.salesforce, actor.salesforce_account_id, held)


COMMAND = Command(change_address, writes=("whmcs", "salesforce"), away="queue", queued_write=_write)
