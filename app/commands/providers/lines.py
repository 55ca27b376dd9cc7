"""Lines in Freebit: look, and make one write. Freebit accepts a request before it is carried out.

Reads and writes: Freebit line.
"""

from datetime import datetime

from app.commands.execution.context import Context
from app.commands.providers.decide import Found, Presence, Wanted
from app.commands.providers.journal import ProvidedService, Step
from app.commands.subscriptions.apply_plan import TOKYO
from app.integrations.freebit.shapes import LineState

PRESENCE: dict[LineState, Presence] = {"active": "active", "activating": "pending", "cancelled": "absent"}


async def look(ctx: Context, provided: ProvidedService) -> Found:
    """Return what Freebit has under the number. A state that the portal does not know is unknown."""
    line = await ctx.freebit.detail(provided.account_name)
    if line is None:
        return Found(presence="absent")
    return Found(presence=PRESENCE.get(line.state, "unknown"), package=line.plan_code)


async def write(ctx: Context, provided: ProvidedService, step: Step, wanted: Wanted) -> None:
    """Request one change from today on.

    Raises:
        UpstreamError: refused, unavailable or of unknown outcome.
    """
    today = datetime.now(TOKYO).date()
    if step == "cancel":
        await ctx.freebit.cancel_line(provided.account_name, today)
    elif step == "change_plan":
        await ctx.freebit.change_plan(provided.account_name, wanted.package, today)
    else:
        raise ValueError(f"a line knows no {step}")
