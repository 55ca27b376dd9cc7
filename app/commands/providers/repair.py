"""Repairs by staff: let the process follow billing again where the provider changed by itself.

A repair writes nothing at a provider. It hands the service to the worker, which reads both sides and keeps every guard:
a suspension of others is not lifted, and nothing is removed before its grace ends.

Reads and writes: portal.provided_services. Writes: portal.audit.
"""

from collections.abc import Sequence

from app.audit import Operator, audit
from app.commands.execution.context import Context, StaffCommand
from app.commands.providers import journal
from app.commands.providers.journal import ProvidedService
from app.errors import NotFound

_AGAIN = """
UPDATE portal.provided_services SET state = CASE state WHEN 'staff' THEN 'staff' ELSE 'following' END, attempts = 0,
    next_attempt_at = now(), product_id = CASE WHEN $2 THEN NULL ELSE product_id END, version = version + 1,
    updated_at = now()
WHERE subscription_id = ANY($1::text[]) RETURNING subscription_id
"""


async def repair(
    ctx: Context, operator: Operator, subscription_ids: Sequence[str], *, packages: bool = True
) -> list[str]:
    """Let the worker look at these services now; returns those that the portal provisioned.

    Args:
        packages: also give the provider the plan that is billed, if it has another one.
    """
    async with ctx.pool.acquire() as connection, connection.transaction():
        found = await connection.fetch(_AGAIN, list(subscription_ids), packages)
        repaired = sorted(each["subscription_id"] for each in found)
        await audit(connection, operator, "provider.repair", repaired)
    return repaired


async def provided_service(ctx: Context, subscription_id: str) -> ProvidedService:
    """Return the journal of a provided service.

    Raises:
        NotFound: `service_not_provisioned`.
    """
    found = await journal.one(ctx.pool, subscription_id)
    if found is None:
        sentence = "The portal did not provision this service, so it does not follow its provider."
        raise NotFound(sentence, code="service_not_provisioned")
    return found


COMMANDS = (StaffCommand(repair, "provider.repair", writes=(), away="refuse"),)
