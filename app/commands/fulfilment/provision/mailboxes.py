"""A provisioning step: the mailboxes of a hosting account."""

import msgspec

from app.commands.fulfilment.provision.creation import ignore_existing, random_password
from app.commands.fulfilment.provision.parameters import ConfigureEmail
from app.commands.fulfilment.provision.task import NO_ACCOUNT, ProvisionTask
from app.commands.fulfilment.work import Next, Outcome
from app.integrations.whm import hosted


async def configure_email(task: ProvisionTask) -> Outcome:
    """Create every mailbox of the template that does not exist."""
    if (account := await task.account()) is None:
        return NO_ACCOUNT
    whm, owner, domain = task.ctx.whm, account.username, account.domain
    wanted = msgspec.convert(task.parameters, ConfigureEmail)
    present = await hosted.mailboxes(whm, owner)
    for name in wanted.mailboxes:
        if f"{name}@{domain}" not in present:
            quota = wanted.quota_megabytes
            await ignore_existing(
                hosted.add_mailbox(whm, owner, name, domain, random_password(), quota_megabytes=quota)
            )
    return Next()
