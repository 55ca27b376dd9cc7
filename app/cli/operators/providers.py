"""`portal providers` and `portal whm`: how WHM and Freebit follow billing."""

from typing import Any

import click
from msgspec import Struct
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.operate import operate, operator
from app.commands.providers import journal
from app.commands.providers.journal import ProvidedService
from app.commands.providers.repair import provided_service, repair
from app.commands.providers.sync import Synced, account_of, sync
from app.queries.provider_drift import DriftReport, drift
from app.resources import Resources

CUSTOMER = click.option("--customer", help="Only this customer: customer number, WHMCS client id or account id.")
SYNC_SECONDS = 30.0


class RepairReport(Struct, frozen=True):
    """The differences before a repair, and the services that the worker looks at now."""

    drift: DriftReport
    repaired: list[str]


class FollowedStory(Struct, frozen=True):
    """The journal of a provided service, and everything that was done for it."""

    service: ProvidedService
    steps: list[dict[str, Any]]


class SyncReport(Struct, frozen=True):
    """What was read from WHM, and the differences that it shows."""

    sync: Synced
    drift: DriftReport


@click.group()
def providers() -> None:
    """Show how WHM and Freebit follow what WHMCS says of the services that the portal provisioned."""


@providers.command("drift")
@CUSTOMER
@click.option("--repair", "repairing", is_flag=True, help="Let the worker follow billing again where they differ.")
@AS_JSON
def show_drift(customer: str | None, repairing: bool, as_json: bool) -> None:
    """List services whose provider differs from billing, as of the last read. Exit status 0 also with differences.

    A repair keeps every guard: suspensions of others stay, and nothing is removed before its grace ends.
    """

    async def work(r: Resources) -> RepairReport:
        account_id = await account_of(r.context, customer) if customer else None
        found = await drift(r.pool, account_id)
        ids = [each.subscription_id for each in found.items]
        return RepairReport(found, await repair(r.context, operator(), ids) if repairing and ids else [])

    done = operate(work)
    if as_json:
        print_json(done)
        return
    _print(done.drift)
    if repairing:
        click.echo(f"The worker looks at {len(done.repaired)} services now; list again in a minute.")


@providers.command()
@click.argument("subscription_id")
@AS_JSON
def show(subscription_id: str, as_json: bool) -> None:
    """Show what was done at the provider of a service, and what is waited for."""

    async def work(r: Resources) -> FollowedStory:
        service = await provided_service(r.context, subscription_id)
        return FollowedStory(service, await journal.steps_of(r.pool, subscription_id))

    found = operate(work)
    if as_json:
        print_json(found)
        return
    service = found.service
    click.echo(f"{subscription_id} is {service.account_name} at {service.provider}: {service.state}.")
    click.echo(f"Billing wants: {service.desired or 'unknown'}. The provider has: {service.actual or 'unknown'}.")
    if service.remove_at:
        click.echo(f"It is removed at {service.remove_at:%Y-%m-%d %H:%M} UTC at the earliest.")
    if service.task_code:
        click.echo(f"Staff must act: {service.task_code} (case {service.case_id or 'not opened yet'}).")
    if service.error_code:
        click.echo(f"The last attempt failed: {service.error_code}: {service.error_message or ''}")
    for step in found.steps:
        click.echo(f"{step['at']:%Y-%m-%d %H:%M:%S}  {step['step']}  {step['outcome']}  {step['detail'] or ''}")


@click.group()
def whm() -> None:
    """Read WHM."""


@whm.command("sync")
@CUSTOMER
@AS_JSON
def sync_accounts(customer: str | None, as_json: bool) -> None:
    """Let the worker read WHM's accounts now, and list the differences. Nothing is changed in WHM."""

    async def work(r: Resources) -> SyncReport:
        account_id = await account_of(r.context, customer) if customer else None
        synced = await sync(r.context, account_id, SYNC_SECONDS)
        return SyncReport(synced, await drift(r.pool, account_id))

    done = operate(work)
    if as_json:
        print_json(done)
        return
    if not done.sync.shows:
        click.echo(f"WHM has not answered within {SYNC_SECONDS:.0f} s; this is what was known before.", err=True)
    _print(done.drift)


def _print(found: DriftReport) -> None:
    if not found.items:
        click.echo(f"{found.compared} provided services, no difference.")
        return
    table = Table("service", "account", "difference", "billing", "state", "staff", "error", "as of", box=SIMPLE_HEAD)
    for each in found.items:
        by = f" (by {each.suspended_by})" if each.kind == "switched_off" and each.suspended_by else ""
        as_of = f"{each.as_of:%m-%d %H:%M}{' (stale)' if each.stale else ''}" if each.as_of else "never"
        staff = " ".join(filter(None, (each.task_code, each.case_id)))
        row = (each.subscription_id, each.account_name, f"{each.kind}{by}", each.status, each.state, staff)
        table.add_row(*(escape(cell) for cell in row), escape(each.error or ""), as_of)
    Console().print(table)
    for kind in dict.fromkeys(each.kind for each in found.items):
        click.echo(f"{kind}: {next(each.meaning for each in found.items if each.kind == kind)}")
