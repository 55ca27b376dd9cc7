"""What customers read about a service whose provider follows billing: only what the provider confirmed counts as done.

The states come from the portal's own record under the service. A service without one was not provisioned by the portal,
so nothing is known of its provider, and nothing is said of it.
"""

from collections.abc import Sequence

from app.events import Record
from app.projections.parts.fields import plain
from app.words.sentence import Sentence, say, together

ENDED = ("terminated", "cancelled")
REMOVED = {
    "whm": say("subscriptions.hosting_removed"),
    "freebit": say("subscriptions.line_closed"),
}
BEING_REMOVED = {
    "whm": say("subscriptions.hosting_being_removed"),
    "freebit": say("subscriptions.line_being_closed"),
}
BEING_SUSPENDED = say("subscriptions.being_suspended")
OVERDUE = say("subscriptions.overdue_being_suspended")
LINE_OVERDUE = say("subscriptions.line_overdue")
LINE_SUSPENDED = say("subscriptions.line_suspended")
BEING_RESUMED = say("subscriptions.being_resumed")
HELD = say("subscriptions.held")


def sentence(status: str, usual: Sentence, overdue: bool, states: Sequence[Record]) -> Sentence:
    """Return the sentence for a service in this status; the usual one where nothing else is known to be true."""
    if not states:
        return usual
    data = states[0].data
    provider, actual = plain(data.get("type")), plain(data.get("actual_status"))
    if status in ENDED:
        first = say("subscriptions.ended") if status == "terminated" else usual
        return together(first, _ending(provider, actual, plain(data.get("removal_date"))))
    if status == "suspended" and actual != "suspended":
        if provider == "freebit":
            return LINE_OVERDUE if overdue else LINE_SUSPENDED
        return OVERDUE if overdue else BEING_SUSPENDED
    if status == "active" and actual == "suspended":
        return HELD if plain(data.get("staff_status")) else BEING_RESUMED
    return usual


def _ending(provider: str, actual: str, removal: str) -> Sentence:
    if actual == "removed":
        return REMOVED[provider]
    if not removal:
        return BEING_REMOVED[provider]
    if provider == "freebit":
        return say("subscriptions.line_closed_from", on=removal)
    return say("subscriptions.hosting_removed_from", on=removal)
