"""A provisioning step: a certificate for the account's domain, by AutoSSL."""

from app.commands.fulfilment.provision.task import NO_ACCOUNT, ProvisionTask
from app.commands.fulfilment.work import Next, Outcome, Pause, Wait, stamp
from app.integrations.whm import hosted

POLL_SECONDS = 15.0


async def setup_ssl(task: ProvisionTask) -> Outcome:
    """Start an AutoSSL check of the domain and wait for its result.

    A customer's domain often points elsewhere for some days; then the step is retried automatically.
    """
    if (account := await task.account()) is None:
        return NO_ACCOUNT
    whm, owner = task.ctx.whm, account.username
    if await hosted.certificate_check_runs(whm, owner):
        return Wait(POLL_SECONDS)
    if "checked_at" not in task.facts:
        await hosted.check_certificates(whm, owner)
        await task.remember(checked_at=stamp())
        return Wait(POLL_SECONDS)
    if problem := await hosted.certificate_problem(whm, owner, account.domain):
        await task.remember(checked_at=None)
        return Pause("CERTIFICATE_NOT_ISSUED", f"AutoSSL: {problem}")
    return Next()
