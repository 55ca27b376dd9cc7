"""The mailboxes of a hosting account."""

import msgspec

from app.commands.fulfilment.provision.parameters import ConfigureEmail
from app.commands.fulfilment.provision.task import NO_ACCOUNT, ProvisionTask
from app.commands.fulfilment.provision.unseen import password, unless_there
from app.commands.fulfilment.work import Next, Outcome
from app.integrations.whm import hosted


async def configure_email(task: ProvisionTask) -> Outcome:
    """Every mailbox of the template that is not there."""
    if (account := await task.account()) is None:
        return NO_ACCOUNT
    whm, owner, domain = task.ctx.whm, account.username, account.domain
    wanted = msgspec.convert(task.parameters, ConfigureEmail)
    present = await hosted.mailboxes(whm, owner)
    for name in wanted.mailboxes:
        if f"{name}@{domain}" not in present:
            quota = wanted.quota_megabytes
            await unless_there(hosted.add_mailbox(whm, owner, name, domain, password(), quota_megabytes=quota))
    return Next()
