"""`portal export-customer` and `portal erase-customer`."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli.as_json import AS_JSON
from app.cli.operate import operate, operator
from app.personal_data import subject as subjects
from app.personal_data.erase import erase
from app.personal_data.export import export
from app.personal_data.subject import Subject
from app.personal_data.upstream import CLOSE_STEP, UPSTREAM_STEPS
from app.resources import Resources

BY_HAND = """Delete by hand what the portal does not control:
  WHMCS       client {0.whmcs_client_id}: {1}the login (user) of the same address; tickets, e-mails, contacts
  Salesforce  account {0.salesforce_account_id}: {2}addresses on orders; cases, contacts, files
  backups     of our database: they hold the data until they are overwritten"""
BY_OPTION = "{} (--upstream does it); "
CLOSED = "still open (--upstream --close closes it); "


@click.command("export-customer")
@click.argument("email")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the archive to this file.")
@AS_JSON
def export_customer(email: str, output: Path | None, as_json: bool) -> None:
    """Export everything the portal stores about the customer who logs in with EMAIL to one zip of JSON files.

    Recorded in the audit log.
    """

    async def work(resources: Resources) -> tuple[Path, dict[str, int]]:
        found = await subjects.find(resources.pool, email)
        file = output or Path(f"customer-{found.customer_number}.zip")
        with _progress(as_json) as report:
            return file, await export(resources.pool, found, operator(), file, report)

    file, counts = operate(work)
    if as_json:
        click.echo(json.dumps({"file": str(file), "rows": counts}))
    else:
        click.echo(f"{sum(counts.values())} rows of {len(counts)} tables are in {file}, readable by you alone.")


@click.command("erase-customer")
@click.argument("email")
@click.option("--upstream", is_flag=True, help="Also overwrite name and address in WHMCS and Salesforce.")
@click.option(
    "--close", is_flag=True, help="With --upstream: close the WHMCS client with its open invoices and services."
)
@click.option("--yes", is_flag=True, help="Skip the confirmation.")
@AS_JSON
def erase_customer(email: str, upstream: bool, close: bool, yes: bool, as_json: bool) -> None:
    """Erase the personal data of the customer who logs in with EMAIL, everywhere in the portal and permanently.

    Amounts, dates and states of invoices and orders stay. Nothing that WHMCS or Salesforce send later brings the data
    back. A run that was interrupted resumes when repeated. Recorded in the audit log.
    """
    if close and not upstream:
        raise click.UsageError("--close acts upstream: add --upstream.")
    steps = {**(UPSTREAM_STEPS if upstream else {}), **(CLOSE_STEP if close else {})}
    if not yes:
        where = "here, in WHMCS and in Salesforce" if upstream else "here"
        ended = ", cancel their open invoices and end their services" if close else ""
        click.confirm(
            f"Erase everything personal of {email} {where}{ended}? This cannot be undone", abort=True, err=True
        )

    async def work(resources: Resources) -> Subject:
        found = await subjects.to_erase(resources.pool, email, list(steps))
        with _progress(as_json) as report:
            await erase(resources, found, operator(), report, upstream=steps)
        return found

    found = operate(work)
    if as_json:
        click.echo(json.dumps({"erased": str(found.account_id), "upstream": upstream, "closed": close}))
        return
    click.echo(
        "Erased: sign-in, mirror, inbox, read models, Redis." + (" WHMCS and Salesforce too." if upstream else "")
    )
    click.echo(_by_hand(found, upstream=upstream, close=close))


def _by_hand(found: Subject, *, upstream: bool, close: bool) -> str:
    profile = "" if upstream else BY_OPTION.format("name and address")
    return BY_HAND.format(found, profile + ("" if close else CLOSED), "" if upstream else BY_OPTION.format("the name"))


@contextmanager
def _progress(silent: bool) -> Iterator[Callable[[str, int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as shown:
        task = shown.add_task("begins", total=None)

        def report(name: str, done: int, total: int) -> None:
            shown.update(task, description=name, completed=done, total=total)

        yield report
