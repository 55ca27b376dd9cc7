"""Fulfilment: from staff's approval to an activated service, as a journaled process that survives any crash.

The edge in the projected order state starts it, once an order. Each step looks before it leaps, so running it again does
nothing twice. What a step learned (upstream ids, chosen names) stands in the journal before the next step begins.
"""

from app.commands.fulfilment.journal import due, resume_paused, take_approved
from app.commands.fulfilment.run import run

__all__ = ["due", "resume_paused", "run", "take_approved"]
