"""The input of a provisioning step."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.clock import now
from app.commands.execution.context import Context
from app.commands.fulfilment.work import Fail
from app.integrations.whm.client import HostingAccount

NO_ACCOUNT = Fail("HOSTING_ACCOUNT_MISSING", "The order has no hosting account, or it is no longer on the server.")


class ProvisionTask(Struct, kw_only=True):
    """A step as journaled. `attempt` counts its tries since staff last retried it; `facts` holds what it learned."""

    ctx: Context
    order_id: str
    account_id: UUID
    position: int
    step: str
    parameters: dict[str, Any]
    attempt: int
    facts: dict[str, Any]
    username: str | None

    async def account(self) -> HostingAccount | None:
        """Return the hosting account of the order as the server has it now."""
        return await self.ctx.whm.account(self.username) if self.username else None

    async def remember(self, **facts: Any) -> None:
        """Journal facts at once; None removes one."""
        await self.ctx.pool.execute(
            "UPDATE portal.provision_steps SET facts = jsonb_strip_nulls(facts || $3), updated_at = now() "
            "WHERE order_id = $1 AND position = $2",
            self.order_id,
            self.position,
            facts,
        )
        self.facts.update(facts)

    def seconds_since(self, fact: str) -> float | None:
        """Return the age of a journaled instant; None if it is not set."""
        at = self.facts.get(fact)
        return (now() - datetime.fromisoformat(at)).total_seconds() if at else None
