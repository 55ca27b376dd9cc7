"""Why a scheduled change of plan was not made: what the customer reads by the code of the refusal.

The portal's record of a change keeps the sentence in English, by which it is found here again.
"""

from collections.abc import Mapping

from app.words.sentence import Sentence, say

UNREACHABLE = say("subscriptions.billing_unreachable")
REFUSED = say("subscriptions.not_accepted")
REASONS: Mapping[str, Sentence] = {
    "change_in_progress": say("subscriptions.other_plan_unpaid"),
    "plan_not_available": say("subscriptions.plan_not_offered"),
    "price_changed": say("subscriptions.price_risen"),
    "subscription_not_active": say("subscriptions.not_active_that_day"),
    "subscription_not_found": say("subscriptions.service_gone"),
    "wrong_direction": say("subscriptions.plan_changed_since"),
}
_STORED: Mapping[str, Sentence] = {str(each): each for each in (UNREACHABLE, REFUSED, *REASONS.values())}


def of_stored(reason: str | None) -> Sentence | None:
    """Return the sentence that a record keeps; None without one. An unknown one is said as it is."""
    if not reason:
        return None
    return _STORED.get(reason) or say("subscriptions.other_reason", text=reason)
