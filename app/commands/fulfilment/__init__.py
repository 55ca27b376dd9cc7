"""Fulfilment: from staff's approval in Salesforce to an activated service.

A process manager journaled in portal.fulfilments: a row an order, one step at a time, resumable after any kill.
`take_approved` starts orders, `due` names those with something to do, `run` takes one as far as it goes now, and
`resume_paused` has an account's paused orders looked at again at once.
"""

from app.commands.fulfilment.journal import due, resume_paused, take_approved
from app.commands.fulfilment.run import run

__all__ = ["due", "resume_paused", "run", "take_approved"]
