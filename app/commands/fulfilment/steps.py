"""The steps of a fulfilment, in order. Each may be run again after a crash at any point within it."""

from collections.abc import Awaitable, Callable

from app.commands.fulfilment.activation import announce, complete
from app.commands.fulfilment.agreed_prices import agreed_prices
from app.commands.fulfilment.billing import accept, check_payment, payment, whmcs_order
from app.commands.fulfilment.hosting import hosting
from app.commands.fulfilment.lines.sim import sim
from app.commands.fulfilment.work import Outcome, Work

Step = Callable[[Work], Awaitable[Outcome]]

STEPS: dict[str, Step] = {
    "check_payment": check_payment,
    "announce": announce,
    "whmcs_order": whmcs_order,
    "agreed_prices": agreed_prices,
    "payment": payment,
    "accept": accept,
    "sim": sim,
    "hosting": hosting,
    "complete": complete,
}


def after(step: str) -> str | None:
    """Return the step that follows; None after the last."""
    names = list(STEPS)
    position = names.index(step) + 1
    return names[position] if position < len(names) else None
