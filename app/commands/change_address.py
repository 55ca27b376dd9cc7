"""Change the billing address: WHMCS is authoritative, so the write goes there, and what it then holds is read back.

Writes: WHMCS client.
"""

from datetime import UTC, datetime

from msgspec.structs import asdict

from app.commands.context import Actor, Context, Done
from app.commands.sign_up import Address
from app.integrations.whmcs import records


async def change_address(ctx: Context, actor: Actor, request: Address) -> Done:
    """Replace the address. Old orders keep the address they were placed with. Safe to repeat."""
    actor.account_id_or_refuse()
    await ctx.whmcs.update_client(actor.whmcs_client_id, asdict(request))
    read_at = datetime.now(UTC)
    client = await ctx.whmcs.client(actor.whmcs_client_id)
    submission = await ctx.inbox.submit([records.change(client, origin="command", read_at=read_at)])
    return Done(request, submission)
