"""Fulfilment: from staff's approval in Salesforce to an activated service.

A process manager journaled in portal.fulfilments: one row per order, one step at a time, resumable after any crash.
`take_up` follows what staff decide about orders in Salesforce, `due` lists those with work to do, and `provision_due`
active ones that are not fully set up. `run` advances one as far as possible now. `resume_paused` retries paused orders
at once; `RESUMED_BY` names the read models whose changes end a pause. `resume_after_outages` retries what failed during
an outage of an upstream.
"""

import asyncpg

from app.commands.fulfilment import billing_account, journal, provision
from app.commands.fulfilment.billing import PAYMENT_METHOD_MISSING, PAYMENT_PENDING
from app.commands.fulfilment.decisions_in_salesforce import take_up
from app.commands.fulfilment.journal import due, resume_paused
from app.commands.fulfilment.provision import due as provision_due
from app.commands.fulfilment.run import run

RESUMED_BY = {
    "payment_methods": PAYMENT_METHOD_MISSING,
    "invoices": PAYMENT_PENDING,
    "profiles": billing_account.CLOSED,
}

__all__ = ["RESUMED_BY", "due", "provision_due", "resume_after_outages", "resume_paused", "run", "take_up"]


async def resume_after_outages(pool: asyncpg.Pool) -> None:
    """Retry orders and provisioning steps that failed during an outage."""
    await journal.resume_after_outages(pool)
    await provision.resume_after_outages(pool)
