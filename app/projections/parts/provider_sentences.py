"""What customers read about a service whose provider follows billing: only what the provider confirmed counts as done.

The states come from the portal's own record under the service. A service without one was not provisioned by the portal,
so nothing is known of its provider, and nothing is said of it.
"""

from collections.abc import Sequence

from app.events import Record
from app.projections.parts.fields import plain

ENDED = ("terminated", "cancelled")
REMOVED = {
    "whm": "What was stored with it was removed; to use it again, please order it again.",
    "freebit": "Its line was closed; to use a SIM again, please order it again.",
}
REMOVED_LATER = {
    "whm": "What is stored with it will be removed from {} on. If you still need it, please contact support before.",
    "freebit": "Its line will be closed from {} on. If you still need the number, please contact support before.",
}
BEING_REMOVED = {
    "whm": "It is being switched off. If you still need what is stored with it, please contact support now.",
    "freebit": "Its line is being closed. If you still need the number, please contact support now.",
}
BEING_SUSPENDED = "It is being suspended. Please contact support to keep it switched on."
OVERDUE = "A payment is overdue, so it is being suspended. Pay the open invoice and it stays on."
LINE_OVERDUE = "A payment is overdue. Your SIM still works; please pay the open invoice so that it stays on."
LINE_SUSPENDED = "Suspended in billing. Your SIM still works for now; please contact support to keep it."
BEING_RESUMED = "Active. It is being switched on again."
HELD = "Active, but still switched off. We are looking into it; please contact support if it is urgent."


def sentence(status: str, usual: str, overdue: bool, states: Sequence[Record]) -> str:
    """Return the sentence for a service in this status; the usual one where nothing else is known to be true."""
    if not states:
        return usual
    data = states[0].data
    provider, actual = plain(data.get("type")), plain(data.get("actual_status"))
    if status in ENDED:
        first = "Ended." if status == "terminated" else usual
        return f"{first} {_ending(provider, actual, plain(data.get('removal_date')))}"
    if status == "suspended" and actual != "suspended":
        if provider == "freebit":
            return LINE_OVERDUE if overdue else LINE_SUSPENDED
        return OVERDUE if overdue else BEING_SUSPENDED
    if status == "active" and actual == "suspended":
        return HELD if plain(data.get("staff_status")) else BEING_RESUMED
    return usual


def _ending(provider: str, actual: str, removal: str) -> str:
    if actual == "removed":
        return REMOVED[provider]
    return REMOVED_LATER[provider].format(removal) if removal else BEING_REMOVED[provider]
