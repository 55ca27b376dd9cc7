"""What is set up once a service is active: the steps of the provisioning template that its product names.

The service is the customer's by then and stays it. A step that fails is retried and shown to staff; it never takes
anything back, nor does it keep the steps behind it from being done.
"""

from app.commands.fulfilment.provision.journal import due, resume_after_outages
from app.commands.fulfilment.provision.run import run

__all__ = ["due", "resume_after_outages", "run"]
