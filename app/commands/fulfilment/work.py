"""What a fulfilment step gets and what it may answer."""

import random
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.clock import now
from app.commands.execution.context import Context
from app.errors import UpstreamAuthFailed, UpstreamRejected, UpstreamUnavailable
from app.intake.words import folded
from app.integrations.salesforce.activation import FulfilmentLine, LiveOrder

TRIES = 3
FIRST_RETRY_SECONDS = 5.0
NOTHING_DONE = (UpstreamUnavailable, UpstreamRejected, UpstreamAuthFailed)
"""Errors after which a write is known not to have happened; any other leaves a doubt."""


class Job(Struct, frozen=True, kw_only=True):
    """A fulfilment as journaled. `facts` holds what earlier steps learned; `attempt` counts this step's tries."""

    order_id: str
    account_id: UUID
    step: str
    attempt: int
    error_code: str | None
    facts: dict[str, Any]


class Work(Struct, kw_only=True):
    """One order being fulfilled: the journal's facts, the order as Salesforce has it now, and whose it is."""

    ctx: Context
    job: Job
    order: LiveOrder
    whmcs_client_id: str
    email: str

    async def remember(self, **facts: Any) -> None:
        """Journal facts at once: before a call that must not be repeated blindly, or right after one."""
        await self.ctx.pool.execute(
            "UPDATE portal.fulfilments SET facts = facts || $2, updated_at = now() WHERE order_id = $1",
            self.order.order_id,
            facts,
        )
        self.job.facts.update(facts)

    def plan(self, category: str) -> FulfilmentLine | None:
        """The order's service line of a Salesforce category."""
        return next((line for line in self._services() if folded(line.category) == folded(category)), None)

    def provision_template(self) -> str:
        """What is to be set up once the order is active; empty for nothing."""
        return next((line.provision_template for line in self._services() if line.provision_template), "")

    def _services(self) -> list[FulfilmentLine]:
        return [line for line in self.order.lines if folded(line.item_class) == "service"]

    def seconds_since(self, fact: str) -> float | None:
        """How long ago a journaled instant was; None when it is not set."""
        at = self.job.facts.get(fact)
        return (now() - datetime.fromisoformat(at)).total_seconds() if at else None


class Next(Struct, frozen=True):
    """Done; go on."""

    facts: dict[str, Any] = {}


class Wait(Struct, frozen=True):
    """Nothing is wrong; the same step again in so many seconds."""

    seconds: float


class Retry(Struct, frozen=True):
    """It did not work this time; the same step again in so many seconds."""

    seconds: float
    reason: str


class Pause(Struct, frozen=True):
    """Waits for a cause to go away: looked at again every so many seconds, or when somebody says so."""

    code: str
    message: str
    seconds: float = 120.0


class Fail(Struct, frozen=True):
    """Staff must act."""

    code: str
    message: str


Outcome = Next | Wait | Retry | Pause | Fail


def again(attempt: int, reason: str) -> Retry:
    """The next of the first few tries, each later than the one before."""
    return Retry(FIRST_RETRY_SECONDS * 2 ** (attempt - 1) * random.uniform(0.8, 1.2), reason)


def stamp() -> str:
    """The present instant as facts keep it."""
    return now().isoformat()
