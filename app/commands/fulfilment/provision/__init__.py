"""Provisioning after activation: the steps of the template that the product names.

By then the service belongs to the customer. A step that fails is retried and shown to staff; it undoes nothing and does
not block the steps after it.
"""

from app.commands.fulfilment.provision.journal import due, resume_after_outages
from app.commands.fulfilment.provision.run import run

__all__ = ["due", "resume_after_outages", "run"]
