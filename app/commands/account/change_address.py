"""Change the billing address. WHMCS is authoritative: the write goes there, and the result is read back.

Salesforce keeps no address of a portal customer, only the copies that orders take.

Writes: WHMCS client.
"""

from msgspec import Struct
from msgspec.structs import asdict

from app.commands.account.edit_client import edit
from app.commands.execution import postal_addresses
from app.commands.execution.context import Actor, Command, Context, Done
from app.commands.identity.enrolment.sign_up import SignUpAddress
from app.postal import Address


class ChangeAddress(Struct):
    """The new address, and the address that the caller saw, if it named one."""

    address: SignUpAddress
    expected: Address | None = None


async def change_address(ctx: Context, actor: Actor, request: ChangeAddress) -> Done:
    """Replace the billing address. Earlier orders keep the address they were placed with. Safe to repeat.

    Raises:
        RuleViolated: `address_invalid`.
        Outdated: `precondition_failed`.
    """
    address = postal_addresses.checked(Address(**asdict(request.address)))
    return await edit(ctx, actor, asdict(address), lambda profile: request.expected in (None, profile.address))


COMMAND = Command(change_address)
