"""The fulfilment step in WHM: one hosting account per hosting order, under a name chosen once.

The package on the server has the name of the WHMCS product.
"""

import base64
import hashlib

from app.commands.fulfilment.work import NOTHING_DONE, Fail, Next, Outcome, Wait, Work, stamp
from app.integrations.whm.client import NewHostingAccount

SETTLE_SECONDS = 90.0
"""A create without an answer often still succeeds; only after this time does its absence count as a failure."""


async def hosting(work: Work) -> Outcome:
    """Find the order's account by its exact name, or create it."""
    plan = work.plan("Hosting")
    if plan is None:
        return Next()
    whm, domain = work.ctx.whm, work.order.domain
    name = work.job.facts.get("hosting_username")
    if name is None:
        name = username(work.order.order_id)
        await work.remember(hosting_username=name)
    found = await whm.account(name)
    if found is not None:
        if found.domain == domain:
            return Next()
        return Fail("HOSTING_NAME_TAKEN", f"The account {name} exists already for another domain.")
    asked = work.seconds_since("hosting_asked_at")
    if asked is not None and asked < SETTLE_SECONDS:
        return Wait(min(SETTLE_SECONDS - asked, 15.0))
    await work.remember(hosting_asked_at=stamp())
    try:
        await whm.create_account(NewHostingAccount(name, domain, plan.whmcs_product_name or plan.name, work.email))
    except NOTHING_DONE:
        await work.remember(hosting_asked_at=None)
        raise
    return Next()


def username(order_id: str) -> str:
    """Derive eight characters from the order's id: a letter, then lower-case letters and digits."""
    digest = hashlib.sha256(order_id.encode()).digest()
    return "c" + base64.b32encode(digest).decode().lower()[:7]
