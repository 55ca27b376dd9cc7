"""Make a hosting account at WHM.

The username is chosen once and journaled before the first call, so a create whose answer was lost is found again and no
second account is ever made. WHMCS's own module provisions nothing: one writer a service.
"""

import hashlib
from typing import Any

from app.commands.fulfilment import journal
from app.commands.fulfilment.outcomes import Pause, Work
from app.errors import UpstreamRejected
from app.integrations.whm.client import NewHostingAccount

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


async def make_hosting_account(work: Work) -> dict[str, Any]:
    """Nothing to do without a hosting plan in the order."""
    plans = work.of("hosting")
    if not plans:
        return {}
    domain = work.order.get("Domain__c")
    if not domain:
        raise Pause("HOSTING_DOMAIN_MISSING", "The order names no domain for the hosting account.")
    username = work.fulfilment.facts.get("whm_username") or username_for(work.fulfilment.order_id)
    await journal.remember(work.connection, work.fulfilment, {"whm_username": username})
    found = await work.ctx.whm.account(username)
    if found is None:
        package = str(plans[0].facts.get("whm_package") or plans[0].sku.lower())
        contact = await _contact(work)
        await work.ctx.whm.create_account(NewHostingAccount(username, domain, package, contact))
    elif found.domain != domain:
        raise UpstreamRejected(
            "whm", "createacct", f"{username} exists for another domain", vendor_code="username_taken"
        )
    return {"whm_username": username}


def username_for(order_id: str) -> str:
    """Eight letters from the order id: deterministic, and unique in the eight that WHM compares."""
    digest = hashlib.sha256(order_id.encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:8])


async def _contact(work: Work) -> str:
    email = await work.ctx.pool.fetchval(
        "SELECT email FROM read_model.profiles WHERE account_id = $1", work.fulfilment.account_id
    )
    return str(email or "")
