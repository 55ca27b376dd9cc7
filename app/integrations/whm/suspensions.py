"""Who suspended a hosting account: the portal marks the reason of its own suspensions.

WHM keeps no other record of who suspended an account. An account is switched on again only by whoever switched it off,
so a suspension without the portal's mark, or with another service's, belongs to somebody else.
"""

import re

from app.intake.text import scalar
from app.integrations.whm.shapes import HostingAccount

LONGEST_REASON = 200
_MARK = re.compile(r"\[portal (\d+)\]")


def marked(subscription_id: str, reason: str) -> str:
    """Compose the reason under which the portal suspends the account of a service. A mark within it is left out."""
    plain = " ".join(_MARK.sub("", scalar(reason)).split())[:LONGEST_REASON]
    return f"{plain or 'Suspended in billing'} [portal {subscription_id}]"


def is_own(account: HostingAccount, subscription_id: str) -> bool:
    """Return whether the portal suspended this account for this service, and nobody locked it since."""
    found = _MARK.findall(account.suspend_reason)
    return account.suspended and not account.locked and found == [subscription_id]
