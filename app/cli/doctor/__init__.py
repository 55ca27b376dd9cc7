"""`portal doctor`: checks that everything the portal needs is reachable and set up, and says what to do if not."""

import asyncio
import sys
from collections.abc import Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.as_json import AS_JSON, print_json
from app.cli.command_settings import load_operator_settings
from app.cli.doctor import attachments, automation, captures, engines, provisioning, upstreams, webhooks
from app.cli.doctor.dunning import dunning
from app.cli.doctor.finding import Finding
from app.cli.doctor.prices import prices
from app.cli.doctor.salesforce import salesforce
from app.settings import Settings

MARKS = {"ok": "[green]✓[/green]", "failed": "[red]✗[/red]", "skipped": "–"}


@click.command()
@click.option(
    "--whmcs-client",
    metavar="ID",
    help="Also have WHMCS save this client unchanged, and wait for its hook file's webhook.",
)
@AS_JSON
def doctor(whmcs_client: str | None, as_json: bool) -> None:
    """Check engines, upstreams, the Salesforce org and webhooks; report what is wrong and what to do next.

    Writes nothing, except one webhook that makes a worker re-read a client, and with --whmcs-client a save in WHMCS
    that changes nothing. Exit status 0 if nothing failed, 1 otherwise, 2 for settings that do not load.
    """
    found = asyncio.run(examine(load_operator_settings(), whmcs_client))
    failed = any(each.status == "failed" for each in found)
    if as_json:
        print_json({"status": "failed" if failed else "ok", "checks": found})
    else:
        _show(found)
    sys.exit(1 if failed else 0)


async def examine(settings: Settings, whmcs_client_id: str | None = None) -> list[Finding]:
    """Run every check; independent ones run concurrently."""
    at_once = await asyncio.gather(
        engines.postgres(settings),
        engines.redis(settings),
        upstreams.whmcs(settings),
        upstreams.freebit(settings),
        upstreams.whm(settings),
        upstreams.breakers(settings),
        webhooks.endpoint(settings),
        provisioning.templates(settings),
        webhooks.canary(settings),
        attachments.scanning(settings),
        automation.jobs(settings),
        automation.stop(settings),
        automation.daily_run(settings),
        automation.automators(settings),
        captures.in_doubt(settings),
        dunning(settings),
    )
    org, priced = await asyncio.gather(salesforce(settings), prices(settings))
    return [*at_once[:2], *org, *at_once[2:], *priced, *await _round_trips(settings, at_once, whmcs_client_id)]


async def _round_trips(settings: Settings, earlier: Sequence[Finding], whmcs_client_id: str | None) -> list[Finding]:
    """Check round trips, if the webhook endpoint and the database work."""
    broken = {each.check for each in earlier if each.status == "failed"}
    feeds = _waiting("changes", "feeds", "postgres") if "postgres" in broken else await engines.arriving(settings)
    for needed in ("postgres", "door"):
        if needed in broken:
            return [feeds, *(_waiting(webhooks.AREA, check, needed) for check in ("worker", "hook file"))]
    return [feeds, await webhooks.worker(settings), await webhooks.hook(settings, whmcs_client_id)]


def _waiting(area: str, check: str, needed: str) -> Finding:
    return Finding(area=area, check=check, status="skipped", detail=f"skipped until this works: {needed}")


def _show(found: Sequence[Finding]) -> None:
    table = Table("", "area", "check", "what was found", box=SIMPLE_HEAD)
    for each in found:
        lines = [escape(each.detail), *([f"[bold]→ {escape(each.advice)}[/bold]"] if each.advice else [])]
        table.add_row(MARKS[each.status], each.area, escape(each.check), "\n".join(lines))
    failed = sum(each.status == "failed" for each in found)
    console = Console()
    console.print(table)
    console.print("All checks passed." if not failed else f"{failed} of {len(found)} checks failed.")
