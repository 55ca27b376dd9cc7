"""The canaries as clock jobs."""

from app.ingest.sources.canary import Alarm, CanaryFollower, ChangeEvents, Webhooks
from app.resources import Resources


async def _nothing() -> None:
    """Do nothing: there is no connection to reopen, and the canary itself has recorded the loss."""


async def follow_change_events(resources: Resources, alarm: Alarm = _nothing) -> str:
    """Follow a canary through Salesforce's change feed."""
    r, s = resources, resources.settings
    path = ChangeEvents(r.pool, r.salesforce, s.salesforce_channel, s.salesforce_canary_account_id)
    return await CanaryFollower(r.pool, path, patience_seconds=s.canary_patience_seconds).watch(alarm)


async def follow_webhooks(resources: Resources) -> str:
    """Follow a canary through WHMCS's hooks; `portal lag` and `portal doctor` report a lost one."""
    r, s = resources, resources.settings
    path = Webhooks(r.pool, r.whmcs, s.whmcs_canary_client_id)
    return await CanaryFollower(r.pool, path, patience_seconds=s.canary_patience_seconds).watch(_nothing)
