"""The steps after activation by name. Each may be run again after a crash at any point within it."""

from collections.abc import Awaitable, Callable

from app.commands.fulfilment.provision import journal, templates
from app.commands.fulfilment.provision.certificates import setup_ssl
from app.commands.fulfilment.provision.databases import create_database
from app.commands.fulfilment.provision.mailboxes import configure_email
from app.commands.fulfilment.provision.task import ProvisionTask
from app.commands.fulfilment.provision.welcome import send_welcome_email
from app.commands.fulfilment.provision.wordpress import install_wordpress
from app.commands.fulfilment.work import Fail, Next, Outcome

SetUpStep = Callable[[ProvisionTask], Awaitable[Outcome]]


async def find_template(task: ProvisionTask) -> Outcome:
    """Add the template's steps to the journal."""
    known, name = templates.load(task.ctx.settings.provision_templates), task.parameters["template"]
    if name not in known:
        names = ", ".join(known) or "none"
        return Fail("PROVISION_TEMPLATE_UNKNOWN", f"The product names the template {name}. There are: {names}.")
    await journal.add_steps(task.ctx.pool, task.order_id, known[name].steps)
    return Next()


STEPS: dict[str, SetUpStep] = {
    journal.FIND_TEMPLATE: find_template,
    "create_database": create_database,
    "configure_email": configure_email,
    "setup_ssl": setup_ssl,
    "install_wordpress": install_wordpress,
    "send_welcome_email": send_welcome_email,
}
