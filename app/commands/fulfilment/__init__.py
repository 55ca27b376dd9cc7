"""Fulfilment: from staff's approval in Salesforce to an activated service.

A process manager journaled in portal.fulfilments: a row an order, one step at a time, resumable after any kill.
`take_approved` starts orders, `due` names those with something to do, `provision_due` those that are active and not all
set up, `run` takes one as far as it goes now, and `resume_paused` has paused orders looked at again at once;
`RESUMED_BY` names the read models whose news end a pause. `resume_after_outages` does the same for what an upstream
that is back had failed.
"""

import asyncpg

from app.commands.fulfilment import journal, provision
from app.commands.fulfilment.billing import PAYMENT_METHOD_MISSING, PAYMENT_PENDING
from app.commands.fulfilment.journal import due, resume_paused, take_approved
from app.commands.fulfilment.provision import due as provision_due
from app.commands.fulfilment.run import run

RESUMED_BY = {"payment_methods": PAYMENT_METHOD_MISSING, "invoices": PAYMENT_PENDING}

__all__ = ["RESUMED_BY", "due", "provision_due", "resume_after_outages", "resume_paused", "run", "take_approved"]


async def resume_after_outages(pool: asyncpg.Pool) -> None:
    """Orders, and what is set up after them."""
    await journal.resume_after_outages(pool)
    await provision.resume_after_outages(pool)
