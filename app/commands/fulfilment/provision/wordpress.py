"""A provisioning step: a WordPress site on the account's main domain, requested from WP Toolkit once and then polled.

cPanel's API installs the newest version with the default theme and takes no parameters. An administrator configures the
plugins that WP Toolkit adds to every new site; their presence is verified, so that staff learn what is missing.
"""

import msgspec

from app.commands.fulfilment.provision.creation import ignore_existing
from app.commands.fulfilment.provision.parameters import InstallWordpress
from app.commands.fulfilment.provision.task import NO_ACCOUNT, ProvisionTask
from app.commands.fulfilment.work import NOTHING_DONE, Fail, Next, Outcome, Wait, stamp
from app.integrations.whm import hosted
from app.integrations.whm.hosted import WordpressSite

POLL_SECONDS = 15.0
SETTLE_SECONDS = 120.0
"""A request without an answer may have been accepted; it is repeated only after this time without a sign of it."""
DEADLINE_SECONDS = 1_800.0


async def install_wordpress(task: ProvisionTask) -> Outcome:
    """Look for the site, request it unless it was requested, and poll it."""
    if (account := await task.account()) is None:
        return NO_ACCOUNT
    site = await hosted.wordpress(task.ctx.whm, account.username)
    if site.installed:
        return _complete(task, site)
    asked, began = task.seconds_since("asked_at"), task.seconds_since("began_at")
    if site.under_way and asked is None:
        await task.remember(asked_at=stamp(), began_at=stamp())
    elif asked is None or (asked > SETTLE_SECONDS and not site.under_way and not site.failed):
        await _request_site(task, account.username)
    elif site.failed or (began or 0.0) > DEADLINE_SECONDS:
        return Fail("WORDPRESS_NOT_INSTALLED", f"WP Toolkit says: {site.message or site.status}")
    return Wait(POLL_SECONDS)


async def _request_site(task: ProvisionTask, username: str) -> None:
    now = stamp()
    await task.remember(asked_at=now, began_at=task.facts.get("began_at", now))
    try:
        await ignore_existing(hosted.install_wordpress(task.ctx.whm, username))
    except NOTHING_DONE:
        await task.remember(asked_at=None)
        raise


def _complete(task: ProvisionTask, site: WordpressSite) -> Outcome:
    wanted = msgspec.convert(task.parameters, InstallWordpress).plugins
    if missing := [slug for slug in wanted if slug not in site.plugins]:
        summary = f"WordPress {site.version} is installed without {', '.join(missing)}."
        return Fail(
            "WORDPRESS_PLUGINS_MISSING", f"{summary} Install them in WP Toolkit, and add them to its default set."
        )
    return Next()
