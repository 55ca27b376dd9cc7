"""The input and the possible outcomes of a fulfilment step."""

import random
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from app.clock import now
from app.commands.execution.context import Context
from app.errors import UpstreamAuthFailed, UpstreamRejected, UpstreamUnavailable
from app.intake.words import folded
from app.integrations.salesforce.activation import FulfilmentLine, LiveOrder
from app.readmodels.ordering.order_life import PauseCode
from app.readmodels.services import CLASSES, PLAN

FORMER_ORDERS = "former_whmcs_orders"
"""Fact: WHMCS orders of earlier attempts that were undone. They are not found again."""
TRIES = 3
FIRST_RETRY_SECONDS = 5.0
NOTHING_DONE = (UpstreamUnavailable, UpstreamRejected, UpstreamAuthFailed)
"""Errors after which a write certainly has not happened; after any other its outcome is unknown."""


ProvisionCode = Literal[
    "HOSTING_ACCOUNT_MISSING",
    "HOSTING_FEATURE_MISSING",
    "HOSTING_QUOTA_REACHED",
    "CERTIFICATE_NOT_ISSUED",
    "WORDPRESS_NOT_INSTALLED",
    "WORDPRESS_PLUGINS_MISSING",
    "PROVISION_TEMPLATE_UNKNOWN",
]
"""Codes of steps after activation, which the customer does not see."""
StopCode = PauseCode | ProvisionCode

UNAVAILABLE: dict[str, PauseCode] = {
    "salesforce": "SALESFORCE_UNAVAILABLE",
    "whmcs": "WHMCS_UNAVAILABLE",
    "freebit": "FREEBIT_UNAVAILABLE",
    "whm": "WHM_UNAVAILABLE",
}
REJECTED: dict[str, PauseCode] = {
    "salesforce": "SALESFORCE_REJECTED",
    "whmcs": "WHMCS_REJECTED",
    "freebit": "FREEBIT_REJECTED",
    "whm": "WHM_REJECTED",
}
"""Upstream → the code of an order that it refused."""


class Job(Struct, frozen=True, kw_only=True):
    """A fulfilment as journaled. `facts` holds what earlier steps learned; `attempt` counts this step's tries."""

    order_id: str
    account_id: UUID
    step: str
    attempt: int
    error_code: str | None
    facts: dict[str, Any]


class Work(Struct, kw_only=True):
    """One order being fulfilled: the journal's facts, the order as Salesforce has it now, and its owner.

    `reported_code` is the code that the portal wrote on the order and that still stands there. Without an owner,
    `whmcs_client_id` and `email` are empty.
    """

    ctx: Context
    job: Job
    order: LiveOrder
    whmcs_client_id: str
    email: str
    reported_code: str | None = None

    async def remember(self, **facts: Any) -> None:
        """Journal facts at once: before a call that must not be repeated blindly, or right after it."""
        await self.ctx.pool.execute(
            "UPDATE portal.fulfilments SET facts = facts || $2, updated_at = now() WHERE order_id = $1",
            self.order.order_id,
            facts,
        )
        self.job.facts.update(facts)

    def plan(self, category: str) -> FulfilmentLine | None:
        """Return the order's service line of a Salesforce category."""
        return next((line for line in self._services() if folded(line.category) == folded(category)), None)

    def provision_template(self) -> str:
        """Return the name of the provisioning template; empty if there is none."""
        return next((line.provision_template for line in self._services() if line.provision_template), "")

    def _services(self) -> list[FulfilmentLine]:
        return [line for line in self.order.lines if is_plan(line)]

    def seconds_since(self, fact: str) -> float | None:
        """Return the age of a journaled instant; None if it is not set."""
        at = self.job.facts.get(fact)
        return (now() - datetime.fromisoformat(at)).total_seconds() if at else None


def is_plan(line: FulfilmentLine) -> bool:
    """Return whether a line is a plan, and not an add-on or a fee."""
    return CLASSES.get(folded(line.item_class)) == PLAN


class Next(Struct, frozen=True):
    """The step is done; continue with the next."""

    facts: dict[str, Any] = {}


class Wait(Struct, frozen=True):
    """Nothing is wrong; run the step again in so many seconds. `unsure`: the step was not carried out, so what stopped
    it earlier may still do so."""

    seconds: float
    unsure: bool = False


class Retry(Struct, frozen=True):
    """The try failed; run the step again in so many seconds."""

    seconds: float
    reason: str


class Pause(Struct, frozen=True):
    """The order waits for a cause to end: retried every so many seconds, or when it is resumed. `for_staff`: only they
    can end it."""

    code: StopCode
    message: str
    seconds: float = 120.0
    for_staff: bool = False


class Fail(Struct, frozen=True):
    """The step failed permanently; staff must act."""

    code: StopCode
    message: str


class Undone(Struct, frozen=True):
    """Staff ended the order, and what had been done for it was undone."""

    code: StopCode
    message: str


class Anew(Struct, frozen=True):
    """Staff want the order after all: what had been done is undone, and it begins again with these facts."""

    facts: dict[str, Any]


Outcome = Next | Wait | Retry | Pause | Fail | Undone
OrderOutcome = Outcome | Anew
"""The outcome of a step of an order that staff may end and want again."""


def again(attempt: int, reason: str) -> Retry:
    """Return the next of the first few tries, with an exponential back-off."""
    return Retry(FIRST_RETRY_SECONDS * 2 ** (attempt - 1) * random.uniform(0.8, 1.2), reason)


def stamp() -> str:
    """Return the present instant as facts store it."""
    return now().isoformat()
