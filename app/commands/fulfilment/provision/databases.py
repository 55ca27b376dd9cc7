"""A provisioning step: a database and its one user, under names that are the same in every try."""

import msgspec

from app.commands.fulfilment.provision.creation import ignore_existing, random_password
from app.commands.fulfilment.provision.parameters import CreateDatabase
from app.commands.fulfilment.provision.task import NO_ACCOUNT, ProvisionTask
from app.commands.fulfilment.work import Next, Outcome
from app.integrations.whm import hosted


async def create_database(task: ProvisionTask) -> Outcome:
    """Create the database and its user and grant access, each only if it does not exist."""
    if (account := await task.account()) is None:
        return NO_ACCOUNT
    whm, owner = task.ctx.whm, account.username
    name = await hosted.database_prefix(whm, owner) + msgspec.convert(task.parameters, CreateDatabase).name
    present = await hosted.databases(whm, owner)
    if name not in present:
        await ignore_existing(hosted.create_database(whm, owner, name))
    if name not in await hosted.database_users(whm, owner):
        await ignore_existing(hosted.create_database_user(whm, owner, name, random_password()))
    if name not in present.get(name, ()):
        await hosted.grant(whm, owner, name, name)
    return Next()
