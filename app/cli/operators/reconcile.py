"""`portal reconcile`: finds changes that no event announced."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from app.cli.as_json import AS_JSON
from app.cli.operate import operate
from app.errors import NotFound
from app.ingest.catch_up.reconcile import Reconcile
from app.ingest.catch_up.tally import ObjectTally
from app.ingest.refetch.owners import WHMCS_RESOURCES
from app.ingest.refetch.upstreams import Upstreams
from app.resources import Resources


@click.command()
@click.argument("source", type=click.Choice(["salesforce", "whmcs", "all"]), default="all")
@click.option("--since", type=click.DateTime(), help="Start at this time (UTC) instead of where the last run ended.")
@click.option("--clients", default=20, show_default=True, help="Read this many WHMCS customers, longest unread first.")
@click.option("--account", type=click.UUID, help="Compare only this portal account's data in WHMCS.")
@AS_JSON
def reconcile(source: str, since: datetime | None, clients: int, account: UUID | None, as_json: bool) -> None:
    """Compare the upstreams with the mirror and heal differences, through the inbox.

    The workers do this themselves every RECONCILE_SECONDS. Drift is the number of differences among the records
    checked.
    """

    async def work(resources: Resources) -> list[ObjectTally]:
        run = Reconcile(resources.pool, resources.inbox, Upstreams(resources.salesforce, resources.whmcs))
        if account:
            return await _one_account(resources, run, account)
        found: list[ObjectTally] = []
        if source in ("salesforce", "all"):
            found += [each async for each in run.salesforce(since.replace(tzinfo=UTC) if since else None)]
        if source in ("whmcs", "all"):
            found += [each async for each in run.whmcs(clients)]
        return found

    found = operate(work)
    if as_json:
        click.echo(json.dumps({"findings": msgspec.to_builtins(found)}))
    else:
        _show(found)
    if failed := [each for each in found if each.failed]:
        _say_what_to_do(failed)
        sys.exit(1)


def _show(found: Sequence[ObjectTally]) -> None:
    table = Table("source", "object", "checked", "differing", "failed", "took", box=SIMPLE_HEAD)
    for each in found:
        numbers = [str(number) for number in (each.checked, each.differing, each.failed)]
        table.add_row(each.source, each.object, *numbers, f"{each.took_seconds} s")
    Console().print(table)


def _say_what_to_do(failed: Sequence[ObjectTally]) -> None:
    for each in failed:
        click.echo(
            f"portal: {each.failed} of {each.source} {each.object} could not be compared: {each.error}", err=True
        )
    click.echo(
        "portal: everything else was compared. The log names each of them (reconcile_failed). Fix the upstream's "
        "answers, see `portal doctor` and `portal dead-letters`, then run this again.",
        err=True,
    )


async def _one_account(resources: Resources, run: Reconcile, account: UUID) -> list[ObjectTally]:
    client_id = await resources.pool.fetchval(
        "SELECT whmcs_client_id FROM portal.id_mappings WHERE account_id = $1", account
    )
    if client_id is None:
        raise NotFound("There is no linked account with this id.", code="account_not_found")
    return [await run.whmcs_resource(resource, [client_id]) for resource in WHMCS_RESOURCES]
