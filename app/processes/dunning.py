"""Dunning as clock jobs: the units of `captures` and of `suspension`, and the job that follows what is paid.

Units are listed from the database alone, so that a dry run lists years of invoices without asking WHMCS for each. What
is so is read from WHMCS when a unit is done.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial

from app.clock import now
from app.commands.dunning import candidates, grace
from app.commands.dunning.attend import attend
from app.commands.dunning.candidates import Candidate
from app.commands.dunning.follow import follow
from app.commands.dunning.journal import DunningRow
from app.commands.dunning.policy import policies
from app.commands.dunning.schedule import calendar_of
from app.integrations.admission.priority import background
from app.processes.clock.job import Postponed, Unit
from app.resources import Resources
from app.settings import BillingTask


async def captures(resources: Resources, at: datetime | None = None) -> AsyncGenerator[Unit, None]:
    """Yield the charges that are due now: on the due date, repeated after it, and with new payment methods."""
    async for unit in _attended(resources, at or now(), "captures"):
        yield unit


async def suspension(resources: Resources, at: datetime | None = None) -> AsyncGenerator[Unit, None]:
    """Yield the days of grace and the suspensions of today. Where WHMCS charges, unpaid invoices are taken up here.

    Raises:
        Postponed: more accounts are due than one day may suspend, so only days are counted.
    """
    at, context = at or now(), resources.context
    if resources.settings.automator_of("captures") != "portal":
        async for unit in _attended(resources, at, "suspension"):
            yield unit
    today = await grace.of_today(context, calendar_of(resources.settings), at)
    objection = await grace.excess(context, calendar_of(resources.settings), today.due, at)
    for row in today.going_on:
        yield _day(resources, row, at, may_suspend=False)
    for row in today.due:
        yield _day(resources, row, at, may_suspend=objection is None)
    if objection:
        raise Postponed(objection)


async def follow_dunning(resources: Resources) -> str:
    """End the dunning of what is settled, and bring services back."""
    count = await follow(resources.context, now())
    return f"{count:,} services restored" if count else ""


async def _attended(resources: Resources, at: datetime, task: BillingTask) -> AsyncGenerator[Unit, None]:
    calendar, context = calendar_of(resources.settings), resources.context
    charges = task == "captures"
    most = len(policies(resources.settings).usual.retry_days)
    for each in await candidates.due(context, calendar, at, task):

        async def do(each: Candidate = each) -> None:
            with background():
                await attend(context, each.subject, at, may_charge=charges)

        yield Unit(_what(each, charges, most), do)


def _what(each: Candidate, charges: bool, most: int) -> str:
    subject = f"invoice {each.invoice_id}, due on {each.due_on}"
    if not charges:
        return f"Would note a day of {subject}, which WHMCS charges."
    if each.slot == 0:
        return f"Would charge {subject}, or take it into dunning."
    return (
        f"Would charge {subject}, again (up to attempt {min(each.slot, most)} of {most}), unless it was paid meanwhile."
    )


def _day(resources: Resources, row: DunningRow, at: datetime, *, may_suspend: bool) -> Unit:
    subject = f"invoice {row.invoice_id} of client {row.whmcs_client_id}, due on {row.due_on}"
    what = f"Would count a day of grace of {subject}; suspension is on {row.suspend_on or 'no day'}."
    if may_suspend:
        what = f"Would suspend what {subject}, bills, unless it was paid meanwhile."
    do = partial(grace.pass_day, resources.context, row, at, may_suspend=may_suspend)
    return Unit(what, do)
