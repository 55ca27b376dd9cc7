"""The fulfilment step in WHM: one hosting account per hosting order, under a name chosen once.

The package on the server has the name of the WHMCS product. The server is asked whether the domain is in use before
anything is billed, and again before the account is created. While it does not answer nobody knows, and the order waits.

Reads: what `is_hosted_elsewhere` reads. Reads and writes: WHM account.
"""

import base64
import hashlib

from app.commands.fulfilment.work import NOTHING_DONE, Fail, Next, Outcome, Pause, Wait, Work, stamp
from app.errors import UpstreamRejected
from app.integrations.whm.client import NewHostingAccount
from app.integrations.whm.faults import DOMAIN_TAKEN
from app.ordering.hosting import as_dns, unavailable
from app.readmodels.ordering.domains import is_hosted_elsewhere

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
    if await _is_on_server(work):
        return _unavailable(domain)
    return await _create(work, NewHostingAccount(name, domain, plan.whmcs_product_name or plan.name, work.email))


async def _create(work: Work, new: NewHostingAccount) -> Outcome:
    await work.remember(hosting_asked_at=stamp())
    try:
        await work.ctx.whm.create_account(new)
    except NOTHING_DONE as error:
        await work.remember(hosting_asked_at=None)
        if isinstance(error, UpstreamRejected) and error.vendor_code == DOMAIN_TAKEN:
            return _unavailable(new.domain)  # by an account that the token does not see, or as an additional domain
        raise
    return Next()


async def is_domain_elsewhere(work: Work) -> bool:
    """Return whether the order is for hosting, and its domain is in use elsewhere: as the portal knows, or the server.

    Raises:
        UpstreamError: the server does not tell.
    """
    order = work.order
    if work.plan("Hosting") is None or not order.domain:
        return False
    pool, account_id = work.ctx.pool, work.job.account_id
    known = await is_hosted_elsewhere(pool, account_id, order.domain, ordered_before=order.order_id)
    return known or await _is_on_server(work)


async def _is_on_server(work: Work) -> bool:
    """Return whether an account that is not this order's has the domain."""
    found = await work.ctx.whm.hosting(as_dns(work.order.domain))
    return found is not None and found.username != username(work.order.order_id)


def _unavailable(domain: str) -> Pause:
    sentence = f"Another account on the hosting server has {domain}. Correct Domain__c; activation then goes on."
    return Pause("DOMAIN_UNAVAILABLE", f"{sentence} As the customer is told: {unavailable(domain)}")


def username(order_id: str) -> str:
    """Derive eight characters from the order's id: a letter, then lower-case letters and digits."""
    digest = hashlib.sha256(order_id.encode()).digest()
    return "c" + base64.b32encode(digest).decode().lower()[:7]
